"""What each file and folder of a copy looked like when it was written, so that a look at them tells what changed.

A record is a file beside the copy, read and written as a stream, in the order of the paths. It is private to the cache
and may be lost: then all files of the copy are read and checked again.

    header   8 bytes magic
    blocks   kind "E" or "F", u32 length of the folder's path, u32 length of the names, u32 rows, u32 crc32 of the rest;
             the folder's path; the names, separated by NUL; for "E" per row a letter (`letter_of`) and 32 bytes, the
             name of its object (zeros where it has none); then per row 4 i64: inode, size, mtime in ns, mode
    footer   "Z", u64 entries, u64 bytes, u64 entries left out
"E" holds entries of one folder, "F" a folder by itself, which comes when all that it holds has come.
"""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from meristem.manifests.entry import Entry, Kind

Stats = tuple[int, ...]
"""Inode, size, mtime in ns, mode. Not ctime: a hard link that somebody makes to the file changes it."""

_MAGIC = b"MERIREC1"
_BLOCK = struct.Struct("<sIIII")
_FOOTER = struct.Struct("<sQQQ")
_ROWS_AT_MOST = 4096
_OF_OBJECTS = (Kind.FILE, Kind.CHUNKED)
_NO_CONTENT = "0" * 64
_LETTERS = {(kind, executable): ord(kind.upper() if executable else kind) for kind in Kind for executable in (0, 1)}
_LONGEST = 1 << 30  # of a part of a block; more is no record of ours


class Damaged(Exception):
    """The record is not whole. It never leaves this room."""


class Block(NamedTuple):
    """Entries of one folder, or (where `contents` is None) that folder itself.

    Attributes:
        names: The entries' names in it; [""] for the folder itself.
        letters: A letter per entry.
        contents: 32 bytes per entry.
        stats: Four numbers per entry, see `Stats`.
    """

    folder: str
    names: list[str]
    letters: bytes
    contents: bytes | None
    stats: array[int]


class Totals(NamedTuple):
    entries: int = 0
    size: int = 0  # bytes
    left_out: int = 0  # external entries that were not fetched


def stats_of(seen: os.stat_result) -> Stats:
    return seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_mode


def letter_of(entry: Entry) -> int:
    """One byte for the kind; a capital where the file is executable."""
    return _LETTERS[entry.kind, entry.executable]


class RecordWriter:
    """Writes a record to `path`; it counts only once it was closed without an exception and renamed to its place."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115, closed in __exit__
        self._file.write(_MAGIC)
        self._folder = ""
        self._names: list[str] = []
        self._letters = bytearray()
        self._contents: list[str] = []
        self._stats = array("q")
        self._totals = [0, 0, 0]

    def add(self, entry: Entry, stats: Stats | None) -> None:
        """Adds an entry; without stats a folder, which comes by itself, or an external entry that was left out."""
        self._totals[0] += 1
        if stats is None:
            self._totals[2] += entry.kind is Kind.EXTERNAL
            return
        self._totals[1] += stats[1]
        folder, _, name = entry.path.rpartition("/")
        if folder != self._folder or len(self._names) == _ROWS_AT_MOST:
            self._flush()
            self._folder = folder
        self._names.append(name)
        self._letters.append(letter_of(entry))
        self._contents.append(entry.content if entry.kind in _OF_OBJECTS else _NO_CONTENT)
        self._stats.extend(stats)

    def add_folder(self, path: str, stats: Stats) -> None:
        """Adds a folder all of whose entries were added."""
        self._flush()
        self._write(b"F", path, [""], b"", array("q", stats))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._flush()
                self._file.write(_FOOTER.pack(b"Z", *self._totals))
        finally:
            self._file.close()

    def _flush(self) -> None:
        if self._names:
            rows = bytes(self._letters) + bytes.fromhex("".join(self._contents))
            self._write(b"E", self._folder, self._names, rows, self._stats)
        self._names, self._letters, self._contents, self._stats = [], bytearray(), [], array("q")

    def _write(self, kind: bytes, folder: str, names: list[str], rows: bytes, stats: array[int]) -> None:
        place, called = os.fsencode(folder), os.fsencode("\0".join(names))
        rest = b"".join((place, called, rows, stats.tobytes()))
        self._file.write(_BLOCK.pack(kind, len(place), len(called), len(names), zlib.crc32(rest)))
        self._file.write(rest)


def read_blocks(path: Path) -> Iterator[Block]:
    """The blocks of a record, in order.

    Raises:
        FileNotFoundError: There is none.
        Damaged: It is not whole.
    """
    with open(path, "rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise Damaged
        while True:
            head = file.read(_BLOCK.size)
            if head[:1] == b"Z":
                if len(head + file.read()) != _FOOTER.size:
                    raise Damaged
                return
            yield _read_block(head, file)


def read_totals(path: Path) -> Totals:
    """How much a copy holds, by its record. Raises as `read_blocks`."""
    with open(path, "rb") as file:
        if file.seek(0, os.SEEK_END) < _FOOTER.size:
            raise Damaged
        file.seek(-_FOOTER.size, os.SEEK_END)
        kind, *totals = _FOOTER.unpack(file.read())
    if kind != b"Z":
        raise Damaged
    return Totals(*totals)


def _read_block(head: bytes, file: BinaryIO) -> Block:
    if len(head) != _BLOCK.size:
        raise Damaged
    kind, place_length, names_length, count, crc = _BLOCK.unpack(head)
    row_length = 33 * count if kind == b"E" else 0
    if kind not in (b"E", b"F") or max(place_length, names_length, 33 * count) > _LONGEST:
        raise Damaged
    rest = file.read(place_length + names_length + row_length + 32 * count)
    if len(rest) != place_length + names_length + row_length + 32 * count or zlib.crc32(rest) != crc:
        raise Damaged
    names = os.fsdecode(rest[place_length : place_length + names_length]).split("\0")
    rows = rest[place_length + names_length : place_length + names_length + row_length]
    stats = array("q", rest[len(rest) - 32 * count :])
    contents = rows[count:] if kind == b"E" else None
    return Block(os.fsdecode(rest[:place_length]), names, rows[:count], contents, stats)
