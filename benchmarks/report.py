"""Measures how long the report of a study takes and how large its page is; prints a table and writes JSON.

    python benchmarks/report.py --repeats 3

Studies are filled by attaching trials; their controllers play no part. The goal is 5 s for 1,000 trials.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded: CPU time must not be that of idle threads

# ruff: noqa: E402

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measuring import Clock, Measured, circumstances
from overhead import table_of, write
from rich.console import Console

import meristem as ms

RESULTS = Path(__file__).parent / "results" / "report.json"
_GOAL_SECONDS, _GOAL_MB = 5.0, 6.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how long a report takes and how large its page is.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    console, around = Console(), circumstances()
    found: list[Measured] = []
    for what, trials, parameters, objectives in (
        ("30 trials, 6 parameters", 30, 6, 1),
        ("1,000 trials, 6 parameters", 1_000, 6, 1),
        ("1,000 trials, 6 parameters, 2 objectives", 1_000, 6, 2),
        ("1,000 trials, 25 parameters", 1_000, 25, 1),
        ("10,000 trials, 6 parameters", 10_000, 6, 1),
    ):
        console.print(f"measuring: {what} …", style="dim")
        found += measure(what, filled(trials, parameters, objectives), given.repeats)
    table = table_of(found)
    table.title = "Reports (how each is measured: in the JSON)"
    console.print(table)
    write(given.out, around, found)
    console.print(f"written to {given.out}")


def filled(trials: int, parameters: int, objectives: int) -> ms.Study:
    """A study of that size, half of whose parameters matter; one trial in twenty has failed."""
    space: dict[str, Any] = {f"x{i}": ms.Float(1e-4, 1, log=True) if i % 3 == 1 else ms.Float(0, 1)
                             for i in range(parameters - 1)}  # fmt: skip
    space["kind"] = ms.Choice(["a", "b", "c"])
    objective = "-loss" if objectives == 1 else "-loss, score"
    study = ms.Study("measured", space=space, objective=objective, outcome_constraints=["cost <= 0.9"], seed=1,
                     controller="random")  # fmt: skip
    draw = np.random.default_rng(1)
    for number, unit in enumerate(draw.random((trials, parameters))):
        point = study.space.decode(unit)
        if number % 20 == 19:
            study.attach(point, failed="RuntimeError: out of memory")
            continue
        loss = float(np.sum((unit[: parameters // 2] - 0.3) ** 2) + 0.02 * draw.normal())
        score = {} if objectives == 1 else {"score": float(unit[0] + unit[1])}
        study.attach(point, loss=loss, cost=float(unit[0]), **score)
    return study


def measure(what: str, study: ms.Study, repeats: int) -> list[Measured]:
    walls, cpus, sizes = [], [], []
    goal = _GOAL_SECONDS if what.startswith("1,000") else None
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            with Clock() as clock:
                path = study.report().html(Path(folder) / "report.html")
            walls.append(clock.wall)
            cpus.append(clock.cpu)
            sizes.append(path.stat().st_size / 1e6)
    note = f"HTML; median of {repeats}"
    return [
        Measured(what=f"report: {what}", value=median(cpus), unit="s CPU", at_most=goal, note=note),
        Measured(what=f"report: {what}", value=median(walls), unit="s", note=note),
        Measured(what=f"page: {what}", value=max(sizes), unit="MB", at_most=_GOAL_MB),
    ]


if __name__ == "__main__":
    main()
