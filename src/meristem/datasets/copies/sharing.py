"""Taking a file from a copy in the cache: by hard link, by reflink, or byte by byte, without a fetch."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from meristem.datasets.copies.record import Block, Damaged, Stats, content_of, letter_of, read_blocks, stats_of
from meristem.manifests.entry import Entry, sort_key

_FICLONE = 0x40049409  # linux/fs.h
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_SHARED = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOENT)
_BLOCK_BYTES = 1 << 22


class Source:
    """A copy that may hold some of the entries that are wanted; asked in the order of the paths.

    What it says is checked by a look at the file, so a copy that is evicted or changed meanwhile does no harm.
    """

    def __init__(self, copy: Path, record: Path) -> None:
        self.copy = copy
        self._rows = _rows(record)
        self._row = next(self._rows, None)

    def find(self, entry: Entry) -> tuple[str, Stats] | None:
        """The path of a file with the bytes and the mode of `entry` at the same place, and how it looks."""
        key = sort_key(entry.path)
        while self._row is not None and self._row[0] < key:
            self._row = next(self._rows, None)
        if self._row is None or self._row[0] != key:
            return None
        _, block, at = self._row
        if block.letters[at] != letter_of(entry) or _content(block, at) != content_of(entry):
            return None
        path = f"{self.copy}/{entry.path}"
        with suppress(OSError):
            stats = stats_of(os.lstat(path))
            if stats == tuple(block.stats[4 * at : 4 * at + 4]):
                return path, stats
        return None


def link(path: str, folder: int, name: str) -> bool:
    """Makes `name` in the folder with the descriptor `folder` a hard link to the file at `path`, where that can be."""
    try:
        os.link(path, name, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NOT_SHARED:
            return False
        raise
    return True


def clone(path: str, into: int, expected: Stats) -> bool:
    """Gives the empty file `into` the bytes of the file at `path`: shared where the file system can, else copied.

    False where that file is not, or not any more, what `expected` says; `into` is then to be written anew.
    """
    try:
        file = os.open(path, _READ)
    except OSError:
        return False
    try:
        try:
            fcntl.ioctl(into, _FICLONE, file)
        except OSError:
            _copy(file, into, expected[1])
        return stats_of(os.fstat(file)) == expected
    finally:
        os.close(file)


def _copy(file: int, into: int, size: int) -> None:
    """Copies `size` bytes; holes stay holes."""
    os.ftruncate(into, size)
    for start, end in _extents(file, size):
        at = start
        while at < end:
            block = os.pread(file, min(_BLOCK_BYTES, end - at), at)
            if not block:
                return  # it has become shorter: what was seen at the end tells
            write_all(into, block, at)
            at += len(block)


def _extents(file: int, size: int) -> Iterator[tuple[int, int]]:
    if size <= _BLOCK_BYTES:
        yield 0, size
        return
    at = 0
    while at < size:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError:  # no data behind `at`
            return
        at = os.lseek(file, start, os.SEEK_HOLE)
        yield start, min(at, size)


def write_all(file: int, data: bytes, offset: int) -> None:
    """Writes all of `data` at `offset`."""
    written = os.pwrite(file, data, offset)
    while written < len(data):
        written += os.pwrite(file, memoryview(data)[written:], offset + written)


def _rows(record: Path) -> Iterator[tuple[bytes, Block, int]]:
    try:
        for block in read_blocks(record):
            if block.contents is None:
                continue
            prefix = sort_key(block.folder) + b"/" if block.folder else b""
            for at, name in enumerate(block.names):
                yield prefix + sort_key(name), block, at
    except (FileNotFoundError, Damaged):
        return


def _content(block: Block, at: int) -> bytes:
    return (block.contents or b"")[32 * at : 32 * at + 32]
