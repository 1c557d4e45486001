"""What the tasks of the benchmarks and of the fault run do."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path


def nothing(index: int = 0) -> None:
    """Does nothing."""


def tracked(file: str, seconds: float) -> dict[str, int]:
    """Notes its start and its end in a file, and returns which attempt it was."""
    task = json.loads(Path(os.environ["MERISTEM_TASK"]).read_bytes())
    return track(file, seconds, task["number"], task["attempt"], task["fence"])


def track(file: str, seconds: float, number: int, attempt: int, fence: int) -> dict[str, int]:
    """As `tracked`, of an attempt that is known."""
    note(file, "start", number, attempt, fence)
    time.sleep(seconds)
    note(file, "end", number, attempt, fence)
    return {"attempt": attempt, "fence": fence}


def note(file: str, what: str, number: int, attempt: int, fence: int) -> None:
    """One line, in one write: whole also where many processes append."""
    line = f"{what} {number} {attempt} {fence} {time.monotonic():.4f}\n"
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
