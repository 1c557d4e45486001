"""Taking a file from a copy in the cache: by hard link, by reflink, or byte by byte, without a fetch."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from meristem.datasets.copies.inside import Inside, refuse
from meristem.datasets.copies.record import Block, Damaged, letter_of, read_blocks, stats_of
from meristem.manifests.entry import Entry, sort_key

_FICLONE = 0x40049409  # linux/fs.h
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_SHARED = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOENT)
_BLOCK_BYTES = 1 << 22


class Found(NamedTuple):
    """A file in a copy: its name, the descriptor of its folder (open until the next look), and how it looked."""

    folder: int
    name: str
    stats: tuple[int, ...]

    def is_unchanged(self) -> bool:
        try:
            return stats_of(os.lstat(self.name, dir_fd=self.folder)) == self.stats
        except OSError:
            return False


class Source:
    """A copy that may hold some of the entries that are wanted; asked in the order of the paths.

    What it says is checked by a look at the file, so a copy that is evicted or changed meanwhile does no harm.

    Args:
        seen: The copy was looked at just now and is held: its record is true.
    """

    def __init__(self, copy: Path, record: Path, *, seen: bool = False) -> None:
        self._seen = seen
        self._inside = _opened(copy)
        self._blocks = _blocks(record) if self._inside else iter(())
        self._block: Block | None = None
        self._paths: list[str] = []  # of the block's entries
        self._contents = ""  # 64 hex digits for each
        self._at = -1
        self._step()

    def close(self) -> None:
        if self._inside is not None:
            self._inside.close()

    def find(self, entry: Entry) -> Found | None:
        """A file with the bytes and the mode of `entry` at the same place."""
        if not self._is_at(entry.path) or self._block is None:
            return None
        at = self._at
        if self._contents[64 * at : 64 * at + 64] != entry.content or self._block.letters[at] != letter_of(entry):
            return None
        folder = self._inside.find(self._block.folder) if self._inside is not None else None
        if folder is None:
            return None
        found = Found(folder, self._block.names[at], tuple(self._block.stats[4 * at : 4 * at + 4]))
        if self._seen or found.is_unchanged():
            return found
        return None

    def _is_at(self, path: str) -> bool:
        """Goes on to `path`; whether the copy has it."""
        key = None
        while self._block is not None:
            own = self._paths[self._at]
            if own == path:
                return True
            key = sort_key(path) if key is None else key
            if sort_key(own) > key:
                return False
            if sort_key(self._paths[-1]) < key:  # not in this block at all
                self._at = len(self._paths) - 1
            self._step()
        return False

    def _step(self) -> None:
        self._at += 1
        if self._at < len(self._paths):
            return
        self._block, self._at = next(self._blocks, None), 0
        if self._block is not None:
            prefix = f"{self._block.folder}/" if self._block.folder else ""
            self._paths = [f"{prefix}{name}" for name in self._block.names]
            self._contents = (self._block.contents or b"").hex()


def link(found: Found, folder: int, name: str) -> bool:
    """Makes `name` in the folder with the descriptor `folder` a hard link to what was found, where that can be."""
    try:
        os.link(found.name, name, src_dir_fd=found.folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NOT_SHARED:
            return False
        raise
    return True


class Cloning:
    """Gives new files the bytes of others: shared where the file system can, else copied."""

    def __init__(self) -> None:
        self._can_share = True  # until it was seen that it cannot

    def clone(self, found: Found, into: int) -> bool:
        """Gives the empty file `into` the bytes of what was found.

        False where that is not there any more, or changed; `into` is then to be written anew.
        """
        try:
            file = os.open(found.name, _READ, dir_fd=found.folder)
        except OSError:
            return False
        try:
            if not self._shared(file, into):
                _copy(file, into, found.stats[1])
            return stats_of(os.fstat(file)) == found.stats
        finally:
            os.close(file)

    def _shared(self, file: int, into: int) -> bool:
        if self._can_share:
            try:
                fcntl.ioctl(into, _FICLONE, file)
            except OSError:
                self._can_share = False
        return self._can_share


def _copy(file: int, into: int, size: int) -> None:
    """Copies `size` bytes; holes stay holes."""
    if size <= _BLOCK_BYTES:
        write_all(into, os.pread(file, size, 0), 0)
        return
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


def _opened(copy: Path) -> Inside | None:
    try:
        return Inside(copy, refuse)
    except OSError:  # it was evicted
        return None


def _blocks(record: Path) -> Iterator[Block]:
    """The blocks with entries, as far as the record is whole."""
    try:
        yield from (block for block in read_blocks(record) if block.contents is not None)
    except (FileNotFoundError, Damaged):
        return
