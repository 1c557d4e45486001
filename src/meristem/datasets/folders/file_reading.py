"""One file becomes objects: small ones whole, large ones in chunks; never half of one state and half of another.

A file counts as read when its stats after the reading are those from before. One that changes meanwhile is read again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from meristem.datasets.folders.records import EMPTY_CONTENT, FACTS, SIZE
from meristem.manifests.recipe import encode_recipe
from meristem.packs.chunking import LONGEST, WHOLE, ZEROS, cut

RECIPE = ".recipe"  # what recipes are compressed as
_TRIES = 3
_INT64 = (1 << 63) - 1
# A pipe that somebody puts in a file's place must not hang us: without O_NONBLOCK opening it waits for a writer.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK

Progress = Callable[[int], None]


class Objects(Protocol):
    """Where objects are put: `meristem.packs.writer.PackWriter`."""

    def put(self, content: bytes | memoryview, *, suffix: str = ...) -> str: ...

    def flush(self) -> None: ...


class KeepsChanging(OSError):
    """The file changed each time while it was read."""


class NoFile(OSError):
    """Something else took the file's place."""


class Done(NamedTuple):
    """What a file held (33 bytes, as in a record) and the stats that go with that."""

    content: bytes
    facts: tuple[int, ...]


class Stopped(Exception):
    """Somebody else's failure ended the reading."""


def flags(*, follow: bool) -> int:
    return _FLAGS if follow else _FLAGS | os.O_NOFOLLOW


def read_small(
    name: str, descriptor: int | None, wanted: tuple[int, ...], objects: Objects, open_flags: int
) -> bytes | None:
    """Puts a file of at most WHOLE bytes whose stats are expected to be `wanted`, and returns its 33 bytes.

    The stats from before the reading are those of the scan, so one fstat afterwards is enough.

    Returns:
        None where the file is another one by now.
    """
    opened = os.open(name, open_flags, dir_fd=descriptor)
    try:
        content = os.read(opened, wanted[SIZE] + 1)
        if len(content) != wanted[SIZE] or FACTS(os.fstat(opened)) != wanted:
            return None
    finally:
        os.close(opened)
    if not content:
        return EMPTY_CONTENT
    return b"f" + bytes.fromhex(objects.put(content, suffix=_suffix(name)))


def read_file(
    path: str, objects: Objects, *, follow: bool, told: Progress, stopping: Callable[[], bool] = lambda: False
) -> Done:
    """Puts a file of any size.

    Raises:
        KeepsChanging: It changed while it was read, three times.
        NoFile: It is no regular file (any more).
        OSError: It cannot be read, or has gone.
        Stopped: `stopping` became true.
    """
    for _ in range(_TRIES):
        opened = os.open(path, flags(follow=follow))
        try:
            before = facts_of(os.fstat(opened))
            content, total = _content(opened, path, objects, told, stopping)
            # The path may lead to another file by now, put there by rename: then what we read is the past.
            after = facts_of(os.stat(path, follow_symlinks=follow))
        finally:
            os.close(opened)
        if content is not None and before == after:
            return Done(content, after)
        told(-total)
    raise KeepsChanging(0, "changed each time while it was read")


def facts_of(status: os.stat_result) -> tuple[int, ...]:
    """As the scan gives them: 64 bits with a sign."""
    return tuple(min(number, _INT64) for number in FACTS(status))


def _suffix(path: str) -> str:
    """What objects that compress alike have in common; a third of what splitext costs."""
    dot = path.rfind(".")
    return path[dot:] if dot > path.rfind("/") + 1 else ""


def _content(
    opened: int, path: str, objects: Objects, told: Progress, stopping: Callable[[], bool]
) -> tuple[bytes | None, int]:
    """The 33 bytes of an open file, None where its length changed meanwhile; and how many bytes were read."""
    status = os.fstat(opened)
    if not stat.S_ISREG(status.st_mode):
        raise NoFile(0, "is no file any more")
    suffix = _suffix(path)
    chunks: list[tuple[str, int]] = []
    total = 0
    for chunk, count in _chunks(opened, status):
        if stopping():
            raise Stopped
        size = len(chunk) * count
        chunks += [(objects.put(chunk, suffix=suffix), len(chunk))] * count
        total += size
        told(size)
    if total != status.st_size:
        return None, total
    if not chunks:
        return EMPTY_CONTENT, total
    if len(chunks) == 1:
        return b"f" + bytes.fromhex(chunks[0][0]), total
    return b"c" + bytes.fromhex(objects.put(encode_recipe(chunks), suffix=RECIPE)), total


def _chunks(opened: int, status: os.stat_result) -> Iterator[tuple[memoryview, int]]:
    """The chunks of a file and how often each comes in a row, without reading its holes.

    The chunks are those of `cut`, whatever the holes: a chunk that begins with LONGEST zeros ends there, so where a
    hole goes on for long enough the cutting begins anew behind as many of them as lie in it. What remains must be
    longer than WHOLE, since `cut` would not cut that at all.
    """
    size, position = status.st_size, 0
    sparse = status.st_blocks * 512 + 2 * LONGEST < size
    while position < size:
        if sparse and (skipped := _zeros_ahead(opened, position, size)):
            yield ZEROS, skipped
            position += skipped * LONGEST
        for chunk in cut(_From(opened, position), size - position):
            yield chunk, 1
            position += len(chunk)
            if sparse and _zeros_ahead(opened, position, size):
                break
        else:
            return


def _zeros_ahead(opened: int, position: int, size: int) -> int:
    """How many chunks of zeros lie at `position` in a hole, and more than WHOLE bytes behind them."""
    if position >= size:
        return 0
    try:
        end = os.lseek(opened, position, os.SEEK_DATA)
    except OSError:
        end = size  # no data up to the end
    if end - position < LONGEST:
        return 0
    return min((end - position) // LONGEST, (size - position - WHOLE - 1) // LONGEST)


class _From:
    """An open file from a position on, read without moving its own."""

    def __init__(self, opened: int, position: int) -> None:
        self._opened, self._position = opened, position

    def readinto(self, buffer: memoryview, /) -> int:
        got = os.preadv(self._opened, [buffer], self._position)
        self._position += got
        return got
