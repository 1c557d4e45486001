"""How benchmarks measure: clocks, medians of processes, and one line of the table as a value."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

MERISTEM = str(Path(sys.executable).with_name("meristem"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One line of the table. `at_most` and `at_least` are goals; None: shown for comparison only."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def goal(self) -> str:
        if self.at_most is not None:
            return f"at most {self.at_most:.3g}"
        return "" if self.at_least is None else f"at least {self.at_least:.3g}"

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least


class Clock:
    """Wall and CPU seconds (all threads of this process) of the block it is used around."""

    wall = cpu = 0.0

    def __enter__(self) -> Clock:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu


def median_of(repeats: int, measure: Callable[[], float]) -> float:
    return median(measure() for _ in range(repeats))


def wall_of(command: Sequence[str]) -> float:
    """Wall seconds of a process from its start to its end.

    Raises:
        CalledProcessError: It failed.
    """
    with Clock() as clock:
        subprocess.run(command, check=True, capture_output=True)
    return clock.wall


def printed_by(code: str, *arguments: str) -> str:
    """What a fresh Python process that runs `code` prints."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def circumstances() -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("meristem", "optuna", "numpy", "scipy", "sqlalchemy")},
    }
