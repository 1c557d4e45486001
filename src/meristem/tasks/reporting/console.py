"""Copies what a script prints into console.log.

The streams stay the objects they were: only their `write` and `flush`, and those of their byte buffers, are replaced.
So whoever holds the old stderr (logging handlers) is heard too, and isatty(), fileno() and encoding are as before.
Bytes are kept as they came, with carriage returns and what is no UTF-8: readers handle them.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Any

from meristem.tasks.reporting.append_file import AppendFile, pulse

LIMIT_VARIABLE = "MERISTEM_CONSOLE_LIMIT_BYTES"
_LIMIT_BYTES = 256 << 20
_TAIL_BYTES = 256 << 10
_PIECE_BYTES = 64 << 10


class ConsoleLog:
    """Copies stdout and stderr to a file, until it is closed.

    Args:
        limit_bytes: What is kept at most of the beginning; of what follows, the last 256 KiB are added at the end.
    """

    def __init__(self, path: Path, *, limit_bytes: int | None = None) -> None:
        limit = int(os.environ.get(LIMIT_VARIABLE, _LIMIT_BYTES)) if limit_bytes is None else limit_bytes
        self._file = AppendFile(path, what="the console output kept", limit_bytes=limit + _TAIL_BYTES + 1_000)
        self._head_bytes, self._limit = 0, limit
        self._tail: deque[bytes] = deque()
        self._tail_bytes = self._skipped_bytes = 0
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        for stream in dict.fromkeys((sys.stdout, sys.stderr)):
            if stream is not None:
                self._undo.append(_listen(stream, self.take))
        pulse.add(self._file.flush)

    def take(self, data: bytes) -> None:
        """Keeps a piece of output."""
        with self._file.lock:
            room = self._limit - self._head_bytes
            if len(data) <= room:
                self._head_bytes += len(data)
                self._file.append(data)
                return
            if room > 0:
                self._head_bytes += len(data[:room])
                self._file.append(data[:room])
            self._keep_tail(data[max(room, 0) :])

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Gives the streams back and writes the end of what was too long."""
        while self._undo:
            self._undo.pop()()
        pulse.remove(self._file.flush)
        with self._file.lock:
            if self._skipped_bytes:
                self._file.append(f"\n[meristem: {self._skipped_bytes:,} bytes are left out here]\n".encode())
            for piece in self._tail:
                self._file.append(piece)
            self._tail.clear()
            self._file.close()

    def _keep_tail(self, data: bytes) -> None:
        if self._file.direct:  # its end cannot be told: forked children end without a word
            return
        if not self._tail and not self._skipped_bytes:
            self._file.append(b"\n[meristem: the output is longer than what is kept; its end follows when it ends]\n")
        for start in range(0, len(data), _PIECE_BYTES):
            self._tail.append(data[start : start + _PIECE_BYTES])
        self._tail_bytes += len(data)
        while self._tail_bytes > _TAIL_BYTES:
            oldest = len(self._tail.popleft())
            self._tail_bytes -= oldest
            self._skipped_bytes += oldest


def _listen(stream: Any, take: Callable[[bytes], None]) -> Callable[[], None]:
    """Makes `take` hear what is written to `stream`. Returns what undoes it."""
    # Threads within the text layer, which hands on to its buffer what was heard already. Sets are safe in threads.
    inside: set[int] = set()
    replaced: list[tuple[Any, str, Any]] = []

    def heard_text(original: Callable[[str], int]) -> Callable[[str], int]:
        def write(text: str) -> int:
            thread = get_ident()
            if thread in inside:
                return original(text)
            inside.add(thread)
            try:
                written = original(text)
            finally:
                inside.discard(thread)
            try:  # noqa: SIM105  (suppress() would take longer than all the rest)
                take(text.encode("utf-8", "backslashreplace"))
            except Exception:  # nothing here may break a print
                pass
            return written

        return write

    def heard_bytes(original: Callable[[Any], int]) -> Callable[[Any], int]:
        def write(data: Any) -> int:
            written = original(data)
            if get_ident() not in inside:
                with suppress(Exception):
                    take(bytes(data))
            return written

        return write

    def silent(original: Callable[..., Any]) -> Callable[..., Any]:
        def flush(*args: Any, **named: Any) -> Any:
            thread = get_ident()
            if thread in inside:
                return original(*args, **named)
            inside.add(thread)
            try:
                return original(*args, **named)
            finally:
                inside.discard(thread)

        return flush

    _replace(stream, "write", heard_text, replaced)
    buffer = getattr(stream, "buffer", None)
    if replaced and buffer is not None:
        _replace(stream, "flush", silent, replaced)
        if hasattr(stream, "reconfigure"):
            _replace(stream, "reconfigure", silent, replaced)
        _replace(buffer, "write", heard_bytes, replaced)

    def undo() -> None:
        for owner, name, ours in replaced:
            with suppress(Exception):
                if owner.__dict__.get(name) is ours:
                    delattr(owner, name)

    return undo


def _replace(owner: Any, name: str, around: Callable[[Any], Any], replaced: list[tuple[Any, str, Any]]) -> None:
    with suppress(AttributeError, TypeError):  # an object that takes no attributes: its output is not copied
        ours = around(getattr(owner, name))
        setattr(owner, name, ours)
        replaced.append((owner, name, ours))
