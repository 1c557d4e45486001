"""Whether what already stands at an entry's place is just what the entry says: read and checked, byte for byte."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache

from blake3 import blake3

from meristem.manifests.entry import Entry, Kind

Chunks = Sequence[tuple[str, int]]
"""The names and lengths of a file's chunks, in order."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # not waiting for the other end of a named pipe
_BLOCK_BYTES = 1 << 20


def is_as_it_should(entry: Entry, folder: int, name: str, chunks_of: Callable[[Entry], Chunks]) -> bool:
    """Whether `name` in the folder with the descriptor `folder` has the kind, the size and the bytes of `entry`.

    Modes are not compared. An external entry counts only where its hash is known.
    """
    try:
        seen = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    if entry.kind == Kind.LINK:
        return stat.S_ISLNK(seen.st_mode) and os.readlink(name, dir_fd=folder) == entry.content
    if entry.kind == Kind.FOLDER:
        return stat.S_ISDIR(seen.st_mode)
    if not stat.S_ISREG(seen.st_mode):
        return False
    expected = hash_of_external(entry) if entry.kind == Kind.EXTERNAL else entry.content
    if expected is None or (entry.kind != Kind.EXTERNAL and seen.st_size != entry.size):
        return False
    file = os.open(name, _READ, dir_fd=folder)
    try:
        if entry.kind == Kind.CHUNKED:
            return not wrong_chunks(file, chunks_of(entry))
        return _hash(file) == expected
    finally:
        os.close(file)


def wrong_chunks(file: int, chunks: Chunks) -> list[tuple[int, str, int]]:
    """The chunks that do not lie in the file where they should, as (offset, name, length)."""
    wrong, offset, data = [], 0, 0
    for name, length in chunks:
        if data < offset + length:
            data = _next_data(file, max(data, offset))
        # A hole is not read: in a file that was begun, or one of zeros, there may be very many.
        is_hole = data >= offset + length
        found = _name_of_zeros(length) if is_hole else blake3(os.pread(file, length, offset)).hexdigest()
        if found != name:
            wrong.append((offset, name, length))
        offset += length
    return wrong


def _next_data(file: int, offset: int) -> int:
    """Where the next bytes are that are not in a hole: `offset` itself where that cannot be told."""
    try:
        return os.lseek(file, offset, os.SEEK_DATA)
    except OSError as error:
        return sys.maxsize if error.errno == errno.ENXIO and offset < os.fstat(file).st_size else offset


@lru_cache(maxsize=64)
def _name_of_zeros(length: int) -> str:
    return str(blake3(bytes(length)).hexdigest())


def hash_of_external(entry: Entry) -> str | None:
    """The blake3 name that the bytes of an external entry had when it was added, where that is known."""
    known = (entry.facts or {}).get("hash")
    return known if isinstance(known, str) and len(known) == 64 else None


def _hash(file: int) -> str:
    digest = blake3()
    while block := os.read(file, _BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
