"""How work is measured inside a process: wall time, its own CPU time, and that of a database server. Only the standard
library, since it also runs in the environment of the peers."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


class Spent:
    """Seconds spent in the block it is used around: wall, CPU of this process, CPU of the server's whole family.

    Args:
        server: Process id of the database server; 0: there is none.
    """

    wall = client = served = 0.0

    def __init__(self, server: int = 0) -> None:
        self._server = server

    def __enter__(self) -> Spent:
        self._served = family_cpu_seconds(self._server)
        self._client, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.client = time.perf_counter() - self._wall, time.process_time() - self._client
        self.served = family_cpu_seconds(self._server) - self._served

    def over(self, count: int) -> dict[str, float]:
        """Rate and CPU microseconds of each of `count` pieces of work."""
        return {
            "rate": count / self.wall,
            "cpu_us": 1e6 * (self.client + self.served) / count,
            "client_us": 1e6 * self.client / count,
            "server_us": 1e6 * self.served / count,
        }


def settle_disk() -> None:
    """Waits until what was written before lies on the disk, so that it is not paid for in a measurement."""
    os.sync()
    time.sleep(1.0)


def family_cpu_seconds(pid: int) -> float:
    """What a process and its children have used so far, those of its children included that have ended."""
    if pid == 0:
        return 0.0
    return sum(_own_seconds(child, 2) for child in _children(pid)) + _own_seconds(pid, 4)


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and largest of `seconds`, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50_ms": 1e3 * ordered[len(ordered) // 2],
        "p99_ms": 1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        "max_ms": 1e3 * ordered[-1],
    }


def _own_seconds(pid: int, numbers: int) -> float:
    # utime, stime, and those of ended children
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 11 + numbers])) / _TICK
    return 0.0


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
