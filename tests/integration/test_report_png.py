"""Figures drawn by a real browser."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest

import meristem as ms
from meristem.errors import InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
needs_browser = pytest.mark.skipif(
    not os.environ.get("BROWSER_PATH") and not any(map(shutil.which, BROWSERS)),
    reason="drawing figures needs Chrome or Chromium (Debian: apt-get install chromium)",
)


def filled() -> ms.Study:
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="-loss", controller="random", seed=1)
    for number in range(3):
        study.tell(study.ask(), loss=float(number))
    return study


@needs_browser
def test_every_figure_becomes_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("kaleido")
    report = filled().report()
    paths = report.png(tmp_path / "figures")
    assert len(paths) == sum(len(card.figures) for card in report.cards)
    assert {path.name for path in paths} >= {"trace.png", "parallel_coordinates.png"}
    for path in paths:
        data = path.read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", data[16:24])
        assert width >= 1800
        assert height >= 200


def test_without_a_browser_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaleido")
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    with pytest.raises(InputError, match="apt-get install chromium"):
        filled().report().png(tmp_path / "figures")
