"""Cutting files into chunks where their content says so, so that an insertion moves no later boundary.

FastCDC 2020 (Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based
Storage Systems", IEEE TPDS 31(9), 2020). Files up to 256 KiB are one chunk.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from typing import Literal, Protocol

from pyfastcdc import FastCDC

WHOLE = 256 << 10  # the longest file that is one chunk
SHORTEST, LONGEST = 128 << 10, 2 << 20
# With `SHORTEST` and the normalization, random bytes give chunks of 512 KiB on average: see tests/unit/packs.
_CENTER = 416 << 10
_NORMALIZATION: Literal[2] = 2
_BUFFER = 8 << 20

# A stretch of a sparse file: cut as FastCDC would do it (nothing ever ends a chunk of zeros but its length),
# and always this very object, so that a writer need not hash it again.
ZEROS = memoryview(bytes(LONGEST))


class Stream(Protocol):
    """An open file: fills a buffer and says how many bytes it got, 0 at the end."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...


def cut(stream: Stream, length_hint: int = 0) -> Iterator[memoryview]:
    """The chunks of a stream, in order; each is valid only until the next one is asked for.

    Args:
        stream: Opened for reading, best without a buffer of its own. Holes of a sparse file are not read; where the
            stream stands afterwards is not told.
        length_hint: About how many bytes will come; it decides about memory, never about the chunks.
    """
    stream = _without_holes(stream)
    view = memoryview(bytearray(min(_BUFFER, max(length_hint, WHOLE) + 1)))
    end = _fill(stream, view, 0)
    if end <= WHOLE:
        if end:
            yield view[:end]
        return
    if end == len(view) < _BUFFER:  # longer than it was said to be
        larger = memoryview(bytearray(_BUFFER))
        larger[:end] = view
        view, end = larger, _fill(stream, larger, end)
    yield from _cut_on(stream, view, end)


def _cut_on(stream: Stream, view: memoryview, end: int) -> Iterator[memoryview]:
    """Cuts what `view` holds up to `end` and then the rest of the stream, which `view` is filled with anew."""
    cutter = FastCDC(_CENTER, min_size=SHORTEST, max_size=LONGEST, normalized_chunking=_NORMALIZATION)
    while True:
        start, complete = 0, end < len(view)
        for length in _lengths(cutter, view[:end], complete):
            yield ZEROS if length is None else view[start : start + length]
            start += LONGEST if length is None else length
        if complete:
            return
        left = end - start
        view[:left] = view[start:end]
        end = _fill(stream, view, left)


def _lengths(cutter: FastCDC, content: memoryview, complete: bool) -> Iterator[int | None]:
    """The lengths of the chunks at the start of `content`, as far as they do not hang on what follows; None: zeros."""
    raw, start, end = content.obj, 0, len(content)
    assert isinstance(raw, bytearray)
    chunks = iter(cutter.cut_buf(content))
    while start < end and (complete or end - start >= LONGEST):
        if raw.startswith(ZEROS, start, end):  # compared without a copy, and at once where it differs
            yield None
            start += LONGEST
            chunks = iter(cutter.cut_buf(content[start:]))
            continue
        length = next(chunks).length
        yield length
        start += length


def _fill(stream: Stream, view: memoryview, start: int) -> int:
    """Reads until `view` is full or the stream ends, and returns up to where it is filled."""
    while start < len(view) and (got := stream.readinto(view[start:])):
        start += got
    return start


def _without_holes(stream: Stream) -> Stream:
    """The stream itself, unless it is a sparse file: reading holes would fill the system's cache with zeros."""
    if not isinstance(stream, io.FileIO | io.BufferedReader):
        return stream
    facts = os.fstat(stream.fileno())
    if not stat.S_ISREG(facts.st_mode) or facts.st_blocks * 512 >= facts.st_size or facts.st_size < _BUFFER:
        return stream
    return _SparseFile(stream.fileno(), stream.tell())


class _SparseFile:
    """Reads a file from `start` on, and makes up the zeros of its holes."""

    def __init__(self, file: int, start: int) -> None:
        self._file, self._at = file, start
        self._data = start  # where the next bytes are that must be read
        self._hole = start  # where they end

    def readinto(self, buffer: memoryview, /) -> int:
        if self._at >= self._hole:
            self._look()
        if self._at < self._data:
            got = min(len(buffer), self._data - self._at, len(ZEROS))
            buffer[:got] = ZEROS[:got]
        else:
            got = os.preadv(self._file, [buffer[: max(1, self._hole - self._at)]], self._at)
        self._at += got
        return got

    def _look(self) -> None:
        size = os.fstat(self._file).st_size
        try:
            self._data = os.lseek(self._file, self._at, os.SEEK_DATA)
            self._hole = os.lseek(self._file, self._data, os.SEEK_HOLE)
        except OSError:  # nothing but a hole follows, or the file is at its end
            self._data = self._hole = max(size, self._at)
