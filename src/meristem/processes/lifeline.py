"""A process that must not outlive the one that started it. Only the standard library is imported: it costs little."""

from __future__ import annotations

import fcntl
import os
import signal
import sys

_F_SETSIG = 10  # of Linux; the fcntl module does not name it


def die_with(lifeline: int) -> None:
    """Has the kernel kill our whole group when the other end of `lifeline` closes.

    A thread that listens could do so too, but it must wait for the interpreter lock, which native code
    may hold for minutes. PR_SET_PDEATHSIG would spare our children, and fires when only the
    thread that started us ends; it is used where the kernel cannot do better.
    """
    if sys.platform != "linux":
        return
    try:
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:
        import ctypes  # costs 10 ms, and hardly ever needed

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
