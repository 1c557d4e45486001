"""A process that leads its own process group: watched, signalled and reaped with all it started.

Also says in words how a process ended. Used for workers of the warm pool and for commands.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import wait

import psutil

POLL_SECONDS = 0.05  # where the system cannot wake us when a process ends
_HINTS = {
    "SIGKILL": "most likely the system ran out of memory: use less of it, or fewer trials in parallel",
    "SIGSEGV": "native code crashed, in an extension module or a library",
    "SIGBUS": "native code crashed, or a disk or /dev/shm is full",
    "SIGABRT": "native code gave up; its message is in the standard error output",
    "SIGTERM": "something outside asked it to end",
}


class GroupLeader:
    """One process and its group. `child` is None where another, dead engine had started it.

    Raises:
        ProcessLookupError: There is no process `pid`.
    """

    def __init__(self, pid: int, *, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self._child = child
        self._reaped = False
        self.descriptor = _open_descriptor(pid)

    def ended(self, *, within_seconds: float = 0.0) -> bool:
        """Whether it has ended; leaves it unreaped, so that its pid is not given to another."""
        if self.descriptor is not None:
            return bool(wait([self.descriptor], within_seconds))
        if self._child is None:
            return not psutil.pid_exists(self.pid)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(within_seconds)
        return self._child.returncode is not None

    def others(self) -> list[int]:
        """Pids of the living processes of its group beside itself.

        As long as there are any, the system gives the group's number to no new process.
        """
        found = []
        for process in psutil.process_iter(["status"]):
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(process.pid) == self.pid and process.info["status"] != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
        if self.pid in found and self.ended():
            return []  # ended, and its number is another's by now
        return [pid for pid in found if pid != self.pid]

    def signal_group(self, number: int) -> None:
        """Sends a signal to the whole group, unless its number may be another's by now."""
        if self._reaped or (self._child is None and self.ended() and not self.others()):
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def kill(self) -> int | None:
        """Ends what is left of the group, reaps, frees; gives the exit code where it is known."""
        self.signal_group(signal.SIGKILL)
        self._reaped = True
        code = self._child.wait() if self._child is not None else None
        self.release()
        return code

    def release(self) -> None:
        """Lets it go on unwatched."""
        if self._child is not None and self._child.returncode is None:
            self._child.returncode = 0  # or Popen complains of a child that it thinks forgotten
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def wakers(leaders: Iterable[GroupLeader]) -> list[int]:
    """Descriptors that become readable when one of `leaders` ends."""
    return [leader.descriptor for leader in leaders if leader.descriptor is not None]


def in_words(code: int | None) -> str:
    """How a process with this exit code ended: `exit code 3`, or the signal with a hint.

    Args:
        code: Negative, or above 128 as shells have it, for a signal; None where it is not known.
    """
    if code is None:
        return "ended without an exit code (it was killed, or the machine went down)"
    number = -code if code < 0 else code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"exit code {code}"
    hint = f" ({_HINTS[name]})" if name in _HINTS else ""
    return f"killed by {name}{hint}" + (f", exit code {code}" if code > 0 else "")


def _open_descriptor(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):  # not Linux, an old kernel, or no descriptors left
        return None
