"""Whatever happens to a folder between syncs: a sync with the stat cache gives what one without it gives."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_objects import SyncedFolder
from meristem.errors import InputError
from meristem.manifests.checking import check_tree

# The caches wait for the disk at every write, which says nothing here.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
NAMES = ["a", "a-b", "a/b", "a/c", "a/b/c", "a0", "d/e/f", "\udcff", "é\n"]
CONTENTS = [("", 0), ("1", 1), ("2", 1), ("3", 2), ("4", 200_000), ("5", 400_000)]  # a letter and how often it stands


def write(folder: Path, path: str, content: tuple[str, int]) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content[0].encode() * content[1])


def rewrite(folder: Path, path: str, content: tuple[str, int]) -> None:
    """Other bytes of the same length, in place, and the times set back: only ctime tells."""
    file = folder / path
    before = file.stat()
    with open(file, "r+b") as opened:
        opened.write(content[0].encode() * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def rename(folder: Path, path: str, other: str) -> None:
    (folder / other).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).rename(folder / other)


def remove(folder: Path, path: str) -> None:
    if (folder / path).is_dir() and not (folder / path).is_symlink():
        shutil.rmtree(folder / path)
    else:
        (folder / path).unlink()


def hard_link(folder: Path, path: str, other: str) -> None:
    os.link(folder / path, folder / other)


def chmod(folder: Path, path: str) -> None:
    (folder / path).chmod((folder / path).stat().st_mode ^ 0o100)


def link(folder: Path, path: str, other: str) -> None:
    (folder / path).symlink_to(os.path.relpath(folder / other, (folder / path).parent))


def make_folder(folder: Path, path: str) -> None:
    (folder / path).mkdir(parents=True)


names, contents = st.sampled_from(NAMES), st.sampled_from(CONTENTS)
steps = st.one_of(
    st.tuples(st.just(write), names, contents),
    st.tuples(st.just(rewrite), names, contents),
    st.tuples(st.just(rename), names, names),
    st.tuples(st.just(remove), names),
    st.tuples(st.just(hard_link), names, names),
    st.tuples(st.just(chmod), names),
    st.tuples(st.just(link), names, names),
    st.tuples(st.just(make_folder), names),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(steps, max_size=6), min_size=1, max_size=6), st.sampled_from(["", "p", "p/q"]))
def test_a_sync_equals_a_fresh_one(rounds: list[list[tuple[Callable[..., None], ...]]], dataset_path: str) -> None:
    with tempfile.TemporaryDirectory() as base, tempfile.TemporaryDirectory(dir=MEMORY) as caches:
        folder = Path(base, "data")
        folder.mkdir()
        synced = SyncedFolder(folder, Path(caches, "cache.db"))
        for i, changes in enumerate(rounds):
            for step, *arguments in changes:
                with suppress(OSError):  # what cannot be done is left undone
                    step(folder, *arguments)
            fresh = SyncedFolder(folder, Path(caches, f"{i}.db"))
            try:
                synced.sync(dataset_path=dataset_path)
            except InputError:  # a link was moved, and leads out now
                with pytest.raises(InputError):
                    fresh.sync(dataset_path=dataset_path)
                continue
            assert fresh.sync(dataset_path=dataset_path) == synced.root
            check_tree(synced.tree.entries())
            for path, entry in synced.entries().items():
                if entry.kind in ("f", "c"):
                    file = folder / path[len(dataset_path) :].lstrip("/")
                    assert synced.content(path) == file.read_bytes()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.lists(steps, max_size=5)), min_size=1, max_size=5))
def test_adding_contains_the_folder_and_loses_nothing_else(
    rounds: list[tuple[bool, list[tuple[Callable[..., None], ...]]]],
) -> None:
    with tempfile.TemporaryDirectory() as base, tempfile.TemporaryDirectory(dir=MEMORY) as caches:
        folder = Path(base, "data")
        folder.mkdir()
        synced = SyncedFolder(folder, Path(caches, "cache.db"))
        for i, (adds, changes) in enumerate(rounds):
            for step, *arguments in changes:
                with suppress(OSError):
                    step(folder, *arguments)
            before = synced.entries()
            fresh = SyncedFolder(folder, Path(caches, f"{i}.db"))
            try:
                synced.sync(add=adds)
            except InputError:
                continue
            fresh.sync()
            now, there = synced.entries(), fresh.entries()
            check_tree(synced.tree.entries())
            for path, entry in there.items():
                assert now.get(path) == entry or (entry.kind == "d" and any(p.startswith(f"{path}/") for p in now))
            for path, entry in before.items():
                in_the_way = any(p == path or p.startswith(f"{path}/") or path.startswith(f"{p}/") for p in there)
                assert now.get(path) == entry if adds and not in_the_way else True
            assert adds or now == there
