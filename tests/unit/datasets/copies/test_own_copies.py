from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.datasets.copies.versions import CHUNK, Memory, content, link

from meristem.datasets.copies import link_copy, local_copy, mutable_copy, sharing
from meristem.datasets.copies.locks import try_alone
from meristem.datasets.copies.own import STAGING
from meristem.errors import CopyRefused, PlaceUnavailable

FILES = {"a/one": b"one", "a/two": b"two", "large": b"L" * CHUNK + b"M" * CHUNK, "three": b"three"}


def unlinkable(found: sharing.Found, folder: int, name: str) -> bool:
    return False


@pytest.mark.parametrize("with_cache", [True, False])
def test_an_own_copy_can_be_changed_and_changes_nothing_else(
    memory: Memory, cache: Path, tmp_path: Path, with_cache: bool
) -> None:
    tree = memory.tree(
        *(memory.file(path, data) for path, data in FILES.items()), memory.file("x", b"", executable=True)
    )
    shared = local_copy(tree, memory, cache=cache)
    memory.asked.clear()
    own = mutable_copy(tree, memory, tmp_path / "own", cache=cache if with_cache else None)
    assert bool(memory.asked) is not with_cache
    assert content(own) == {**FILES, "x": b""}
    assert os.access(own / "x", os.X_OK)
    assert not own.joinpath("a/one").stat().st_mode & 0o111
    for path in FILES:
        with open(own / path, "ab") as file:
            file.write(b"more")
    assert content(shared) == {**FILES, "x": b""}


def test_a_file_that_was_changed_in_the_cache_is_not_taken(memory: Memory, cache: Path, tmp_path: Path) -> None:
    tree = memory.files(FILES)
    (local_copy(tree, memory, cache=cache) / "three").write_bytes(b"THREE")
    assert content(mutable_copy(tree, memory, tmp_path / "own", cache=cache)) == FILES


