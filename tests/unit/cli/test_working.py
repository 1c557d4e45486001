"""What is being worked on is shown on a terminal, and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

from meristem.cli.working import working


class Screen(io.StringIO):
    """Something that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_what_is_made_and_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with working("Reading trials") as doing:
        doing("Slices [accuracy]", 2, 9)
    assert "Slices [accuracy] (3/9)" in screen.getvalue()
    assert "0:00:0" in screen.getvalue()


def test_without_a_terminal_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with working("Reading trials") as doing:
        doing("Slices", 0, 9)
    assert capsys.readouterr() == ("", "")
