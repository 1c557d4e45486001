"""Compares stopping rules with Optuna's pruners on recorded learning curves; prints a table and writes JSON.

    python benchmarks/early_stopping/compare.py --orders 60

Each contender sees the same random orders of the configurations of each data set, one or four at a time. Nothing is
trained (`record_curves.py` did), every step costs the same, and budgets are shares of running all in full.
It only measures: no goal that is missed makes it fail.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded

# ruff: noqa: E402

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.pruners import HyperbandPruner, MedianPruner, PercentilePruner, SuccessiveHalvingPruner
from replay import Contender, InFull, Optunas, Ours, Recorded, Replayed, recorded, replay
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parents[1] / "results" / "early_stopping.json"
MAX_STEP = 81
WIDTH = 130
FIRST_ORDER = 1000  # the defaults were chosen on orders 0 to 29

# Ours with their defaults. Optuna's with their defaults, then with arguments that suit these curves best.
CONTENDERS: dict[str, Callable[[], Contender]] = {
    "all in full": InFull,
    "auto": lambda: Ours("auto"),
    "asha": lambda: Ours("asha"),
    "median": lambda: Ours("median"),
    "percentile": lambda: Ours("percentile"),
    "hyperband": lambda: Ours({"name": "hyperband", "args": {"max_step": MAX_STEP}}),
    "successive_halving": lambda: Ours("successive_halving"),
    "patience": lambda: Ours("patience"),
    "Optuna Median": lambda: Optunas(MedianPruner),
    "Optuna Percentile 25": lambda: Optunas(lambda: PercentilePruner(25.0)),
    "Optuna SuccessiveHalving": lambda: Optunas(SuccessiveHalvingPruner),
    "Optuna Hyperband": lambda: Optunas(HyperbandPruner),
    "Optuna SuccessiveHalving 1, 2": lambda: Optunas(lambda: SuccessiveHalvingPruner(1, 2)),
    "Optuna SuccessiveHalving 2, 2": lambda: Optunas(lambda: SuccessiveHalvingPruner(2, 2)),
    "Optuna SuccessiveHalving 3, 3": lambda: Optunas(lambda: SuccessiveHalvingPruner(3, 3)),
    "Optuna Hyperband 3": lambda: Optunas(lambda: HyperbandPruner(min_resource=3)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contender under one metric and parallelism, means over data sets and orders.

    Attributes:
        cost: Share of the full budget until one within 1 % of the best came to its end; where all of those
            were stopped, what was spent and then the full budget.
        error: Standard error of `cost`.
        spent: Share of the full budget once all configurations had been tried.
        missed: Share of the orders in which all within 1 % were stopped.
        regret: By how much the finally chosen configuration is worse than the best of all, in percent.
    """

    metric: str
    parallel: int
    contender: str
    cost: float
    error: float
    spent: float
    missed: float
    regret: float
    by_data: dict[str, float]


def main() -> None:
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    given = _arguments()
    console, lines = Console(width=WIDTH), []
    for metric in given.metric or ("log_loss", "error"):
        for parallel in given.parallel or (1, 4):
            found = [
                _measure(metric, parallel, name, range(FIRST_ORDER, FIRST_ORDER + given.orders))
                for name in given.only or CONTENDERS
            ]
            console.print(_table(f"{metric}, {parallel} at a time, {given.orders} orders of 3 data sets", found))
            lines += found
    given.out.parent.mkdir(exist_ok=True)
    content = {"orders": given.orders, "optuna": optuna.__version__, "lines": [asdict(line) for line in lines]}
    given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    console.print(f"written to {given.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare stopping rules on recorded learning curves.")
    parser.add_argument("--orders", type=int, default=60, help="random orders of each data set's configurations")
    parser.add_argument("--metric", action="append", choices=["log_loss", "error"], help="may be repeated")
    parser.add_argument("--parallel", action="append", type=int, help="trials at a time; may be repeated")
    parser.add_argument("--only", action="append", choices=list(CONTENDERS), help="may be repeated")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def _measure(metric: str, parallel: int, name: str, orders: Sequence[int]) -> Line:
    by_data = {
        data: [replay(_shuffled(curves, order), CONTENDERS[name](), parallel=parallel) for order in orders]
        for data, curves in recorded(metric).items()
    }
    every = [one for found in by_data.values() for one in found]
    return Line(
        metric=metric,
        parallel=parallel,
        contender=name,
        cost=_mean_cost(every),
        error=float(np.std([one.cost for one in every]) / np.sqrt(len(every))),
        spent=float(np.mean([one.spent for one in every])),
        missed=float(np.mean([one.found is None for one in every])),
        regret=float(100 * np.mean([one.regret for one in every])),
        by_data={data: _mean_cost(found) for data, found in by_data.items()},
    )


def _mean_cost(found: Sequence[Replayed]) -> float:
    return float(np.mean([one.cost for one in found]))


def _shuffled(curves: Sequence[Recorded], order: int) -> list[Recorded]:
    return [curves[place] for place in np.random.default_rng(order).permutation(len(curves))]


def _table(title: str, lines: Sequence[Line]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in ("budget until found", "±", "spent in all", "missed", "regret", *lines[0].by_data):
        table.add_column(heading, justify="right")
    for line in lines:
        shares = [f"{line.cost:.1%}", f"{line.error:.1%}", f"{line.spent:.1%}", f"{line.missed:.1%}"]
        table.add_row(line.contender, *shares, f"{line.regret:.2f} %", *(f"{v:.0%}" for v in line.by_data.values()))
    return table


if __name__ == "__main__":
    main()
