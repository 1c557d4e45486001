"""The fault run: tasks under load while workers and the database are killed, frozen and cut off at random moments.

    make fault-queue        (or: python -m benchmarks.queue.faults --minutes 1)

Each task must have exactly one accepted result; none may be lost, ended twice, or stuck. Prints a table and writes
JSON; ends with 1 where that is not so. What is done, each at random moments, several at once:

- kill -9 of a worker; a new one takes its place;
- a worker is frozen (SIGSTOP) for longer than its lease, then goes on: two believe that they hold one task;
- a worker's connection to the database is cut for longer than its lease; what was under way arrives afterwards;
- kill -9 of one process of PostgreSQL, which then throws everybody out and recovers;
- kill -9 of all of PostgreSQL, which stays away for a while;
- the clock of one worker is an hour fast, that of another an hour slow, all the time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.table import Table

from benchmarks.queue.crew import KINDS, Crew, Place
from benchmarks.queue.judging import Judgement, read_run
from benchmarks.queue.postgres import Server, server
from meristem.statuses import TASK_ENDED
from meristem.store.store import Store
from meristem.store.task_rows import NewTask

RESULTS = Path(__file__).parents[1] / "results" / "queue_faults.json"
_ATTEMPTS = 1000  # no fault here is the tasks' own: none may fail for having been unlucky often
_WEIGHTS = {"kill_worker": 8, "freeze_worker": 3, "cut_network": 3, "kill_backend": 2, "kill_database": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is like. `pause`: seconds between two faults, on average."""

    minutes: float = 10.0
    tasks: int = 2000
    workers: int = 6
    lease: float = 5.0
    pause: float = 3.0
    kind: str = "worker"
    seed: int = 0
    patience: float = 120.0  # seconds for what is left when the faults have ended


class FaultRun:
    """One run on a server of its own, or on SQLite, whose faults are those of workers alone."""

    def __init__(self, plan: Plan, folder: Path, running: Server | None) -> None:
        self._plan, self._folder, self._server = plan, folder, running
        self._random = random.Random(plan.seed)
        self._database = f"sqlite:///{folder}/store.db" if running is None else running.new_database("faults")
        self.faults: Counter[str] = Counter()
        self.ended_by_themselves = 0
        self.numbers: list[int] = []
        self._hands: list[threading.Thread] = []
        self._crew = Crew(
            self._url_at, running.port if running else 0, folder, kind=plan.kind, count=plan.workers, lease=plan.lease
        )

    def run(self) -> Judgement:
        """Runs it to its end, and judges it."""
        store = Store(self._database)
        store.queues.ensure("q")
        try:
            for place in self._crew.places:
                self._crew.start(place)
            self._trouble(store)
            for hand in self._hands:
                hand.join()
            self._await_all(store)
        finally:
            self._crew.close()
        deaths = {name: times for place in self._crew.places for name, times in place.deaths.items()}
        found = read_run(store, self.numbers, self._folder / "tracked", deaths)
        store.close()
        return found

    def _url_at(self, port: int | None) -> str:
        return self._database if self._server is None else self._server.url_of("faults", port)

    def _trouble(self, store: Store) -> None:
        """Tasks come evenly, faults at random, until the time is over."""
        began = time.monotonic()
        length = 60 * self._plan.minutes
        next_fault = began + self._plan.pause
        while (passed := time.monotonic() - began) < length:
            due = min(self._plan.tasks, int(self._plan.tasks * passed / (0.9 * length)) + 10)
            self._enqueue(store, due - len(self.numbers))
            if time.monotonic() >= next_fault:
                next_fault = time.monotonic() + self._random.expovariate(1 / self._plan.pause)
                self._do_something()
            self.ended_by_themselves += self._crew.replace_ended()
            time.sleep(0.2)
        self._enqueue(store, self._plan.tasks - len(self.numbers))

    def _enqueue(self, store: Store, count: int) -> None:
        if count < 1:
            return
        tasks = [
            NewTask(
                id=f"a{secrets.token_hex(8)[1:]}", project="faults", name="tracked", max_attempts=_ATTEMPTS,
                source={"entry": "function", "entry_point": "benchmarks.queue.functions:tracked"},
                parameters={
                    "General/file": str(self._folder / "tracked"),
                    "General/seconds": self._seconds(),
                },
            )
            for _ in range(count)
        ]  # fmt: skip
        numbers = store.tasks.create_many(tasks)
        store.queues.enqueue(numbers, "q")
        self.numbers += numbers

    def _seconds(self) -> float:
        """How long a task takes: mostly a moment; one in twenty outlives a lease, and so its worker's being frozen."""
        if self._random.random() < 0.05:
            return 2 * self._plan.lease
        return round(self._random.expovariate(1 / 0.6), 3)

    def _do_something(self) -> None:
        weights = {n: w for n, w in _WEIGHTS.items() if self._server is not None or n.endswith("_worker")}
        kind = self._random.choices(list(weights), list(weights.values()))[0]
        idle = [place for place in self._crew.places if not place.busy]
        place = self._random.choice(idle) if idle else None
        if kind.endswith("_worker") or kind == "cut_network":
            if place is None or len(idle) < 2:  # one at least goes on
                return
            place.busy = True
        self.faults[kind] += 1
        seconds = self._random.uniform(1.5, 2.5) * self._plan.lease
        hand = threading.Thread(target=self._DO[kind], args=(self, place, seconds), daemon=True)
        hand.start()
        self._hands.append(hand)

    def _kill_worker(self, place: Place, _: float) -> None:
        with _busy(place):
            self._crew.kill(place)
            time.sleep(self._random.uniform(0, 2))
            self._crew.start(place)

    def _freeze_worker(self, place: Place, seconds: float) -> None:
        with _busy(place):
            self._crew.freeze(place)
            time.sleep(seconds)
            self._crew.thaw(place)

    def _cut_network(self, place: Place, seconds: float) -> None:
        assert place.cable is not None
        with _busy(place):
            self._crew.cut(place)
            time.sleep(seconds)
            place.cable.mend()

    def _kill_backend(self, _: Place, __: float) -> None:
        assert self._server is not None
        self._server.kill_one_backend(self._random.choice)

    def _kill_database(self, _: Place, __: float) -> None:
        assert self._server is not None
        with _DATABASE:
            self._server.kill()
            time.sleep(self._random.uniform(0, 3))
            self._server.start()

    _DO: ClassVar[dict[str, Callable[..., None]]] = {
        "kill_worker": _kill_worker, "freeze_worker": _freeze_worker, "cut_network": _cut_network,
        "kill_backend": _kill_backend, "kill_database": _kill_database,
    }  # fmt: skip

    def _await_all(self, store: Store) -> None:
        deadline = time.monotonic() + self._plan.patience
        while time.monotonic() < deadline:
            counts = store.tasks.counts()
            if sum(counts.get(status.value, 0) for status in TASK_ENDED) == len(self.numbers):
                return
            self.ended_by_themselves += self._crew.replace_ended()
            time.sleep(0.5)


