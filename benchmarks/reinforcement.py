"""Compares `reinforcement` with `auto` and `random` where choices and numbers are mixed; prints a table, writes JSON.

    python -m benchmarks.reinforcement --seeds 10

Trials take times drawn at random, the same for every contender, and a free slot never waits: so with several slots they
end in another order than they began. What counts is the exact loss of the trial that measured best so far, which is the
one a user would take, above the lowest possible. It only measures: nothing makes it fail.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded

# ruff: noqa: E402

import argparse
import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import meristem
from benchmarks.search.problem import Problem
from benchmarks.search.problems import DEVELOPMENT
from benchmarks.segmentation import SEGMENTATION
from meristem.controllers.protocol import History, Observation, Snapshot
from meristem.objective import Goals
from meristem.study.definition import build_controller

RESULTS = Path(__file__).parent / "results" / "reinforcement.json"
_MIXED = ("mixed7", "families", "layers", "svm_digits", "mlp_breast_cancer", "pipeline_wine")
PROBLEMS = {problem.name: problem for problem in (*SEGMENTATION, *(DEVELOPMENT[name] for name in _MIXED))}
CONTENDERS = ("auto", "reinforcement", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One contender on one problem.

    Attributes:
        regrets: After each trial that ended.
        cpu: Seconds of deciding, in all.
    """

    problem: str
    contender: str
    slots: int
    seed: int
    regrets: Sequence[float]
    cpu: float


def main() -> None:
    given = _arguments()
    problems = [PROBLEMS[name] for name in given.only or PROBLEMS]
    wanted = [
        (problem, contender, slots, seed)
        for slots in given.slots or (1, 4)
        for problem in problems
        for contender in CONTENDERS
        for seed in range(given.seeds)
    ]
    console = Console(width=130)
    runs = [
        run(problem, contender, slots, seed, given.trials)
        for problem, contender, slots, seed in track(wanted, console=console)
    ]
    for slots in given.slots or (1, 4):
        console.print(_table([one for one in runs if one.slots == slots], slots, given.trials))
    given.out.parent.mkdir(exist_ok=True)
    content = {"version": meristem.__version__, "seeds": given.seeds, "runs": [asdict(one) for one in runs]}
    given.out.write_text(json.dumps(content) + "\n", encoding="utf-8")
    console.print(f"written to {given.out}")


def run(problem: Problem, contender: str, slots: int, seed: int, trials: int) -> Run:
    """Lets a controller search, `slots` at a time."""
    space, goals = meristem.Space(problem.space), Goals.parse(problem.objective)
    controller, history = build_controller(contender)[0], History(space)
    lasting = np.random.default_rng([seed, zlib.crc32(problem.name.encode())]).lognormal(0.0, 0.3, trials)
    ends: dict[int, float] = {}
    pending: dict[int, Observation] = {}
    now, created, cpu, best, exact = 0.0, 0, 0.0, np.inf, np.inf
    regrets: list[float] = []
    while True:
        if (count := min(slots - len(pending), trials - created)) > 0:
            snapshot = Snapshot(
                space=space, goals=goals, history=history, pending=list(pending.values()), created=created, seed=seed
            )
            started = time.process_time()
            found = list(controller.recommend(snapshot, count))
            cpu += time.process_time() - started
            for one in found:
                created += 1
                ends[created] = now + float(lasting[created - 1])
                pending[created] = Observation(
                    number=created, parameters=one.parameters, status="running", origin=one.origin
                )
        if not pending:
            break
        number = min(pending, key=lambda waiting: ends[waiting])
        now, ended = ends[number], pending.pop(number)
        measured, _ = problem.measure(ended.parameters, number, seed)
        loss = problem.losses(measured)[0]
        if loss < best:
            best, exact = loss, problem.losses(problem.function(ended.parameters))[0]
        regrets.append(exact - problem.optimum)
        history.add(
            Observation(
                number=number, parameters=ended.parameters, status="completed", loss=loss, metrics=measured,
                origin=ended.origin,
            )
        )  # fmt: skip
    regrets += regrets[-1:] * (trials - len(regrets))
    return Run(problem=problem.name, contender=contender, slots=slots, seed=seed, regrets=regrets, cpu=cpu)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare reinforcement with auto and random on mixed problems.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--slots", type=int, action="append", help="trials at a time; may be repeated (1 and 4)")
    parser.add_argument("--only", action="append", choices=list(PROBLEMS), help="may be repeated")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def _table(runs: Sequence[Run], slots: int, trials: int) -> Table:
    table = Table(title=f"median regret, {slots} at a time", title_justify="left")
    table.add_column("problem, trials")
    for contender in CONTENDERS:
        table.add_column(contender, justify="right")
    ranks: list[list[float]] = []
    for name in dict.fromkeys(one.problem for one in runs):
        for after in (trials // 2, trials):
            row = [_median(runs, name, contender, after) for contender in CONTENDERS]
            ranks.append([1.0 + sum(other < value for other in row) for value in row])
            table.add_row(f"{name}, {after}", *(f"{value:.3g}" for value in row))
    table.add_section()
    table.add_row("mean rank", *(f"{fmean(column):.2f}" for column in zip(*ranks, strict=True)))
    table.add_row("CPU ms a trial", *(f"{_cost(runs, contender, trials):.1f}" for contender in CONTENDERS))
    return table


def _median(runs: Sequence[Run], problem: str, contender: str, after: int) -> float:
    return median(one.regrets[after - 1] for one in runs if one.problem == problem and one.contender == contender)


def _cost(runs: Sequence[Run], contender: str, trials: int) -> float:
    return 1000.0 * fmean(one.cpu for one in runs if one.contender == contender) / trials


if __name__ == "__main__":
    main()
