"""Measures what Meristem costs beside the trainings themselves; prints a table and writes JSON.

    make bench        (or: python benchmarks/overhead.py --only engine --repeats 1)

It only measures: no goal that is missed makes it fail. A machine that is busy with other work makes wall times
long; the load before the run is written down with the numbers.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded: CPU time must not be that of idle threads

# ruff: noqa: E402

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import engine_cost
import large_study
import start_up
from measuring import Measured, circumstances
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results" / "overhead.json"


def main() -> None:
    warnings.simplefilter("ignore")
    given = _arguments()
    parts: dict[str, Callable[[], list[Measured]]] = {
        "engine": lambda: engine_cost.measure(given.trials, min(3, given.repeats)),
        "large": lambda: large_study.measure(given.large, given.repeats),
        "start": lambda: start_up.measure_start(given.repeats),
        "pool": lambda: start_up.measure_pool(given.pool),
    }
    console = Console()
    around = circumstances()
    found: list[Measured] = []
    for name in given.only or parts:
        console.print(f"measuring: {name} …", style="dim")
        found += parts[name]()
    console.print(table_of(found))
    console.print(f"load before the run: {around['load_before']:.1f} on {around['cores']} cores")
    write(given.out, around, found)
    console.print(f"written to {given.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what Meristem costs beside the trainings themselves.")
    parser.add_argument("--only", action="append", choices=["engine", "large", "start", "pool"], help="may be repeated")
    parser.add_argument("--trials", type=int, default=1_000, help="trials of the engine's comparison")
    parser.add_argument("--large", type=int, default=100_000, help="trials of the large study")
    parser.add_argument("--pool", type=int, default=2_000, help="trials of the warm pool")
    parser.add_argument("--repeats", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    return parser.parse_args()


def table_of(found: list[Measured]) -> Table:
    table = Table("measured", "value", "unit", "goal", "met", title="Overhead (how each is measured: in the JSON)")
    for one in found:
        met = {None: "", True: "yes", False: "NO"}[one.met]
        table.add_row(one.what, f"{one.value:.3g}", one.unit, one.goal, met)
    return table


def write(path: Path, around: dict[str, object], found: list[Measured]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = [{**asdict(one), "met": one.met} for one in found]
    path.write_text(json.dumps({**around, "measured": numbers}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
