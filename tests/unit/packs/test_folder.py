"""A folder as a place: what is particular to it, and what happens when its file system refuses."""

from __future__ import annotations

import errno
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from meristem.errors import InputError, PlaceUnavailable
from meristem.packs.place import open_place
from meristem.packs.places.folder import FolderPlace

_KEY = "packs/ab/x.pack"


@pytest.fixture
def place(tmp_path: Path) -> FolderPlace:
    return FolderPlace(tmp_path / "place")


def _incoming(place: FolderPlace) -> list[str]:
    folder = place.folder / "incoming"
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_what_lies_there_cannot_be_written_and_nothing_is_left_over(place: FolderPlace) -> None:
    place.put_new(_KEY, b"x")
    place.put_new(_KEY, b"y")

    assert (place.folder / _KEY).stat().st_mode & 0o777 == 0o444
    assert _incoming(place) == []


def test_a_file_of_its_own_is_taken_without_a_copy(place: FolderPlace) -> None:
    file = place.new_file()
    file.write([b"ab", memoryview(b"cd")])
    path = file.finish()
    number = path.stat().st_ino

    assert place.put_new(_KEY, path)
    assert (place.folder / _KEY).stat().st_ino == number
    assert place.read(_KEY) == b"abcd"
    assert not path.exists()


def test_where_there_are_no_hard_links_still_nothing_is_replaced(
    place: FolderPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    won: list[bool] = []
    threads = [threading.Thread(target=lambda: won.append(place.put_new(_KEY, b"x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == [False] * 7 + [True]
    assert place.read(_KEY) == b"x"
    assert [name for name in _incoming(place) if name != ".lock"] == []


def test_what_killed_processes_left_is_removed_once_it_is_old(place: FolderPlace) -> None:
    place.put_new(_KEY, b"x")
    place.new_file().finish()
    old = place.new_file().finish()
    os.utime(old, (1, 1))

    assert place.delete_leftovers() == 1
    assert len(_incoming(place)) == 1
    assert place.delete_leftovers(timedelta(seconds=-1)) == 1
    assert place.read(_KEY) == b"x"
    assert FolderPlace(place.folder / "nowhere").delete_leftovers() == 0


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "the disk is full.*Free some space"), (errno.EROFS, "read-only.*Make it writable")],
)
def test_a_full_or_read_only_folder_is_told_with_what_to_do_and_keeps_nothing_half(
    place: FolderPlace, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "writev", refuse)

    with pytest.raises(PlaceUnavailable, match=says) as caught:
        place.put_new(_KEY, b"x")
    assert not caught.value.transient
    monkeypatch.undo()
    assert (place.size(_KEY), _incoming(place)) == (None, [])


def test_a_write_that_is_cut_short_goes_on(place: FolderPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.writev
    monkeypatch.setattr(os, "writev", lambda file, parts: whole(file, [bytes(parts[0])[:3]]))
    file = place.new_file()
    file.write([b"abcdef", b"ghi", memoryview(b"jkl")])

    assert place.put_new(_KEY, file.finish())
    assert place.read(_KEY) == b"abcdefghijkl"


def test_a_file_in_the_way_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(PlaceUnavailable, match=r"in the way|Not a directory"):
        FolderPlace(tmp_path / "file").put_new(_KEY, b"x")


def test_fsync_reaches_the_file_and_each_new_folder(place: FolderPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))

    FolderPlace(place.folder, fsync=True).put_new(_KEY, b"x")

    assert synced[0].startswith(f"{place.folder}/incoming/")
    assert {f"{place.folder}/packs/ab", f"{place.folder}/packs", str(place.folder)} <= set(synced[1:])


def test_a_folder_is_opened_by_path_or_url(tmp_path: Path) -> None:
    for url in (tmp_path / "a b", str(tmp_path / "a b"), f"{(tmp_path / 'a b').as_uri()}?durability=full"):
        place = open_place(url)
        place.put_new(_KEY, b"x")
        assert place.url == str(tmp_path / "a b")
        assert place.size(_KEY) == 1


def test_an_unknown_kind_of_place_is_refused() -> None:
    with pytest.raises(InputError, match="carrier-pigeon"):
        open_place("carrier-pigeon://loft")
