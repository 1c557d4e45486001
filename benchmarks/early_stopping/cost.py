"""What a report costs beside many trials, under each stopping rule; prints a table and writes JSON.

    python benchmarks/early_stopping/cost.py --trials 1000 --trials 100000

Trials report 20 made-up losses each, four at a time, at the same steps or every 1 to 5 steps; what a rule says is
not heeded, so that all curves have their full length. CPU time of the reports of the last tenth of the trials.
Optuna's pruners are asked up to 1,000 trials. It only measures: no goal that is missed makes it fail.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
from optuna.pruners import MedianPruner, SuccessiveHalvingPruner
from replay import Contender, Optunas, Ours
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parents[1] / "results" / "early_stopping_cost.json"
REPORTS = 20
PARALLEL = 4
MOST_OF_OPTUNA = 1000

CONTENDERS: dict[str, Callable[[], Contender]] = {
    "auto": lambda: Ours("auto"),
    "asha": lambda: Ours("asha"),
    "median": lambda: Ours("median"),
    "percentile": lambda: Ours("percentile"),
    "hyperband": lambda: Ours({"name": "hyperband", "args": {"max_step": REPORTS + 1}}),
    "successive_halving": lambda: Ours("successive_halving"),
    "patience": lambda: Ours({"name": "patience", "args": {"steps": 2}}),
    "Optuna Median": lambda: Optunas(MedianPruner),
    "Optuna SuccessiveHalving": lambda: Optunas(SuccessiveHalvingPruner),
}


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    given = _arguments()
    sizes = sorted(set(given.trials or [1000, 10_000, 100_000]))
    table = Table(title="CPU of a report, microseconds", title_justify="left")
    for heading in ("", "steps", *(f"{size:,} trials" for size in sizes), "last / first"):
        table.add_column(heading, justify="left" if heading in ("", "steps") else "right")
    lines = []
    for name in given.only or CONTENDERS:
        for widest in (1, 5):
            found = {
                size: microseconds(CONTENDERS[name](), size, widest)
                for size in sizes
                if size <= MOST_OF_OPTUNA or not name.startswith("Optuna")
            }
            costs = [f"{found[size]:,.0f}" if size in found else "" for size in sizes]
            ratio = f"{found[sizes[-1]] / found[sizes[0]]:.1f}" if sizes[-1] in found else ""
            table.add_row(name, "the same" if widest == 1 else "gaps", *costs, ratio)
            lines.append({"contender": name, "widest_gap": widest, "microseconds": found})
    Console(width=130).print(table)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps({"lines": lines}, indent=1) + "\n", encoding="utf-8")


def microseconds(contender: Contender, trials: int, widest: int) -> float:
    """CPU time of a report, mean over the last tenth of `trials` trials."""
    rng = random.Random(1)
    running: list[Iterator[float | None]] = []
    spent, reports = 0.0, 0
    for number in range(1, trials + 1):
        running.append(_reports(contender, number, rng, rng.randint(1, widest)))
        while len(running) == PARALLEL or (running and number == trials):
            for trial in list(running):
                took = next(trial, None)
                if took is None:
                    running.remove(trial)
                elif number > 0.9 * trials:
                    spent, reports = spent + took, reports + 1
    return 1e6 * spent / reports


def _reports(contender: Contender, number: int, rng: random.Random, gap: int) -> Iterator[float]:
    """Gives the CPU seconds of each report."""
    contender.start(number)
    level, fall = rng.random(), rng.random()
    for step in range(gap, gap * REPORTS + 1, gap):
        loss = level + fall / step + 0.05 * rng.random()
        before = time.process_time()
        contender.report(number, step, loss)
        yield time.process_time() - before
    contender.end(number, loss)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what a report costs beside many trials.")
    parser.add_argument("--trials", action="append", type=int, help="may be repeated")
    parser.add_argument("--only", action="append", choices=list(CONTENDERS), help="may be repeated")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
