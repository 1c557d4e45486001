"""What the benchmark of queues measures, beside whom, and the goals (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PEERS = ("procrastinate", "ray")  # those that run in an environment of their own
_TASKS = 10_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: `what` of the module `<peer>_peer.py`, with these arguments."""

    name: str
    peer: str
    what: str
    arguments: tuple[int | str, ...] = ()
    sqlite: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Measurements that take turns."""

    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure, or its ratio to another: `(measurement, figure)`."""

    what: str
    of: tuple[str, str]
    against: tuple[str, str] | None = None
    at_most: float | None = None
    at_least: float | None = None


def _claims(batch: int, count: int) -> Line:
    return Line(
        [
            Cell(f"claim {batch} and end: Meristem", "meristem", "claim", (count, batch)),
            Cell(f"claim {batch} and end: plain loop", "plain", "claim", (count, batch)),
            Cell(f"claim {batch} and end: plain loop, sync off", "plain", "claim", (count, batch, "off")),
        ]
    )


def _claims_sqlite(batch: int, count: int) -> Line:
    return Line(
        [
            Cell(f"claim {batch} and end, SQLite: Meristem", "meristem", "claim", (count, batch), True),
            Cell(f"claim {batch} and end, SQLite: plain loop", "plain", "claim", (count, batch), True),
        ]
    )


PARTS: Mapping[str, Sequence[Line]] = {
    "claims": [
        _claims(10, _TASKS), _claims(1, 3000), _claims(100, 20_000),
        _claims_sqlite(10, _TASKS), _claims_sqlite(1, 3000), _claims_sqlite(100, 20_000),
    ],
    "run": [
        Line(
            [
                Cell("run: Meristem's worker, 1 slot", "worker", "run", (1000, 1)),
                Cell("run: Meristem's worker, 4 slots", "worker", "run", (1000, 4)),
                Cell("run: Procrastinate, concurrency 1", "procrastinate", "run", (2000, 1)),
                Cell("run: Procrastinate, concurrency 10", "procrastinate", "run", (2000, 10)),
                Cell("run: Ray, nothing kept", "ray", "run", (5000,)),
            ]
        ),
        Line([Cell("run, SQLite: Meristem's worker, 1 slot", "worker", "run", (1000, 1), True)]),
    ],
    "latency": [
        Line(
            [
                Cell("idle, one task: Meristem's worker", "worker", "latency", (300,)),
                Cell("idle, one task: Procrastinate", "procrastinate", "latency", (300,)),
                Cell("idle, one task: plain loop with NOTIFY", "plain", "latency", (300,)),
                Cell("idle, one task: Ray, nothing kept", "ray", "latency", (300,)),
            ]
        ),
        Line([Cell("idle, one task, SQLite: Meristem's worker", "worker", "latency", (100,), True)]),
    ],
    "enqueue": [
        Line(
            [
                Cell("enqueue 1: Meristem", "upkeep", "enqueue", (1000, 1)),
                Cell("enqueue 1: Procrastinate", "procrastinate", "enqueue", (1000, 1)),
            ]
        ),
        Line(
            [
                Cell("enqueue 1,000: Meristem", "upkeep", "enqueue", (10_000, 1000)),
                Cell("enqueue 1,000: Procrastinate", "procrastinate", "enqueue", (10_000, 1000)),
            ]
        ),
        Line([Cell("enqueue 1, SQLite: Meristem", "upkeep", "enqueue", (1000, 1), True)]),
        Line([Cell("enqueue 1,000, SQLite: Meristem", "upkeep", "enqueue", (10_000, 1000), True)]),
    ],
    "upkeep": [
        Line([Cell("heartbeats of 1,000 workers, 10 tasks each", "upkeep", "heartbeats", (1000, 10))]),
        Line([Cell("sweep: nothing, and 1,000 workers lost with 10,000 tasks", "upkeep", "sweeps", (1000, 10))]),
    ],
    "kept": [
        Line(
            [
                Cell("claim 10 and end, nothing kept: Meristem", "upkeep", "kept", (2 * _TASKS, 10, 0)),
                Cell("claim 10 and end, 1,000,000 kept: Meristem", "upkeep", "kept", (2 * _TASKS, 10, 1_000_000)),
                Cell("claim 10 and end, nothing kept: plain loop", "plain", "kept", (2 * _TASKS, 10, 0)),
                Cell("claim 10 and end, 1,000,000 kept: plain loop", "plain", "kept", (2 * _TASKS, 10, 1_000_000)),
            ]
        )
    ],
    "environment": [Line([Cell("a script in its own environment: Meristem's worker", "worker", "second_start")])],
}  # fmt: skip

_TEN, _PLAIN = "claim 10 and end: Meristem", "claim 10 and end: plain loop"
_FOREIGN = "run: Procrastinate, concurrency 10"
_IDLE = "idle, one task: Meristem's worker"
_KEPT, _EMPTY = "claim 10 and end, 1,000,000 kept: Meristem", "claim 10 and end, nothing kept: Meristem"
GOALS: Sequence[Goal] = [
    Goal(what="claim and end, batches of 10: CPU us a task, at most 150", of=(_TEN, "cpu_us"), at_most=150),
    Goal(what="its rate of the plain loop's, at least 0.8", of=(_TEN, "rate"), against=(_PLAIN, "rate"), at_least=0.8),
    Goal(
        what="its rate of Procrastinate's run, at least 5",
        of=(_TEN, "rate"), against=(_FOREIGN, "rate"), at_least=5,
    ),
    Goal(
        what="its rate with 1,000,000 kept of that without, at least 0.8",
        of=(_KEPT, "rate"), against=(_EMPTY, "rate"), at_least=0.8,
    ),
    Goal(
        what="its CPU time with 1,000,000 kept of that without, at most 1.25",
        of=(_KEPT, "cpu_us"), against=(_EMPTY, "cpu_us"), at_most=1.25,
    ),
    Goal(what="one task on an idle worker: p50 ms, at most 10", of=(_IDLE, "p50_ms"), at_most=10),
    Goal(what="one task on an idle worker: p99 ms, at most 40", of=(_IDLE, "p99_ms"), at_most=40),
    Goal(what="a claim among 1,000 workers: p99 ms, at most 250", of=("crowd", "p99_ms"), at_most=250),
    Goal(
        what="second start of an environment: s, at most 1",
        of=("a script in its own environment: Meristem's worker", "second_s"), at_most=1,
    ),
]  # fmt: skip


def ratio(
    found: Mapping[str, Mapping[str, float]], of: tuple[str, str], against: tuple[str, str] | None
) -> float | None:
    """A figure, divided by another where there is one; None where it was not measured."""
    if of[0] not in found or (against is not None and against[0] not in found):
        return None
    return found[of[0]][of[1]] / (found[against[0]][against[1]] if against is not None else 1.0)
