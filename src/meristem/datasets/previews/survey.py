"""What can be said of files by their names and sizes: totals, suffixes, the largest; and of which the inside is shown.

One pass, so that a million files are a generator's; what is kept does not grow with their number.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from zlib import crc32

from meristem.datasets.previews import kinds
from meristem.datasets.previews.limits import Limits
from meristem.datasets.previews.preview import Suffix

SIZE_BOUNDS = (0, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
_MOST_SUFFIXES = 2_000  # told apart; hostile names could have as many as there are files
_SHOWN_SUFFIXES = 20
_LARGEST = 10
_LONGEST_SUFFIX = 12
_DOUBLE = {"gz", "zst", "bz2", "xz"}
_TABLES = frozenset({*kinds.TABLES, *kinds.LINES, "parquet"})
_TELLING = ("csv", "tsv", "parquet", "jsonl", "json", "npy", "npz", "png", "jpg", "jpeg", "txt", "md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What names and sizes say; `chosen` are paths and sizes of files to look into, in the order of their paths."""

    files: int
    bytes: int
    suffixes: tuple[Suffix, ...]
    other_suffixes: int
    largest: tuple[tuple[str, int], ...]
    sizes: tuple[int, ...]
    chosen: tuple[tuple[str, int], ...]


class _Group:
    """Files of one suffix; those with the lowest hashes are kept, so that a file that is added seldom changes which.

    Attributes:
        largest: Size, hash and path of the largest one that is not hidden; its path is "" while there is none.
    """

    __slots__ = ("bytes", "files", "kept", "largest")

    def __init__(self) -> None:
        self.files = self.bytes = 0
        self.largest = (0, 0, "")
        self.kept: list[tuple[int, str, int]] = []  # a heap, the highest hash first (negated)

    def add(self, path: str, size: int, most: int) -> None:
        self.files += 1
        self.bytes += size
        place = -crc32(path.encode("utf-8", "surrogatepass"))
        if len(self.kept) < most:
            heapq.heappush(self.kept, (place, path, size))
        elif place > self.kept[0][0]:
            heapq.heapreplace(self.kept, (place, path, size))
        if size >= self.largest[0] and (size, place, path) > self.largest and not _is_hidden(path):
            self.largest = (size, place, path)


def survey(entries: Iterable[tuple[str, int]], limits: Limits) -> Survey:
    """Counts what there is, and chooses."""
    groups: dict[str, _Group] = {}
    rest = _Group()
    largest: list[tuple[int, str]] = []
    sizes = [0] * (len(SIZE_BOUNDS) + 1)
    least = -1  # of the largest, once there are enough
    for path, size in entries:
        suffix = suffix_of(path)
        group = groups.get(suffix)
        if group is None:
            group = groups[suffix] = _Group() if len(groups) < _MOST_SUFFIXES else rest
        group.add(path, size, limits.files)
        sizes[bisect_left(SIZE_BOUNDS, size)] += 1
        if size > least:
            heapq.heappush(largest, (size, path))
            if len(largest) > _LARGEST:
                heapq.heappop(largest)
                least = largest[0][0]
        if len(groups) > 2 * _MOST_SUFFIXES:
            groups = {name: one for name, one in groups.items() if one is not rest}
    own = {name: one for name, one in groups.items() if one is not rest}
    ordered = sorted(own.items(), key=lambda item: (-item[1].bytes, -item[1].files, item[0]))
    shown = [Suffix(suffix=name, files=one.files, bytes=one.bytes) for name, one in ordered[:_SHOWN_SUFFIXES]]
    return Survey(
        files=sum(one.files for one in own.values()) + rest.files,
        bytes=sum(one.bytes for one in own.values()) + rest.bytes,
        suffixes=tuple(shown),
        other_suffixes=len(ordered) - len(shown) + bool(rest.files),
        largest=tuple((path, size) for size, path in sorted(largest, key=lambda item: (-item[0], item[1]))),
        sizes=tuple(sizes),
        chosen=_choose(own, limits.files),
    )


def suffix_of(path: str) -> str:
    """In lower case without its dot: "csv", "csv.gz"; "" where there is none."""
    name = path[path.rfind("/") + 1 :]
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem or len(suffix) > _LONGEST_SUFFIX or not suffix.isalnum():
        return ""
    suffix = suffix.lower()
    if suffix in _DOUBLE:
        inner = suffix_of(stem)
        return f"{inner}.{suffix}" if inner and "." not in inner else suffix
    return suffix


def _choose(groups: dict[str, _Group], most: int) -> tuple[tuple[str, int], ...]:
    """Each suffix in turn gives one file, those that tell most first; empty and hidden files come last.

    The largest table, where there is none the largest file, is the first of all.
    """
    tables = [group for suffix, group in groups.items() if suffix.partition(".")[0] in _TABLES and group.largest[0]]
    first = max((group.largest for group in tables or groups.values()), default=(0, 0, ""))[2]

    def telling(suffix: str) -> tuple[bool, int, int, str]:
        plain = suffix.partition(".")[0]
        place = _TELLING.index(plain) if plain in _TELLING else len(_TELLING)
        return (groups[suffix].largest[2] != first, place, -groups[suffix].bytes, suffix)

    def worth(kept: tuple[int, str, int]) -> tuple[bool, bool, int, str]:
        place, path, size = kept
        return (path != first, _is_hidden(path) or size == 0, -place, path)

    def kept(group: _Group) -> list[tuple[int, str, int]]:
        size, place, path = group.largest
        return sorted({*group.kept, (place, path, size)} if path and path == first else group.kept, key=worth)

    waiting = [kept(groups[suffix]) for suffix in sorted(groups, key=telling)]
    found: list[tuple[str, int]] = []
    while waiting and len(found) < most:
        found += [(path, size) for _, path, size in (files.pop(0) for files in islice(waiting, most - len(found)))]
        waiting = [files for files in waiting if files]
    return tuple(sorted(found, key=lambda item: item[0].encode("utf-8", "surrogatepass")))


def _is_hidden(path: str) -> bool:
    return path.startswith(".") or "/." in path
