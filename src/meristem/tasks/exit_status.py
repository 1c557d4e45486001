"""Learns with which status this process exits, however that comes about.

Python tells nobody: `raise SystemExit(main())` calls no hook. The C library does tell functions that are registered
with `on_exit`, with the status as first argument; `fputc(status, file)` has just the right form to write it down.
Where there is no `on_exit` (musl, macOS), `sys.exit` is listened to, which is right in nearly all scripts.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_LOWEST_DESCRIPTOR = 700
noted: int | None = None  # what sys.exit() was called with, where there is no on_exit


def record_exit_status(path: Path) -> bool:
    """Has one byte written to `path` as this process exits: its status. False where that cannot be had.

    A process that is killed, or calls os._exit(), writes nothing; nor does a forked child.
    """
    try:
        return _record(path)
    except (AttributeError, ImportError, OSError):  # not the GNU C library; a disk that is full
        _listen_to_sys_exit()
        return False


def _record(path: Path) -> bool:
    import fcntl  # not on Windows, which has no on_exit either

    library = ctypes.CDLL(None)
    on_exit, fdopen = library.on_exit, library.fdopen
    fdopen.restype, fdopen.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_char_p]
    on_exit.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:  # high up, where no file of the script comes to be, should it close all that are open
        descriptor = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, _LOWEST_DESCRIPTOR)
    finally:
        os.close(opened)
    file = fdopen(descriptor, b"w")
    if not file or on_exit(ctypes.cast(library.fputc, ctypes.c_void_p), file) != 0:
        raise OSError("the C library does not take it")
    os.register_at_fork(after_in_child=lambda: _forget(descriptor))
    return True


def _forget(descriptor: int) -> None:
    """In a forked child: only the training itself writes its status. The descriptor stays taken."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor, inheritable=False)
        os.close(nowhere)


def _listen_to_sys_exit() -> None:
    original = sys.exit

    def exit_and_note(status: Any = None, /) -> Any:
        global noted
        noted = status_of(status)
        original(status)

    sys.exit = exit_and_note


def status_of(code: Any) -> int:
    """The exit status that Python makes of SystemExit's code: a text is printed, and is 1."""
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1
