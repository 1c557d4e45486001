"""The console of one attempt on disk: masked, and bounded whatever a task prints.

`console.log` grows only as long as not more than `LIMIT_BYTES` of it wait to be shipped; what has been shipped is
given back to the disk (a hole in the file, so that positions in it stay what they were). What comes meanwhile is
left out, but for its end, and a line says so. Only the standard library is imported: attendants load this.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from meristem.workers.masking import Masking

LIMIT_BYTES = 64 << 20
TAIL_BYTES = 1 << 20  # of what was left out
_KEEP_SIZE, _PUNCH_HOLE, _BLOCK_BYTES = 1, 2, 1 << 20


class Console:
    """Appends to a console file.

    Args:
        limit: How many bytes may lie on the disk unshipped.
    """

    def __init__(self, path: Path, secrets: Iterable[str] = (), *, limit: int = LIMIT_BYTES) -> None:
        self._path, self._limit = path, limit
        self._masking = Masking(secrets)
        self._file: int | None = None
        self._size = self._shipped = self._freed = 0
        self._tail = bytearray()
        self._left_out = 0  # bytes, those in the tail among them
        self._last = b"\n"
        self._can_free = sys.platform == "linux"
        self.fault: str | None = None  # why something could not be written, the first time

    @property
    def tail(self) -> bytes:
        """The last of what was printed, masked."""
        return self._last

    def feed(self, data: bytes) -> None:
        self._take(self._masking.feed(data))

    def shipped(self, position: int) -> None:
        """Takes note that all before `position` has been read and is no longer needed."""
        self._shipped = max(self._shipped, min(position, self._size))
        if self._can_free and self._file is not None and self._shipped - self._freed >= _BLOCK_BYTES:
            self._can_free = _free(self._file, self._freed, self._shipped - self._freed)
            self._freed = self._shipped if self._can_free else self._freed
        if self._left_out and self._room() > self._limit // 2:
            self._say_what_is_missing()

    def finish(self) -> None:
        """Writes what was held back, and closes the file. May be repeated."""
        self._take(self._masking.finish())
        if self._left_out:
            self._say_what_is_missing()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _room(self) -> int:
        return self._limit - (self._size - (self._shipped if self._can_free else 0))

    def _take(self, data: bytes) -> None:
        if not data:
            return
        self._last = (self._last + data)[-8192:] if len(data) < 8192 else data[-8192:]
        room = 0 if self._left_out else max(0, self._room())
        if room:
            self._write(data[:room])
        if rest := data[room:]:
            self._left_out += len(rest)
            self._tail += rest
            del self._tail[: max(0, len(self._tail) - TAIL_BYTES)]

    def _say_what_is_missing(self) -> None:
        missing = self._left_out - len(self._tail)
        said = f"\n[meristem: {missing:,} bytes of output were left out here]\n".encode() if missing else b""
        tail, self._tail, self._left_out = bytes(self._tail), bytearray(), 0
        self._write(said + tail)

    def _write(self, data: bytes) -> None:
        try:
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
                self._file = os.open(self._path, flags, 0o644)
                self._size = os.fstat(self._file).st_size
            view = memoryview(data)
            while view:
                written = os.write(self._file, view)
                self._size += written
                view = view[written:]
        except OSError as error:  # a full disk: the task goes on, its output is lost
            self.fault = self.fault or f"the console could not be written: {error.strerror}"


def _free(file: int, start: int, length: int) -> bool:
    with suppress(OSError, AttributeError, ValueError):
        # Through the C library: Python has no name for it. 10 ms at its first use.
        library = ctypes.CDLL(None, use_errno=True)
        library.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
        return bool(library.fallocate(file, _KEEP_SIZE | _PUNCH_HOLE, start, length) == 0)
    return False
