from __future__ import annotations

import os
from pathlib import Path

import pytest

from meristem.datasets.copies.inside import Inside, refuse


def write(inside: Inside, path: str, data: bytes) -> None:
    folder, _, name = path.rpartition("/")
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=inside.folder(folder))
    os.write(file, data)
    os.close(file)


def test_more_folders_than_stay_open_are_each_the_right_one(tmp_path: Path) -> None:
    inside = Inside(tmp_path, refuse, kept=3)
    paths = [f"{a}/{b}/{c}/f" for a in "abc" for b in "abc" for c in "abc"]
    for path in [*paths, *(f"{path}2" for path in reversed(paths))]:
        write(inside, path, path.encode())
        assert inside.find("a/b/c") is None or (tmp_path / "a/b/c").is_dir()
    inside.close()
    assert all((tmp_path / path).read_bytes() == path.encode() for path in paths)
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.parametrize("obstacle", ["file", "link", "link to a folder"])
def test_what_is_no_folder_is_handed_over_and_never_passed(tmp_path: Path, obstacle: str) -> None:
    (tmp_path / "out").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    if obstacle == "file":
        (root / "a").write_text("")
    else:
        (root / "a").symlink_to(tmp_path / ("out" if "folder" in obstacle else "nowhere"))
    seen: list[str] = []

    def remove(folder: int, name: str, path: str) -> None:
        seen.append(path)
        os.unlink(name, dir_fd=folder)

    inside = Inside(root, remove)
    assert inside.find("a") is None
    write(inside, "a/f", b"x")
    inside.close()
    assert seen == ["a"]
    assert (root / "a/f").read_bytes() == b"x"
    assert not os.listdir(tmp_path / "out")
