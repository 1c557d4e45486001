"""A file that a training appends to without ever waiting long, failing, or filling memory.

What is appended waits in memory for at most half a second (`Pulse`) or 64 KiB, so that a call costs a microsecond.
Each write is one of whole pieces to a file opened for appending, so that threads and forked processes may share it.
A disk that is full loses what does not fit in memory, with one warning; the training goes on.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

PULSE_SECONDS = 0.5
_WRITE_BYTES = 64 << 10
_WRITE_SECONDS = 0.1  # what was written longer ago is written at the next call, not at the next beat
_MEMORY_BYTES = 8 << 20  # kept while the disk takes nothing


class AppendFile:
    """Appends pieces of bytes.

    In forked children each piece is written at once: many of them end without a word (DataLoader workers).

    Args:
        what: Names the content in warnings.
        limit_bytes: What this process appends at most; more is dropped, with one warning.
        drain: Called before each write; appends what its caller still holds back.
        direct: Each piece is written at once here too.
    """

    def __init__(
        self,
        path: Path,
        *,
        what: str,
        limit_bytes: int,
        drain: Callable[[], None] | None = None,
        direct: bool = False,
    ) -> None:
        self.path, self._what, self._limit, self._drain = path, what, limit_bytes, drain
        self.lock = threading.RLock()  # a signal handler may come in between, and print or report
        self.full = False
        self._pieces: list[bytes] = []
        self._pending_bytes = self._taken_bytes = 0
        self._file: int | None = None
        self._written_at = 0.0
        self._warned: set[str] = set()
        self._owner = 0 if direct else os.getpid()
        _open_files.add(self)

    @property
    def direct(self) -> bool:
        """Whether each piece is written at once, as in children of the process that opened the file."""
        return self._owner != _pid

    def append(self, piece: bytes) -> bool:
        """Takes a piece. False where it was dropped."""
        with self.lock:
            size = len(piece)
            if self._taken_bytes + size > self._limit:
                self.full = True
                self._warn("limit", f"{self._what} has grown to its limit of {self._limit:,} bytes; more is dropped")
                return False
            if self._pending_bytes + size > _MEMORY_BYTES and not self._flush_pieces():
                return False
            self._pieces.append(piece)
            self._taken_bytes += size
            self._pending_bytes += size
            if (
                self._pending_bytes >= _WRITE_BYTES
                or self._owner != _pid
                or time.monotonic() - self._written_at > _WRITE_SECONDS
            ):
                self._flush_pieces()
            return True

    def flush(self) -> bool:
        """Writes what waits. False where the disk does not take it: it then waits on, within bounds."""
        with self.lock:
            if self._drain is not None:
                self._drain()
            return self._flush_pieces()

    def _flush_pieces(self) -> bool:
        if not self._pieces:
            return True
        data = b"".join(self._pieces)
        self._pieces, self._pending_bytes = [], 0
        self._written_at = time.monotonic()
        written = self._write(data)
        if written == len(data):
            return True
        rest = data[written:]
        self._pieces, self._pending_bytes = [rest], len(rest)
        return False

    def close(self) -> None:
        """Writes what waits and closes; later pieces open it again."""
        with self.lock:
            if not self.flush():
                self._warn("lost", f"{self._pending_bytes:,} bytes of {self._what} could not be written and are lost")
                self._pieces, self._pending_bytes = [], 0
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _write(self, data: bytes) -> int:
        written = 0
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            while written < len(data):
                written += os.write(self._file, memoryview(data)[written:])
        except OSError as error:
            self._warn("disk", f"{self._what} cannot be written ({error.strerror}); the training goes on without")
        return written

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warn(message)

    def _after_fork_in_child(self) -> None:
        """What waits is the parent's to write; its lock may be held by a thread that is not here."""
        self.lock = threading.RLock()
        self._pieces, self._pending_bytes, self._written_at = [], 0, 0.0


class Pulse:
    """One thread that calls functions every half second, for as long as there are some.

    It is not there in forked children, whose files do not need it.
    """

    def __init__(self) -> None:
        self._beats: list[Callable[[], object]] = []
        self._lock = threading.RLock()  # a signal handler may end the task in between
        self._ended: threading.Event | None = None

    def add(self, beat: Callable[[], object]) -> None:
        with self._lock:
            self._beats = [*self._beats, beat]
            if self._ended is None:
                self._ended = threading.Event()
                args = (self._ended,)
                threading.Thread(target=self._run, args=args, daemon=True, name="meristem-pulse").start()

    def remove(self, beat: Callable[[], object]) -> None:
        with self._lock:
            self._beats = [other for other in self._beats if other != beat]
            if not self._beats and self._ended is not None:
                self._ended.set()
                self._ended = None

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(PULSE_SECONDS):
            for beat in self._beats:
                try:
                    beat()
                except Exception as error:  # nothing here may break the training
                    warn(f"something in the background failed: {error!r:.200}")
                    self.remove(beat)

    def after_fork_in_child(self) -> None:
        self.__init__()  # type: ignore[misc]


pulse = Pulse()


def warn(message: str) -> None:
    """Tells of trouble that must not stop the training, on its stderr."""
    with contextlib.suppress(Exception):  # stderr may be closed, or on the full disk itself
        print(f"meristem: {message}", file=sys.stderr, flush=True)


_open_files: weakref.WeakSet[AppendFile] = weakref.WeakSet()
_pid = os.getpid()  # os.getpid() is a system call; this is kept right by what follows
_held: list[AppendFile] = []
_forking = threading.RLock()  # threads that fork at once would wait for each other's files


def _before_fork() -> None:
    """A child must not begin with half a piece, or with pieces that its parent writes too."""
    _forking.acquire()
    for file in list(_open_files):
        file.lock.acquire()
        _held.append(file)
        file.flush()


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().lock.release()
    _forking.release()


def _after_fork_in_child() -> None:
    global _pid, _forking
    _forking = threading.RLock()
    _pid = os.getpid()
    while _held:
        _held.pop()._after_fork_in_child()
    pulse.after_fork_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
