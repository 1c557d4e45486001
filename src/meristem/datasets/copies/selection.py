"""Which entries of a version a copy holds: all, one of several parts of nearly equal numbers, or named files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from heapq import merge
from typing import NamedTuple

from blake3 import blake3

from meristem.errors import CopyRefused
from meristem.manifests.entry import Entry, sort_key
from meristem.manifests.tree import Tree

_WILD = frozenset("*?[")


class Selection(NamedTuple):
    """Attributes:
    key: Names the copy in the cache.
    entries: Gives the entries, in order; may be called again.
    is_whole: Whether they are all that the version has.
    """

    key: str
    entries: Callable[[], Iterator[Entry]]
    is_whole: bool = False


def select(tree: Tree, part: int | None, num_parts: int | None, files: Sequence[str] | None) -> Selection:
    """What a copy is to hold. Reads nothing of the tree until the entries are asked for.

    Args:
        part: From 0; goes with `num_parts`.
        files: Paths of files, or of folders with all that they hold, or patterns such as `images/*.png`, in which *
            stands for "/" too.

    Raises:
        CopyRefused: These do not go together.
    """
    if (part is None) != (num_parts is None):
        missing = "num_parts (--of)" if num_parts is None else "part (--part)"
        raise CopyRefused(f"{missing} is missing.", fix="part=0, num_parts=4 (--part 0 --of 4) is the first of four.")
    if part is not None and files is not None:
        raise CopyRefused("A copy holds everything, or one part (part and num_parts), or some files (files).")
    if files is not None:
        listed = sorted({path.strip("/") for path in files})
        told = blake3(json.dumps(listed).encode()).hexdigest()[:32]
        return Selection(f"{tree.root}-files-{told}", lambda: _named(tree, listed))
    if part is None or num_parts is None:
        return Selection(tree.root, tree.entries, is_whole=True)
    if not 0 <= part < num_parts:
        raise CopyRefused(f"There is no part {part} of {num_parts}.", fix=f"Parts are 0 to {max(num_parts, 1) - 1}.")
    return Selection(f"{tree.root}-{part}-of-{num_parts}", lambda: _part(tree, part, num_parts))


def part_bounds(tree: Tree, part: int, num_parts: int) -> tuple[int, int]:
    """The positions of the first entry of a part and of the first behind it.

    Parts follow each other, are together all entries, and differ by at most one in how many they have. Reads the top
    node only.
    """
    count = tree.entries_count
    return part * count // num_parts, (part + 1) * count // num_parts


def _part(tree: Tree, part: int, num_parts: int) -> Iterator[Entry]:
    start, stop = part_bounds(tree, part, num_parts)
    return tree.entries(start=start, stop=stop)


def _named(tree: Tree, listed: Iterable[str]) -> Iterator[Entry]:
    exact: list[Entry] = []
    many: list[Iterator[Entry]] = []
    missing = []
    for path in listed:
        entry = tree.find(path)
        below = iter(()) if entry is not None else _below(tree, path)
        first = next(below, None)
        if entry is not None:
            exact.append(entry)
        elif first is not None:
            many.append(_again(first, below))
        else:
            missing.append(path)
    if missing:
        raise CopyRefused(
            "The version does not hold what is asked for",
            [f"{path!r}" for path in missing[:20]],
            "Name files, folders, or patterns with *; list what there is with: meristem data files PROJECT/NAME.",
        )
    exact.sort(key=_key)
    return _each_once(merge(exact, *many, key=_key))


def _below(tree: Tree, path: str) -> Iterator[Entry]:
    """What a folder holds, or what fits a pattern."""
    wild = next((at for at, character in enumerate(path) if character in _WILD), None)
    if wild is None:
        return tree.entries(path + "/" if path else "")
    return (entry for entry in tree.entries(path[:wild]) if fnmatchcase(entry.path, path))


def _again(first: Entry, others: Iterator[Entry]) -> Iterator[Entry]:
    yield first
    yield from others


def _each_once(entries: Iterable[Entry]) -> Iterator[Entry]:
    last = None
    for entry in entries:
        if entry.path != last:
            yield entry
        last = entry.path


def _key(entry: Entry) -> bytes:
    return sort_key(entry.path)
