"""Whatever versions come after each other and whatever happens to copies: each is what a plain folder would be."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.datasets.copies.versions import CHUNK, Memory, content

from meristem.datasets.copies import evict, link_copy, local_copy, mutable_copy, release
from meristem.datasets.copies.eviction import remove_tree

PATHS = st.sampled_from(["a", "b/c", "b/d", "b/e/f", "b-/x", "g/h/i", "ü", "\udcff"])
CONTENTS = st.sampled_from([b"", b"1", b"2", b"x" * CHUNK, b"y" * 2 * CHUNK + b"z", bytes(3 * CHUNK)])
FILES = st.dictionaries(PATHS, CONTENTS, max_size=6)
HURT = st.sampled_from(["nothing", "write", "delete", "add", "lose the record", "evict", "release"])
STEPS = st.lists(st.tuples(FILES, HURT), min_size=1, max_size=5)


def hurt(how: str, copy: Path, cache: Path) -> None:
    files = sorted(os.path.join(above, name) for above, _, names in os.walk(copy) for name in names)
    if how == "write" and files:
        with open(files[0], "ab") as file:
            file.write(b"!")
    elif how == "delete" and files:
        os.unlink(files[-1])
    elif how == "add":
        (copy / "stranger").write_bytes(b"s")
    elif how == "lose the record":
        (cache / "copies/records" / copy.name).unlink()
    elif how == "evict":
        evict(cache, 0)


@given(STEPS)
@settings(max_examples=30, deadline=None)
def test_copies_equal_plain_folders(steps: list[tuple[dict[str, bytes], str]]) -> None:
    memory = Memory()
    base = Path(tempfile.mkdtemp(prefix="meristem-copies-"))
    cache = base / "cache"
    held: list[Path] = []
    try:
        for number, (files, how) in enumerate(steps):
            tree = memory.files(files)
            held.append(local_copy(tree, memory, cache=cache))
            assert content(held[-1]) == files
            hurt(how, held[-1], cache)
            if how == "release":
                release(held.pop())
            assert content(mutable_copy(tree, memory, base / f"own{number}", cache=cache)) == files
            assert content(link_copy(tree, memory, base / f"linked{number}", cache)) == files
            assert (
                content(mutable_copy(tree, memory, base / "one", overwrite=True, cache=cache)).items() >= files.items()
            )
    finally:
        for copy in held:
            release(copy)
        remove_tree(base)
