from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.datasets.copies.versions import CHUNK, Memory, content, folder, link

from meristem.datasets.copies import local_copy
from meristem.manifests.tree import Tree

FILES = {"a/one": b"one", "a/two": b"two", "large": b"L" * 4 * CHUNK, "b/c/three": b"three"}


@pytest.fixture
def tree(memory: Memory) -> Tree:
    files = [memory.file(path, data) for path, data in FILES.items()]
    return memory.tree(*files, link("way", "a/one"), folder("none"))


@pytest.fixture
def copy(memory: Memory, tree: Tree, cache: Path) -> Path:
    made = local_copy(tree, memory, cache=cache)
    memory.asked.clear()
    return made


def rewrite(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"changed")


def replace_folder(path: Path) -> None:
    os.rename(path, path.with_name("moved"))
    path.symlink_to("/etc")


CHANGES = {
    "rewritten": lambda copy: rewrite(copy / "a/two"),
    "same size": lambda copy: (copy / "a/two").write_bytes(b"owt"),
    "deleted": lambda copy: (copy / "a/two").unlink(),
    "large": lambda copy: rewrite(copy / "large"),
    "added": lambda copy: (copy / "b/new").write_bytes(b"new"),
    "folder added": lambda copy: (copy / "b/new/more").mkdir(parents=True),
    "link turned": lambda copy: [(copy / "way").unlink(), (copy / "way").symlink_to("/etc/passwd")],
    "file made a link": lambda copy: [(copy / "a/one").unlink(), (copy / "a/one").symlink_to("/etc/passwd")],
    "folder made a link": lambda copy: replace_folder(copy / "a"),
    "file made a folder": lambda copy: [(copy / "a/one").unlink(), (copy / "a/one/x").mkdir(parents=True)],
    "mode": lambda copy: (copy / "a/one").chmod(0o777),
    "folder's mode": lambda copy: (copy / "b/c").chmod(0o700),
    "empty folder gone": lambda copy: (copy / "none").rmdir(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_copy_that_somebody_changed_is_as_it_was(memory: Memory, tree: Tree, copy: Path, cache: Path, change) -> None:
    change(copy)
    local_copy(tree, memory, cache=cache)
    assert content(copy) == {**FILES, "way": "a/one", "none": None}
    modes = {path.lstat().st_mode & 0o777 for path in [copy, *copy.rglob("*")] if not path.is_symlink()}
    assert modes == {0o444, 0o555}
    memory.objects.clear()
    local_copy(tree, memory, cache=cache)


def test_only_what_was_changed_is_fetched(memory: Memory, tree: Tree, copy: Path, cache: Path) -> None:
    rewrite(copy / "a/two")
    local_copy(tree, memory, cache=cache)
    assert [memory.objects[name] for name in memory.asked] == [b"two"]


def test_what_was_changed_is_told_and_not_lost(memory: Memory, tree: Tree, copy: Path, cache: Path) -> None:
    rewrite(copy / "a/two")
    told: list[str] = []
    local_copy(tree, memory, cache=cache, tell=told.append)
    assert "a/two" in told[0]
    assert [path.read_bytes() for path in (cache / "copies/stray").iterdir()] == [b"changed"]


def test_a_file_that_is_mended_is_replaced_and_not_written_through(
    memory: Memory, tree: Tree, copy: Path, cache: Path, tmp_path: Path
) -> None:
    os.link(copy / "a/two", tmp_path / "linked")
    rewrite(copy / "a/two")
    local_copy(tree, memory, cache=cache)
    assert (tmp_path / "linked").read_bytes() == b"changed"


@pytest.mark.parametrize("damage", ["lost", "cut", "flipped"])
def test_without_a_record_all_files_are_read_and_nothing_is_fetched(
    memory: Memory, tree: Tree, copy: Path, cache: Path, damage: str
) -> None:
    record = cache / "copies/records" / tree.root
    whole = record.read_bytes()
    copy.chmod(0o755)
    (copy / "stranger").write_bytes(b"of somebody")
    record.unlink()
    if damage == "cut":
        record.write_bytes(whole[:-1])
    if damage == "flipped":
        record.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    local_copy(tree, memory, cache=cache)
    assert {memory.objects[name][:1] for name in memory.asked} <= {b"["}  # recipes, to compare with
    assert record.read_bytes()[:8] == b"MERIREC1"
    assert content(copy) == {**FILES, "way": "a/one", "none": None}


def test_a_file_that_was_changed_in_one_copy_is_not_linked_into_the_next(
    memory: Memory, copy: Path, cache: Path
) -> None:
    (copy / "a/one").write_bytes(b"ONE")
    new = local_copy(memory.files({**FILES, "more": b"more"}), memory, cache=cache)
    assert (new / "a/one").read_bytes() == b"one"
