"""What reporting costs a training: scalars in a loop, points a second, prints, and the start of a task.

    python benchmarks/task_reporting.py [RESULTS.json]

Processor time of this process is compared, so that other work on the machine counts little. A step of the loop
computes for about 20 ms; its 100 scalars should take less than 2 % of that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import meristem
from meristem.spool import REPORT_FILE, SpoolReader
from meristem.tasks.reporting.console import ConsoleLog
from meristem.tasks.reporting.reporter import Reporter

STEPS, SCALARS, POINTS, PRINTS = 150, 100, 1_000_000, 200_000
STARTS = 7
START = """
import time
begun = time.perf_counter()
import meristem
meristem.Task
imported = time.perf_counter()
meristem.Task.init("bench", "start", offline=True, capture={capture})
print(imported - begun, time.perf_counter() - imported)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        rows = [*loop(Path(place)), *points(Path(place)), *prints(Path(place)), *starts(Path(place))]
    width = max(len(name) for name, _, _ in rows)
    for name, value, unit in rows:
        print(f"{name:<{width}}  {value:>12,.4g} {unit}")
    if len(sys.argv) > 1:
        results = [{"name": name, "value": value, "unit": unit} for name, value, unit in rows]
        Path(sys.argv[1]).write_text(json.dumps(results, indent=1) + "\n")


def loop(place: Path) -> list[tuple[str, float, str]]:
    """A step that computes for 20 ms, without and with 100 scalars; by turns, for the machine changes."""
    reporter = Reporter(place / "loop")
    names = [f"layer {i}" for i in range(SCALARS)]
    matrix = np.random.default_rng(0).random((300, 300))
    repeats = _repeats(lambda: np.linalg.svd(matrix), 0.02)
    plain = reporting = 0.0
    for step in range(STEPS):
        begun = time.process_time()
        for _ in range(repeats):
            np.linalg.svd(matrix)
        computed = time.process_time()
        for name in names:
            reporter.report_scalar("norm", name, 0.1234567 * step, step)
        ended = time.process_time()
        plain, reporting = plain + computed - begun, reporting + ended - computed
    reporter.flush()
    return [
        ("a step without reports", 1e3 * plain / STEPS, "ms"),
        (f"its {SCALARS} scalars", 1e3 * reporting / STEPS, "ms"),
        ("lost by reporting", 100 * reporting / plain, "% (goal: below 2)"),
    ]


def points(place: Path) -> list[tuple[str, float, str]]:
    """As many points as go into the spool, and out of it."""
    path = place / "points" / REPORT_FILE
    reporter = Reporter(path.parent)
    begun, begun_wall = time.process_time(), time.perf_counter()
    for step in range(POINTS // SCALARS):
        for i in range(SCALARS):
            reporter.report_scalar("loss", _SERIES[i], 0.1 * step, step)
    reporter.flush()
    spent, wall = time.process_time() - begun, time.perf_counter() - begun_wall
    reader, found = SpoolReader(path), 0
    begun = time.process_time()
    while read := reader.read():
        found += len(read)
    if found != POINTS:
        raise SystemExit(f"{found} of {POINTS} points arrived")
    return [
        ("points into the spool", POINTS / spent, "a second of processor time (goal: 50,000)"),
        ("points into the spool", POINTS / wall, "a second"),
        ("bytes of the spool", path.stat().st_size / POINTS, "a point"),
        ("points out of the spool", POINTS / (time.process_time() - begun), "a second of processor time"),
    ]


def prints(place: Path) -> list[tuple[str, float, str]]:
    """Printing into a file, without and with a copy kept."""
    found = []
    for name, kept in (("a print", False), ("a print that is kept", True)):
        with open(place / "out.txt", "w") as out:
            original, sys.stdout = sys.stdout, out
            console = ConsoleLog(place / "console.log")
            try:
                if kept:
                    console.start()
                begun = time.process_time()
                for i in range(PRINTS):
                    print("epoch", i)
                spent = time.process_time() - begun
            finally:
                console.close()
                sys.stdout = original
        found.append((name, 1e6 * spent / PRINTS, "µs"))
    return found


def starts(place: Path) -> list[tuple[str, float, str]]:
    """From the import to a live task, in fresh processes; the fastest of several."""
    found = []
    for what, capture in (("without capture", False), ("without source", {"source": False}), ("in all", True)):
        script = place / "start.py"
        script.write_text(START.format(capture=capture))
        times = [_start(script, place) for _ in range(STARTS)]
        if not found:
            found.append(("import of Task", 1e3 * min(imported for imported, _ in times), "ms"))
        found.append((f"Task.init {what}", 1e3 * min(begun for _, begun in times), "ms"))
    return found


def _start(script: Path, place: Path) -> tuple[float, float]:
    environment = {**os.environ, "PYTHONPATH": str(Path(meristem.__file__).parents[1])}
    answer: Any = subprocess.run(
        [sys.executable, script], cwd=place, env=environment, capture_output=True, text=True, check=True
    )
    imported, begun = map(float, answer.stdout.split())
    return imported, begun


def _repeats(work: Callable[[], object], seconds: float) -> int:
    work()
    begun = time.process_time()
    work()
    return max(1, round(seconds / max(time.process_time() - begun, 1e-6)))


_SERIES = [f"layer {i}" for i in range(SCALARS)]

if __name__ == "__main__":
    main()
