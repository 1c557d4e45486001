"""Locks on files: who uses a copy holds one, shared; who makes or evicts it, alone.

The kernel lets go of them when a process dies, however it dies, and keeps them for children that it forked. A lock
file may be deleted by who holds it alone; so after locking it is seen whether the file is still the one of that name.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def share(path: Path) -> int:
    """Locks `path` shared, waiting for who has it alone; returns the descriptor that holds it."""
    return _lock(path, fcntl.LOCK_SH)


def try_alone(path: Path) -> int | None:
    """Locks `path` alone, or returns None when somebody else holds it."""
    try:
        return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


@contextmanager
def alone(path: Path, tell: Callable[[str], None], what: str) -> Iterator[None]:
    """Holds `path` alone; says once whom it waits for to end `what`."""
    descriptor = try_alone(path)
    if descriptor is None:
        who = ""
        with suppress(OSError, UnicodeDecodeError):
            who = path.read_text()
        tell(f"Waiting for {f'process {who}' if who else 'another process'}, which is {what}.")
        descriptor = _lock(path, fcntl.LOCK_EX)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a living process holds `path` in any way."""
    descriptor = try_alone(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _lock(path: Path, how: int) -> int:
    while True:
        descriptor = os.open(path, _FLAGS, 0o666)
        try:
            fcntl.flock(descriptor, how)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