def test_a_whole_disk_is_refused_at_once(memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").write_text("")

    def disk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for number in range(4):
            yield f"{folder}/{number}", [], ["file"] * 300
        raise AssertionError("it is walked further than is needed to know")

    monkeypatch.setattr("os.walk", disk)
    with pytest.raises(CopyRefused, match="knows nothing: 1,000 and more"):
        mutable_copy(memory.files(FILES), memory, tmp_path)
    told: list[str] = []
    mutable_copy(memory.files(FILES), memory, tmp_path, overwrite=True, tell=told.append)
    assert told == [f"1,000 and more other files stay in {tmp_path}; exact=True (--exact) removes them."]


def test_a_folder_that_is_not_empty_is_refused_with_what_would_be_lost(memory: Memory, tmp_path: Path) -> None:
    own = mutable_copy(memory.files(FILES), memory, tmp_path / "own")
    (own / "a/one").write_bytes(b"my work")
    (own / "notes").write_bytes(b"mine")
    with pytest.raises(CopyRefused) as caught:
        mutable_copy(memory.files(FILES), memory, own)
    assert caught.value.problems == ("a/one",)
    assert content(own) == {**FILES, "a/one": b"my work", "notes": b"mine"}


def test_a_copy_that_is_there_already_may_be_repeated(memory: Memory, tmp_path: Path) -> None:
    own = mutable_copy(memory.files(FILES), memory, tmp_path / "own")
    (own / "three").unlink()
    assert content(mutable_copy(memory.files(FILES), memory, own)) == FILES
    (own / "notes").symlink_to("a")
    with pytest.raises(CopyRefused, match="knows nothing: 1"):
        mutable_copy(memory.files(FILES), memory, own)


def test_overwriting_replaces_what_differs_and_nothing_else(memory: Memory, tmp_path: Path) -> None:
    own = mutable_copy(memory.files(FILES), memory, tmp_path / "own")
    (own / "a/one").write_bytes(b"ONE")
    (own / "large").write_bytes(b"L" * 2 * CHUNK)
    (own / "notes").write_bytes(b"mine")
    untouched = (own / "three").stat()
    told: list[str] = []
    memory.asked.clear()
    mutable_copy(memory.files(FILES), memory, own, overwrite=True, tell=told.append)
    assert content(own) == {**FILES, "notes": b"mine"}
    assert told == [
        f"Replaced in {own}: a/one, large.",
        f"1 other file stays in {own}; exact=True (--exact) removes it.",
    ]
    assert (own / "three").stat() == untouched


def test_nothing_is_written_through_links_that_stand_in_the_folder(memory: Memory, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "one").write_bytes(b"one, outside")
    (tmp_path / "precious").write_bytes(b"precious")
    own = tmp_path / "own"
    own.mkdir()
    (own / "a").symlink_to(outside)
    (own / "three").symlink_to(tmp_path / "precious")
    os.link(tmp_path / "precious", own / "large")
    mutable_copy(memory.files(FILES), memory, own, overwrite=True)
    assert content(own) == FILES
    assert content(outside) == {"one": b"one, outside"}
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_folder_where_a_file_should_be_is_never_deleted(memory: Memory, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "three").mkdir(parents=True)
    (own / "three/mine").write_bytes(b"mine")
    with pytest.raises(CopyRefused, match="Move them away"):
        mutable_copy(memory.files(FILES), memory, own, overwrite=True)
    assert content(own) == {"three/mine": b"mine"}


def test_what_would_be_lost_is_known_before(memory: Memory, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "a").write_bytes(b"a file where a folder should be")
    (own / "three").write_bytes(b"three")
    (own / "large").symlink_to("three")
    with pytest.raises(CopyRefused) as caught:
        mutable_copy(memory.files(FILES), memory, own)
    assert caught.value.problems == ("a", "large")


@pytest.mark.parametrize("left", range(5))
def test_an_own_copy_that_broke_off_goes_on(memory: Memory, tmp_path: Path, left: int) -> None:
    tree = memory.tree(*(memory.file(path, data) for path, data in FILES.items()), link("link", "three"))
    memory.left = left
    with pytest.raises(PlaceUnavailable):
        mutable_copy(tree, memory, tmp_path / "own")
    memory.left = None
    own = mutable_copy(tree, memory, tmp_path / "own")
    assert content(own) == {**FILES, "link": "three"}


def test_a_replacement_that_broke_off_leaves_the_old_file_until_the_new_one_is_there(
    memory: Memory, tmp_path: Path
) -> None:
    own = mutable_copy(memory.files({"large": b"old"}), memory, tmp_path / "own")
    memory.left = 2
    with pytest.raises(PlaceUnavailable):
        mutable_copy(memory.files(FILES), memory, own, overwrite=True)
    assert (own / "large").read_bytes() == b"old"
    memory.left = None
    with pytest.raises(CopyRefused, match="changed since"):
        mutable_copy(memory.files(FILES), memory, own)
    assert content(mutable_copy(memory.files(FILES), memory, own, overwrite=True)) == FILES


def test_what_somebody_changed_in_a_copy_that_broke_off_is_not_replaced(memory: Memory, tmp_path: Path) -> None:
    memory.left = 3
    with pytest.raises(PlaceUnavailable):
        mutable_copy(memory.files(FILES), memory, tmp_path / "own")
    memory.left = None
    arrived = next(
        path for path in (tmp_path / "own").rglob("*") if path.is_file() and path.name in ("one", "two", "three")
    )
    arrived.write_bytes(b"MY LABELS")
    (tmp_path / "own" / "my note").write_text("mine")
    with pytest.raises(CopyRefused, match="changed since"):
        mutable_copy(memory.files(FILES), memory, tmp_path / "own")
    assert arrived.read_bytes() == b"MY LABELS"
    arrived.write_bytes(b"")  # as a process leaves it that dies in the middle of writing
    mutable_copy(memory.files(FILES), memory, tmp_path / "own")
    assert content(tmp_path / "own") == FILES | {"my note": b"mine"}


def test_two_at_once_in_one_folder_are_refused(memory: Memory, tmp_path: Path) -> None:
    memory.left = 1
    with pytest.raises(PlaceUnavailable):
        mutable_copy(memory.files(FILES), memory, tmp_path / "own")
    memory.left = None
    staging = next((tmp_path / "own").glob(".meristem-incoming-*"))
    lock = try_alone(staging / "lock")
    assert lock is not None
    with pytest.raises(CopyRefused, match="Another process"):
        mutable_copy(memory.files(FILES), memory, tmp_path / "own")
    os.close(lock)
    assert content(mutable_copy(memory.files(FILES), memory, tmp_path / "own")) == FILES


def test_linked_files_are_those_of_the_cache(memory: Memory, cache: Path, tmp_path: Path) -> None:
    tree = memory.files(FILES)
    linked = link_copy(tree, memory, tmp_path / "linked", cache)
    assert content(linked) == FILES
    shared = local_copy(tree, memory, cache=cache)
    assert {(linked / path).stat().st_ino for path in FILES} == {(shared / path).stat().st_ino for path in FILES}
    assert os.access(linked / "a", os.W_OK)


def test_where_links_cannot_be_files_are_copied_read_only(
    memory: Memory, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meristem.datasets.copies.filling.link", unlinkable)
    tree = memory.files(FILES)
    shared = local_copy(tree, memory, cache=cache)
    memory.asked.clear()
    linked = link_copy(tree, memory, tmp_path / "linked", cache)
    assert content(linked) == FILES
    assert not memory.asked
    assert (linked / "three").stat().st_mode & 0o777 == 0o444
    assert (linked / "three").stat().st_ino != (shared / "three").stat().st_ino


def test_holes_stay_holes_when_a_file_is_copied_from_the_cache(memory: Memory, cache: Path, tmp_path: Path) -> None:
    data = b"head" + bytes(20_000 * CHUNK) + b"tail"
    tree = memory.files({"sparse": data})
    local_copy(tree, memory, cache=cache)
    own = mutable_copy(tree, memory, tmp_path / "own", cache=cache)
    assert (own / "sparse").read_bytes() == data
    assert (own / "sparse").stat().st_blocks * 512 < 1_000_000


def test_where_the_file_system_can_files_are_cloned(
    memory: Memory, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloned: list[int] = []

    def ioctl(into: int, request: int, source: int) -> None:
        assert request == 0x40049409
        os.write(into, os.pread(source, 1 << 20, 0))
        cloned.append(source)

    tree = memory.files(FILES)
    local_copy(tree, memory, cache=cache)
    monkeypatch.setattr(sharing.fcntl, "ioctl", ioctl)
    monkeypatch.setattr(sharing, "_copy", None)
    assert content(mutable_copy(tree, memory, tmp_path / "own", cache=cache)) == FILES
    assert len(cloned) == len(FILES)


def test_what_another_copy_into_the_folder_keeps_there_stays_while_that_is_at_work(
    memory: Memory, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    held, left = own / f"{STAGING}0123", own / f"{STAGING}4567"
    for staging in (held, left):
        staging.mkdir(parents=True)
        (staging / "half").write_bytes(b"half")
    lock = try_alone(held / "lock")
    assert lock is not None
    try:
        mutable_copy(memory.files(FILES), memory, own)
        assert [path.name for path in own.glob(f"{STAGING}*")] == [held.name]
        assert (held / "half").exists()
    finally:
        os.close(lock)


def test_a_file_of_chunks_with_bytes_at_its_end_is_not_right(memory: Memory, tmp_path: Path) -> None:
    own = mutable_copy(memory.files(FILES), memory, tmp_path / "own")
    with open(own / "large", "ab") as file:
        file.write(b"mine")
    with pytest.raises(CopyRefused):
        mutable_copy(memory.files(FILES), memory, own)
    assert content(mutable_copy(memory.files(FILES), memory, own, overwrite=True)) == FILES


def test_a_file_that_somebody_changes_while_it_is_taken_from_the_cache_is_fetched(
    memory: Memory, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = local_copy(memory.files(FILES), memory, cache=cache)
    copy = sharing._copy

    def change_and_copy(file: int, into: int, size: int) -> None:
        if size == len(FILES["three"]):
            (shared / "three").chmod(0o644)
            (shared / "three").write_bytes(b"THREE")
        copy(file, into, size)

    monkeypatch.setattr(sharing, "_copy", change_and_copy)
    monkeypatch.setattr(sharing.Cloning, "_shared", lambda self, file, into: False)
    assert content(mutable_copy(memory.files(FILES), memory, tmp_path / "own", cache=cache)) == FILES
