"""Source: one file as it is looked at: by ranges, and never more of it than was granted."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from functools import cached_property

from meristem.datasets.previews.preview import FileKind, FilePreview

Read = Callable[[str, int, int], bytes]
"""Gives (path, start, length) of a file; fewer bytes at its end."""

_GZIP = 31  # zlib's window bits for gzip
_RANGES = 4  # times what was granted may be read by ranges, whose parts may overlap


class TooMuch(Exception):
    """A reader asked for more of a file than was granted."""


class Source:
    """A file that is looked at.

    Attributes:
        granted: So many bytes may be read.
        whole: These are all bytes of the file.
        size: Of the file; of one that is unpacked, what was unpacked.
    """

    def __init__(self, path: str, size: int, read: Read, granted: int) -> None:
        self.path, self.size, self.granted = path, size, min(granted, size)
        self.whole = self.granted >= size
        self._read = read

    @cached_property
    def start(self) -> bytes:
        """The first bytes, as many as were granted."""
        return self.at(0, self.granted)

    def peek(self, length: int) -> bytes:
        return self.at(0, min(length, self.granted))

    def at(self, start: int, length: int) -> bytes:
        if length <= 0 or start >= self.size:
            return b""
        if "start" in self.__dict__ and start + length <= len(self.start):
            return self.start[start : start + length]
        return bytes(self._read(self.path, start, min(length, self.size - start)))

    def file(self) -> io.BufferedReader:
        """For libraries that jump about in files.

        Raises:
            TooMuch: From its reads, once they are more than was granted a few times over.
        """
        return io.BufferedReader(_Ranges(self), buffer_size=65_536)

    def of_whole(self, kind: FileKind, format: str, **shown: object) -> FilePreview:
        """A preview of this file."""
        return FilePreview(path=self.path, size=self.size, kind=kind, format=format, **shown)  # type: ignore[arg-type]


class Unpacked(Source):
    """The inside of a gzip file; no more of it than `most` bytes, whatever it says of itself."""

    def __init__(self, packed: Source, most: int) -> None:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            inside = unpacker.decompress(packed.start, most)
        except zlib.error as error:
            raise ValueError(f"its gzip data is broken ({error})") from error
        path = packed.path.removesuffix(".gz").removesuffix(".GZ")
        super().__init__(path, len(inside), lambda _, start, length: inside[start : start + length], len(inside))
        self.whole = unpacker.eof and packed.whole and not unpacker.unused_data
        self.path = packed.path


class _Ranges(io.RawIOBase):
    def __init__(self, source: Source) -> None:
        self._source, self._place = source, 0
        self._left = _RANGES * source.granted + 65_536

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._source.size}[whence]
        if start + offset < 0:
            raise OSError("a place before the file's begin")
        self._place = start + offset
        return self._place

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        length = max(0, min(len(view), self._source.size - self._place))
        if length > self._left:
            raise TooMuch
        self._left -= length
        found = self._source.at(self._place, length)
        view[: len(found)] = found
        self._place += len(found)
        return len(found)
