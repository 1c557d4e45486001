"""Cutting files into chunks where their content says so, so that an insertion moves no later boundary.

FastCDC 2020 (Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based
Storage Systems", IEEE TPDS 31(9), 2020). Files up to 256 KiB are one chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pyfastcdc import FastCDC

WHOLE = 256 << 10  # the longest file that is one chunk
SHORTEST, LONGEST = 128 << 10, 2 << 20
# With `SHORTEST` and the normalization, random bytes give chunks of 512 KiB on average: see tests/unit/packs.
_CENTER = 416 << 10
_NORMALIZATION = 2
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
        stream: Opened for reading without a buffer of its own.
        length_hint: About how many bytes will come; it decides about memory, never about the chunks.
    """
    buffer = bytearray(min(_BUFFER, max(length_hint, WHOLE) + 1))
    view = memoryview(buffer)
    end = _fill(stream, view, 0)
    if end <= WHOLE:
        if end:
            yield view[:end]
        return
    if end == len(buffer) < _BUFFER:  # longer than it was said to be
        buffer += bytes(_BUFFER - len(buffer)) if view.release() is None else b""
        view = memoryview(buffer)
        end = _fill(stream, view, end)
    yield from _cut_on(stream, buffer, view, end)


def _cut_on(stream: Stream, buffer: bytearray, view: memoryview, end: int) -> Iterator[memoryview]:
    cutter = FastCDC(_CENTER, min_size=SHORTEST, max_size=LONGEST, normalized_chunking=_NORMALIZATION)
    start, complete = 0, end < len(buffer)
    while start < end:
        chunks = None
        while start < end and (complete or end - start >= LONGEST):
            if buffer.startswith(ZEROS, start, end):
                chunks, size = None, LONGEST
                yield ZEROS
            else:
                chunks = chunks or cutter.cut_buf(view[start:end])
                size = next(chunks).length
                yield view[start : start + size]
            start += size
        if not complete:
            buffer[: end - start] = buffer[start:end]
            end = _fill(stream, view, end - start)
            start, complete = 0, end < len(buffer)


def _fill(stream: Stream, view: memoryview, start: int) -> int:
    """Reads until `view` is full or the stream ends, and returns up to where it is filled."""
    while start < len(view) and (got := stream.readinto(view[start:])):
        start += got
    return start
