"""A study of 100,000 trials: how fast it opens, what looking at it costs, what one more trial costs.

It is filled by commits to the store in batches (running 100,000 trials would take minutes and leave the same
rows: trials, and three events for each).
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np
from engine_cost import SPACE
from measuring import MERISTEM, Measured, median_of, printed_by, wall_of

import meristem as ms
from meristem.events import Event, EventKind
from meristem.store.rows import Change, TrialRow
from meristem.store.store import Store

SMALL, MORE, BATCH = 1_000, 500, 1_000

# In a process of its own, so that its peak memory is that of this study alone.
RESUME = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[3])
import meristem as ms
from engine_cost import trivial
from meristem.study.study import Study  # what a script that resumes has loaded
started = time.perf_counter()
study = Study.open("large", store=sys.argv[1])
trial = study.ask()
resumed = time.perf_counter() - started
study.tell(trial, loss=1.0)
ended, more = sum(study.counts().values()), int(sys.argv[2])
before = time.process_time()
study.run(trivial, trials=ended + more, isolate=False, handlers=[])
cost = 1000 * (time.process_time() - before) / more
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"resume_s": resumed, "cost_ms": cost, "peak_mib": peak}))
"""


def measure(trials: int, repeats: int) -> list[Measured]:
    with tempfile.TemporaryDirectory() as folder:
        stores = {size: f"sqlite:///{Path(folder) / f'{size}.db'}" for size in (SMALL, trials)}
        for size, store in stores.items():
            fill(store, size)
        note = f"{trials:,} trials, filled by commits in batches; median of {repeats}"
        looks = [_look(command, stores[trials], repeats, note) for command in ("show", "trials")]
        runs = {size: [_resume(store) for _ in range(repeats)] for size, store in stores.items()}
    return [*_resumes(runs[trials], note), *looks, *_costs(runs[SMALL], runs[trials], trials)]


def fill(store: str, trials: int) -> None:
    """A study `large` with so many completed trials, made by commits of `BATCH` trials each."""
    opened = Store(store)
    ms.Study("large", space=SPACE, objective="-loss", controller="random", store=opened, seed=0)
    study = opened.studies.get("large")
    space = ms.Space(SPACE)
    values = np.random.default_rng(1).random((trials, 2))
    for first in range(0, trials, BATCH):
        rows = [_row(space, first + i + 1, x, y) for i, (x, y) in enumerate(values[first : first + BATCH])]
        events = [event for row in rows for event in _events(row)]
        opened.commits.apply(Change(study_id=study.id, events=events, trials_created=first, new_trials=rows))
    opened.close()


def _row(space: ms.Space, number: int, x: float, y: float) -> TrialRow:
    parameters = {"x": float(x), "y": float(y)}
    now = time.time()
    return TrialRow(
        number=number, status="completed", parameters=parameters, key=space.key(parameters), slot=0,
        origin={"by": "random"}, metrics={"loss": float(x + y)}, score=float(x + y), loss=float(x + y),
        created_at=now, started_at=now, ended_at=now,
    )  # fmt: skip


def _events(row: TrialRow) -> list[Event]:
    return [
        Event(kind=EventKind.RECOMMENDATIONS_AVAILABLE, payload={"trials": [row.number]}),
        Event(kind=EventKind.TRIAL_STARTED, trial=row.number, payload={"attempt": 1, "slot": 0}),
        Event(kind=EventKind.TRIAL_ENDED, trial=row.number, payload={"status": "completed", "attempt": 1}),
    ]


def _look(command: str, store: str, repeats: int, note: str) -> Measured:
    whole = [MERISTEM, "study", command, "large", "--json", "--store", store]
    seconds = median_of(repeats, lambda: wall_of(whole))
    return Measured(
        what=f"meristem study {command} --json", value=seconds, unit="s", at_most=0.5, note=f"whole process; {note}"
    )


def _resume(store: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(printed_by(RESUME, store, str(MORE), str(Path(__file__).parent)))
    return found


def _middle(runs: list[dict[str, float]], name: str) -> float:
    return float(np.median([run[name] for run in runs]))


def _resumes(runs: list[dict[str, float]], note: str) -> list[Measured]:
    return [
        Measured(
            what="resume", value=_middle(runs, "resume_s"), unit="s", at_most=2.0, note=f"to the first ask; {note}"
        ),
        Measured(
            what="peak memory", value=max(run["peak_mib"] for run in runs), unit="MiB", at_most=500.0,
            note=f"resume and {MORE} more trials; the largest",
        ),
    ]  # fmt: skip


def _costs(small: list[dict[str, float]], large: list[dict[str, float]], trials: int) -> list[Measured]:
    at_small, at_large = _middle(small, "cost_ms"), _middle(large, "cost_ms")
    note = f"CPU of {MORE} more trials, each in a fresh process"
    return [
        Measured(what=f"cost per trial at {SMALL:,}", value=at_small, unit="ms", note=note),
        Measured(what=f"cost per trial at {trials:,}", value=at_large, unit="ms", note=note),
        Measured(what="their ratio", value=at_large / at_small, unit="", at_most=1.5),
    ]
