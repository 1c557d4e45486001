"""Which files of a folder are meant: wildcards, depth, links, and what is left out because it is our own.

Pure: names in, yes or no out. `scanning` asks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

# Our own store beside the data is no data: a version would hold the store that holds the version.
OWN_FOLDER = ".meristem"
OWN_NAMES = frozenset({OWN_FOLDER, "meristem.db", "meristem.db-wal", "meristem.db-shm", "meristem-blobs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of a folder is meant.

    Attributes:
        wildcard: Globs, of which one must fit; None takes every file. One without `/` fits file names; one with
            `/` fits the end of the path below the folder, component by component (`**`: any number of them).
        recursive: Also folders below.
        follow: What links lead to is taken in their place.
        only: The files of the folder that are meant; none: all that fit.
        glob: What the names of `only` were found by: one spelling of them for the stat cache.
        skip: Absolute paths that are left out (the store in use and its blobs).
    """

    wildcard: tuple[str, ...] | None = None
    recursive: bool = True
    follow: bool = False
    only: tuple[str, ...] = ()
    glob: str = ""
    skip: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """One spelling of what is selected, for the stat cache."""
        return json.dumps([self.wildcard, self.recursive, self.follow, self.glob])

    @property
    def keeps_empty_folders(self) -> bool:
        return self.recursive and self.wildcard is None and not self.only

    def takes(self, folder: str, name: str) -> bool:
        """Whether the file `name` of `folder` (relative, "" for the top) is meant."""
        if self.only:
            return name in self.only
        return self.wildcard is None or any(_fits_path(pattern, folder, name) for pattern in self.wildcard)

    def owned(self, names: Collection[str], folder: str) -> set[str]:
        """Those of `names` in `folder` (absolute) that are our own and therefore left out."""
        found = OWN_NAMES.intersection(names)
        if self.skip:
            found = found | {name for name in names if os.path.join(folder, name) in self.skip}
        return set(found)


def select(
    wildcard: str | Iterable[str] | None,
    *,
    recursive: bool,
    follow: bool,
    only: Iterable[str] = (),
    glob: str = "",
    skip: Iterable[Path] = (),
) -> Selection:
    """A selection from what users write. An empty list of wildcards means all, as None does."""
    patterns = (wildcard,) if isinstance(wildcard, str) else tuple(wildcard or ())
    return Selection(
        wildcard=tuple(sorted({str(pattern).removeprefix("./") for pattern in patterns})) or None,
        recursive=recursive,
        follow=follow,
        only=tuple(only),
        glob=glob,
        skip=frozenset(os.path.realpath(path) for path in skip),
    )


def _fits_path(pattern: str, folder: str, name: str) -> bool:
    if "/" not in pattern:
        return fnmatchcase(name, pattern)
    path = f"{folder}/{name}" if folder else name
    return _fits(tuple(path.split("/")), _components(pattern))


@lru_cache(maxsize=256)
def _components(pattern: str) -> tuple[str, ...]:
    """`/a/b` is anchored at the top, `a/b` fits anywhere: as if it began with `**`. Repeated `**` are one."""
    parts = [part for part in pattern.split("/") if part]
    whole = parts if pattern.startswith("/") else ["**", *parts]
    return tuple(part for i, part in enumerate(whole) if part != "**" or i == 0 or whole[i - 1] != "**")


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _fits(parts, pattern[1:]) or (bool(parts) and _fits(parts[1:], pattern))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
