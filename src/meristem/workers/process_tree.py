"""All that descends from this process: found, signalled, ended, also what has left its group or session.

On Linux this process becomes the "subreaper" of its descendants: a daemon whose parent has ended becomes our child
instead of init's, so that nothing a task leaves behind escapes. Elsewhere only process groups are reached.
Only the standard library is imported: attendants load this.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)
_PATIENCE_SECONDS = 5.0  # a process in a system call that cannot be interrupted does not end when killed


def adopt_orphans() -> bool:
    """Makes this process the parent of its descendants' orphans; whether the system can."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def die_with_parent() -> None:
    """Has the kernel kill this process when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """Pids of all living descendants of `root`, zombies left out; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for pid, (parent, state) in _processes().items():
        if state != "Z":
            children.setdefault(parent, []).append(pid)
    found, open_ = [], [root]
    while open_:
        below = children.get(open_.pop(), [])
        found += below
        open_ += below
    return found


def end_descendants(groups: Collection[int] = (), spare: Collection[int] = ()) -> list[int]:
    """Kills all descendants of this process and reaps them; returns those that would not end.

    Args:
        groups: Process groups that are killed, too, for systems without /proc.
        spare: Pids that may live.
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    while True:
        left = [pid for pid in descendants(os.getpid()) if pid not in spare]
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _reap(spare)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.002)


def end_marked(variable: str, value: str) -> None:
    """Kills all processes of this user that have `variable=value` in their environment: what an attendant that was
    itself killed has left behind."""
    wanted = f"{variable}={value}".encode()
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError, ValueError):
            if wanted in place.read_bytes().split(b"\0") and int(place.parent.name) != os.getpid():
                os.kill(int(place.parent.name), signal.SIGKILL)


def _reap(spare: Collection[int]) -> None:
    if spare:
        return  # whoever started those waits for them
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _processes() -> Mapping[int, tuple[int, str]]:
    """Parent and state of every process."""
    found = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return {}
    for name in names:
        if not name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]  # its name may hold anything
            found[int(name)] = (int(parent), state.decode())
    return found
