"""Whether somebody changed a copy since it was written: its files are looked at, not read."""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass, field
from pathlib import Path

from meristem.datasets.copies.record import Block, Damaged, read_blocks

_GONE = (-1, -1, -1, -1)
_TOO_MANY = 100_000  # then all are read again, rather than kept in memory


@dataclass(slots=True)
class Suspects:
    """What has to be looked at closely.

    Attributes:
        paths: Entries that are gone or do not look as they did.
        folders: Folders in which something was added or removed, "" for the copy's own.
        every_path: Nothing is known about the entries.
        every_folder: Nothing is known about the folders.
    """

    paths: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    every_path: bool = False
    every_folder: bool = False

    def __bool__(self) -> bool:
        return self.every_path or self.every_folder or bool(self.paths) or bool(self.folders)

    def has(self, path: str) -> bool:
        return self.every_path or path in self.paths

    def has_folder(self, path: str) -> bool:
        return self.every_folder or path in self.folders


def find_suspects(copy: Path, record: Path) -> Suspects:
    """Compares what lies in `copy` with its record. Costs one stat per entry and reads no file."""
    found = Suspects()
    try:
        for block in read_blocks(record):
            _compare(block, f"{copy}/{block.folder}" if block.folder else str(copy), found)
            if len(found.paths) > _TOO_MANY:
                return Suspects(every_path=True, every_folder=True)
    except (FileNotFoundError, Damaged):
        return Suspects(every_path=True, every_folder=True)
    return found


def _compare(block: Block, place: str, found: Suspects) -> None:
    now = array("q")
    see, add = os.lstat, now.extend
    paths = [place] if block.contents is None else [f"{place}/{name}" for name in block.names]
    for path in paths:
        try:
            seen = see(path)
        except OSError:
            add(_GONE)
        else:
            add((seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_mode))
    if now == block.stats:
        return
    for row, name in enumerate(block.names):
        if now[4 * row : 4 * row + 4] == block.stats[4 * row : 4 * row + 4]:
            continue
        if block.contents is None:
            found.folders.add(block.folder)
        else:
            found.paths.add(f"{block.folder}/{name}" if block.folder else name)
