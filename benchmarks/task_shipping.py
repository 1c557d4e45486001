"""How fast what a training reports comes into a store, how fast it is read back, and what a store's file grows by.

    python -m benchmarks.task_shipping [--points 500000] [--json RESULTS.json] [--postgres URL]

From `task.report_scalar` in one process over the spool's file into SQLite (and PostgreSQL where a URL is given). The
processor time of both sides is added up, as if one core did all; the goal is that of the whole way.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.measuring import Clock, Measured
from meristem.store.store import Store
from meristem.store.task_rows import NewTask
from meristem.tasks.reporting.records import ReportLines
from meristem.tasks.shipping import Shipping
from meristem.tasks.spool_folder import new_task_id

GOAL_POINTS_A_SECOND = 50_000
CONSOLE_BYTES = 64 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=500_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--postgres", help="URL of an empty database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = [*measure(Path(place), f"sqlite:///{place}/store.db", "SQLite", given.points)]
        if given.postgres:
            rows += measure(Path(place), given.postgres, "PostgreSQL", given.points)
    width = max(len(row.what) for row in rows)
    for row in rows:
        print(f"{row.what:<{width}}  {row.value:>12,.0f} {row.unit:<12} {row.goal:<20} {row.note}")
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def measure(place: Path, url: str, kind: str, points: int) -> Iterator[Measured]:
    store = Store(url)
    for scalars in (1, 5, 100):
        yield from scalars_of(place / f"{kind}-{scalars}", store, kind, scalars, points)
    yield from console_of(place / f"{kind}-console", store, kind)
    store.close()


def scalars_of(folder: Path, store: Store, kind: str, scalars: int, points: int) -> Iterator[Measured]:
    lines, names = ReportLines(folder / "report.jsonl"), [f"layer {i}" for i in range(scalars)]
    with Clock() as writing:
        for step in range(points // scalars):
            for name in names:
                lines.scalar("loss", name, 0.37 * step, step)
        lines.close()
    number, shipping = _running(folder, store)
    with Clock() as sending:
        shipping.finish()
    what = f"{kind}, {scalars} scalars a step"
    written = sum(metric.count for metric in store.task_outputs.metrics(number))
    if not written == shipping.points == points // scalars * scalars:
        raise AssertionError(f"{written} of {points} points arrived")
    rate = written / (writing.cpu + sending.cpu)
    yield Measured(what=f"{what}: SDK to store", value=rate, unit="points/s CPU", at_least=GOAL_POINTS_A_SECOND)
    yield Measured(what=f"{what}: shipping alone", value=written / sending.cpu, unit="points/s CPU")
    yield Measured(what=f"{what}: shipping alone", value=written / sending.wall, unit="points/s")
    with Clock() as reading:
        read = len(store.task_outputs.points(number, "loss", "layer 0"))
    yield Measured(what=f"{what}: one curve read", value=read / reading.cpu, unit="points/s CPU")


def console_of(folder: Path, store: Store, kind: str) -> Iterator[Measured]:
    folder.mkdir(parents=True)
    line = "epoch 12 step 3456 loss 0.123456 accuracy 0.987654\n"
    (folder / "console.log").write_text(line * (CONSOLE_BYTES // len(line)))
    number, shipping = _running(folder, store)
    with Clock() as sending:
        shipping.finish()
    note = f"{CONSOLE_BYTES >> 20} MB at once, of which the store keeps {_kept(store, number) >> 20} MB"
    yield Measured(what=f"{kind}, console", value=CONSOLE_BYTES / sending.cpu / 1e6, unit="MB/s CPU", note=note)


def _kept(store: Store, number: int) -> int:
    return sum(len(chunk.text) for chunk in store.task_outputs.console(number, limit=1_000_000))


def _running(folder: Path, store: Store) -> tuple[int, Shipping]:
    number = store.tasks.create(NewTask(id=new_task_id(), project="bench", name="shipping")).number
    return number, Shipping(folder, store, number, store.tasks.start_by_hand(number, "bench"), worker="bench")


if __name__ == "__main__":
    main()
