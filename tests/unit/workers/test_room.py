"""A worker finds out whether its folder can be written, and looks again ever more rarely."""

from __future__ import annotations

import os
from types import SimpleNamespace

from meristem.workers import room


def test_a_folder_that_takes_bytes_is_well_and_left_empty(tmp_path):
    assert room.trouble(tmp_path / "new") is None
    assert os.listdir(tmp_path / "new") == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    assert "Not a directory" in (room.trouble(tmp_path / "file" / "below") or "")


def test_a_disk_that_is_nearly_full_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3 << 20))
    assert "only 3 MB are free" in (room.trouble(tmp_path) or "")


def test_pauses_grow_to_a_minute():
    pauses = [0.0]
    for _ in range(9):
        pauses.append(room.longer(pauses[-1]))
    assert pauses[1:4] == [1.0, 2.0, 4.0]
    assert pauses[-1] == 60.0