_DATABASE = threading.Lock()  # killed by one hand at a time


@contextlib.contextmanager
def _busy(place: Place) -> Iterator[None]:
    try:
        yield
    finally:
        place.busy = False


def run(plan: Plan, *, sqlite: bool = False, keep: Path | None = None) -> tuple[Judgement, dict[str, object]]:
    """Runs `plan` with a server of its own; returns what it came to, and what was done."""
    with contextlib.ExitStack() as stack:
        running = None if sqlite else stack.enter_context(server())
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meristem-faults-")))
        folder.mkdir(parents=True, exist_ok=True)
        trouble = FaultRun(plan, folder, running)
        found = trouble.run()
    return found, {"faults": dict(trouble.faults), "workers_ended_by_themselves": trouble.ended_by_themselves}


def table_of(found: Judgement, done: dict[str, object]) -> Table:
    """The result as a table."""
    table = Table("counted", "value", title="Fault run of queues and workers")
    rows = found.to_json() | done
    for name, value in rows.items():
        shown = ", ".join(f"{k} {v:.3g}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown)
    return table


def main() -> None:
    plan = Plan()
    parser = argparse.ArgumentParser(description="Kill workers and the database under load, and count results.")
    parser.add_argument("--minutes", type=float, default=plan.minutes, help="while faults happen")
    parser.add_argument("--tasks", type=int, default=plan.tasks)
    parser.add_argument("--workers", type=int, default=plan.workers)
    parser.add_argument("--lease", type=float, default=plan.lease, help="seconds")
    parser.add_argument("--pause", type=float, default=plan.pause, help="seconds between faults, on average")
    parser.add_argument("--kind", choices=sorted(KINDS), default=plan.kind)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 16))
    parser.add_argument("--sqlite", action="store_true", help="on SQLite: faults of workers alone")
    parser.add_argument("--keep", type=Path, help="folder for logs of workers, which is kept")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = vars(parser.parse_args())
    sqlite, keep, out = given.pop("sqlite"), given.pop("keep"), given.pop("out")
    logging.disable(logging.WARNING)  # that the database is away, is meant
    console, load = Console(), os.getloadavg()[0]
    console.print(f"seed {given['seed']}; {given['minutes']:g} minutes of faults …", style="dim")
    found, done = run(Plan(**given), sqlite=sqlite, keep=keep)
    console.print(table_of(found, done))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"load_before": load, "plan": given, **found.to_json(), **done}, indent=1) + "\n")
    console.print(f"written to {out}")
    sys.exit(0 if found.good else 1)


if __name__ == "__main__":
    main()
