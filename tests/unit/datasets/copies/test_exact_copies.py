"""Folders that are made equal to a version: everything else goes, and nothing beyond that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.datasets.copies.versions import CHUNK, Memory, content, folder, link

from meristem.datasets.copies import clearing, link_copy, mutable_copy
from meristem.datasets.copies.locks import try_alone
from meristem.datasets.copies.own import STAGING
from meristem.errors import CopyRefused, PlaceUnavailable

OLD = {"a/one": b"one", "a/two": b"two", "b/c/d": b"gone", "large": b"L" * CHUNK + b"M" * CHUNK, "three": b"three"}
NEW = {"a/one": b"ONE", "a/two": b"two", "large": b"L" * CHUNK + b"N" * CHUNK, "new/x": b"new"}
PATHS = st.sampled_from(["a", "a/b", "a/b/c", "a-", "a-/b", "b/c", "b/d/e", "ü", "\udcff"])


def made(memory: Memory, files: dict[str, bytes], own: Path) -> Path:
    return mutable_copy(memory.files(files), memory, own)


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_of_an_older_version_becomes_the_newer_one(
    memory: Memory, cache: Path, tmp_path: Path, linked: bool
) -> None:
    own, told = tmp_path / "own", list[str]()
    for files in (OLD, NEW):
        tree = memory.files(files)
        if linked:
            link_copy(tree, memory, own, cache, exact=True, tell=told.append)
        else:
            mutable_copy(tree, memory, own, exact=True, tell=told.append)
        assert content(own) == files
    assert told[-1] == f"2 other files were removed from {own}."


def test_folders_links_and_hidden_files_go_and_nothing_behind_a_link(memory: Memory, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"precious")
    own, told = made(memory, OLD, tmp_path / "own"), list[str]()
    (own / "e/m/p/t/y").mkdir(parents=True)
    (own / "a/link").symlink_to(outside)
    (own / "e/link").symlink_to(outside / "precious")
    (own / ".hidden").write_bytes(b"")
    mutable_copy(memory.files(OLD), memory, own, exact=True, tell=told.append)
    assert content(own) == OLD
    assert content(outside) == {"precious": b"precious"}
    assert told == [f"4 other files were removed from {own}."]


def test_what_stands_in_the_way_is_replaced_whatever_it_is(memory: Memory, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "large/deep").mkdir(parents=True)
    (own / "large/deep/mine").write_bytes(b"")
    (own / "link").mkdir()
    (own / "a").write_bytes(b"a file where a folder should be")
    (own / "empty").write_bytes(b"")
    tree = memory.tree(*(memory.file(path, data) for path, data in NEW.items()), link("link", "large"), folder("empty"))
    mutable_copy(tree, memory, own, exact=True)
    assert content(own) == NEW | {"link": "large", "empty": None}


def test_an_empty_folder_of_the_version_is_emptied(memory: Memory, tmp_path: Path) -> None:
    own = made(memory, {"empty/x": b"1"}, tmp_path / "own")
    mutable_copy(memory.tree(folder("empty")), memory, own, exact=True)
    assert content(own) == {"empty": None}


@pytest.mark.parametrize("left", range(5))
def test_nothing_goes_before_the_version_is_there(memory: Memory, tmp_path: Path, left: int) -> None:
    own = made(memory, OLD, tmp_path / "own")
    tree = memory.files(NEW | {"more": b"more"})
    memory.asked.clear()
    memory.left = left
    with pytest.raises(PlaceUnavailable):
        mutable_copy(tree, memory, own, exact=True)
    memory.left = None
    assert content(own).items() >= {path: OLD[path] for path in ("a/two", "b/c/d", "three")}.items()
    mutable_copy(tree, memory, own, exact=True)
    assert content(own) == NEW | {"more": b"more"}


def test_a_folder_in_the_way_is_not_taken_for_the_file_where_a_copy_was_cut_off(memory: Memory, tmp_path: Path) -> None:
    for exact in (False, True):
        own = tmp_path / f"own {exact}"
        memory.left = 1
        with pytest.raises(PlaceUnavailable):
            made(memory, NEW, own)
        memory.left = None
        (own / "large").mkdir()
        if exact:
            mutable_copy(memory.files(NEW), memory, own, exact=True)
            assert content(own) == NEW
        else:
            with pytest.raises(CopyRefused, match="A folder stands at 'large'"):
                mutable_copy(memory.files(NEW), memory, own, overwrite=True)


def test_what_other_copies_keep_there_stays(memory: Memory, tmp_path: Path) -> None:
    own = made(memory, OLD, tmp_path / "own")
    held = own / f"{STAGING}0123"
    held.mkdir()
    lock = try_alone(held / "lock")
    assert lock is not None
    try:
        mutable_copy(memory.files(NEW), memory, own, exact=True)
        assert held.is_dir()
    finally:
        os.close(lock)


def test_only_a_whole_version_is_exact(memory: Memory, tmp_path: Path) -> None:
    own = made(memory, OLD, tmp_path / "own")
    for some in ({"part": 0, "num_parts": 1}, {"files": ["a"]}):
        with pytest.raises(CopyRefused, match="whole version"):
            mutable_copy(memory.files(OLD), memory, own, exact=True, **some)
    assert content(own) == OLD


@pytest.mark.parametrize("where", ["/", "home", "home/..", "link", "work", "work/store.db", "cache/copies"])
def test_folders_that_hold_more_than_data_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to("home")
    (tmp_path / "cache" / "copies").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "store.db").write_bytes(b"")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ours = [tmp_path / "cache", tmp_path / "work" / "store.db"]
    with pytest.raises(CopyRefused, match="is not made equal to a version"):
        clearing.refuse_to_clear(tmp_path / where, ours)  # no more than asked: what if it were not refused?


def test_what_is_refused_stays_as_it_was(memory: Memory, cache: Path, tmp_path: Path) -> None:
    own = made(memory, OLD, tmp_path / "own")
    with pytest.raises(CopyRefused, match="it holds"):
        mutable_copy(memory.files(NEW), memory, own, exact=True, own_files=[own / "three"])
    with pytest.raises(CopyRefused, match="it holds"):
        link_copy(memory.files(NEW), memory, own, cache, exact=True, own_files=[own / "three"])
    assert content(own) == OLD


def test_a_file_that_is_listed_by_another_name_is_the_versions(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = made(memory, OLD, tmp_path / "own")
    os.link(own / "three", own / "THREE")
    list_names = os.listdir

    def listed(place: int | str | Path) -> list[str]:  # as a file system does it that does not tell case apart
        return [name for name in list_names(place) if name != "three"]

    with monkeypatch.context() as patched:
        patched.setattr("os.listdir", listed)
        mutable_copy(memory.files(OLD), memory, own, exact=True)
    assert (own / "THREE").exists()
    mutable_copy(memory.files(OLD), memory, own, exact=True)
    assert content(own) == OLD


def test_another_file_system_in_the_folder_is_not_entered(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = made(memory, OLD, tmp_path / "own")
    (own / "mounted").mkdir()
    (own / "mounted" / "file").write_bytes(b"")
    look = os.lstat

    def seen(path: str, **more: int) -> os.stat_result:
        found = look(path, **more)
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:])) if path == "mounted" else found

    monkeypatch.setattr(clearing.os, "lstat", seen)
    with pytest.raises(CopyRefused, match="another file system is mounted"):
        mutable_copy(memory.files(OLD), memory, own, exact=True)
    assert (own / "mounted" / "file").exists()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(PATHS, st.sampled_from([b"", b"1", b"2", b"x" * 2 * CHUNK]), max_size=5), min_size=2, max_size=3
    )
)
def test_whatever_was_there_the_folder_is_the_version(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, bytes]]
) -> None:
    memory, own = Memory(), tmp_path_factory.mktemp("exact") / "own"
    for given_files in steps:
        files = {
            path: data
            for path, data in given_files.items()
            if not any(other.startswith(f"{path}/") for other in given_files)
        }
        mutable_copy(memory.files(files), memory, own, exact=True)
        assert content(own) == files
