"""Queues and workers beside Procrastinate, a plain SKIP LOCKED loop and Ray, in the same run.

    make bench-queue        (or: python -m benchmarks.queue --only claims --rounds 1)

Each measurement is a process of its own, on a database of its own. Those of one line take turns, and the median of all
rounds is shown, so that what else this machine does falls upon all. It prints tables and writes JSON; no goal that is
missed makes it fail. CPU is that of the client and of all processes of the server.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.queue import crowd, environment
from benchmarks.queue.plan import GOALS, PARTS, PEERS, Cell, Line, ratio
from benchmarks.queue.postgres import Server, server

RESULTS = Path(__file__).parents[1] / "results" / "queue.json"
Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure queues and workers beside their peers.")
    parser.add_argument("--only", action="append", choices=[*PARTS, "crowd"], help="may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    parser.add_argument("--workers", type=int, default=1000, help="how many the crowd has")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    console, load = Console(), os.getloadavg()[0]
    lacking = environment.ensure_peers(console.print)
    if lacking:
        console.print(f"could not install {', '.join(lacking)}; going on without")
    parts = given.only or [*PARTS, "crowd"]
    found: dict[str, Figures] = {}
    with server() as running:
        for part in parts:
            if part in PARTS:
                found |= _measure(PARTS[part], running, given.rounds, console)
                console.print(_table(part, found))
    if "crowd" in parts:
        console.print(f"measuring: {given.workers} workers …", style="dim")
        found["crowd"] = crowd.measure(given.workers, 30.0)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in found["crowd"].items())
        console.print(f"{given.workers} workers on one PostgreSQL, each with 3 connections: {shown}")
    met = _goals(found, console)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    kept = {"load_before": load, "cores": os.cpu_count(), "rounds": given.rounds, "measured": found, "goals": met}
    given.out.write_text(json.dumps(kept, indent=1) + "\n")
    console.print(f"written to {given.out}")


def _measure(lines: Sequence[Line], running: Server, rounds: int, console: Console) -> dict[str, Figures]:
    runs: dict[str, list[Figures]] = defaultdict(list)
    for line in lines:
        for number in range(rounds):
            for cell in line.cells:
                console.print(f"measuring {cell.name}, round {number + 1} …", style="dim")
                if figures := _run(cell, running):
                    runs[cell.name].append(figures)
    return {
        name: {figure: median(run[figure] for run in several) for figure in several[0]}
        for name, several in runs.items()
    }


def _run(cell: Cell, running: Server) -> Figures:
    python = sys.executable if cell.peer not in PEERS else str(environment.PYTHON)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/queue.db" if cell.sqlite else running.new_database("bench")
        served_by = 0 if cell.sqlite else running.pid
        words = [cell.peer, cell.what, url, served_by, *cell.arguments]
        line = [python, "-m", "benchmarks.queue.worker", *map(str, words)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        print(f"{cell.name}: {done.stderr[-500:]}", file=sys.stderr)
        return {}
    figures: Figures = json.loads(lines[-1])
    return figures


def _table(part: str, found: dict[str, Figures]) -> Table:
    names = [cell.name for line in PARTS[part] for cell in line.cells if cell.name in found]
    columns = list(dict.fromkeys(figure for name in names for figure in found[name]))
    table = Table("measured", *columns, title=f"Queues: {part} (medians; us: CPU time of one task)")
    for name in names:
        table.add_row(name, *(f"{found[name][c]:.4g}" if c in found[name] else "" for c in columns))
    return table


def _goals(found: dict[str, Figures], console: Console) -> dict[str, dict[str, float | bool]]:
    table = Table("goal", "value", "met", title="Goals")
    met: dict[str, dict[str, float | bool]] = {}
    for goal in GOALS:
        value = ratio(found, goal.of, goal.against)
        if value is None:
            continue
        good = value <= goal.at_most if goal.at_most is not None else value >= (goal.at_least or 0.0)
        table.add_row(goal.what, f"{value:.3g}", "yes" if good else "NO")
        met[goal.what] = {"value": value, "met": good}
    console.print(table)
    return met


if __name__ == "__main__":
    main()
