"""Tells a process from a later one of the same pid, and says whether it still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_PROC = Path("/proc")


def process_mark(pid: int | None = None) -> str | None:
    """What tells this process from others of its pid: `host boot start`; None where no such process runs.

    `start` is in clock ticks after the boot, which no change of the clock moves (Linux), else seconds since the epoch.
    """
    pid = os.getpid() if pid is None else pid
    start = _start(pid)
    return None if start is None else f"{socket.gethostname()} {_boot()} {start}"


def is_alive(pid: int | None, mark: str | None) -> bool | None:
    """Whether the process of that pid and mark still runs; None where that cannot be known from this machine."""
    if pid is None or mark is None or len(mark.split(" ")) != 3:
        return None
    host, boot, start = mark.split(" ")
    if host != socket.gethostname():
        return None
    return boot == _boot() and _start(pid) == start


def _start(pid: int) -> str | None:
    """When a process started; None where it has gone, or is only waited for by its parent."""
    if not _PROC.joinpath("self").exists():
        return _start_elsewhere(pid)
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the name before may hold blanks and brackets
    return None if state in "ZX" else rest[18]  # field 22 of proc(5)


def _start_elsewhere(pid: int) -> str | None:
    import psutil  # needed only where there is no /proc

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def _boot() -> str:
    try:
        return _PROC.joinpath("sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "-"
