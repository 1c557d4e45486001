"""What a fault run came to: judged by the store, and by what the tasks themselves noted."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from meristem.events import TaskEvent, TaskEventKind
from meristem.statuses import TASK_ENDED, Cause, TaskStatus
from meristem.store.store import Store
from meristem.store.task_rows import TaskRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A line that a task wrote."""

    what: str
    number: int
    attempt: int
    fence: int
    at: float  # monotonic clock of the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Counts of tasks.

    Attributes:
        accepted: Tasks with exactly one accepted result.
        lost: Not in the store, or ended without a word of it in the log.
        duplicated: Ended more than once.
        stuck: Neither ended nor to be expected to.
        unfounded: With a result that is not that of the last attempt, or that nothing that ran had come to.
        not_completed: Ended otherwise than well: no fault here is the task's own.
        executions: How often a task was begun.
        overlaps: Executions that began while another of the same task ran, by a worker that was thought dead.
        requeued: Attempts given back, by cause.
        requeue_seconds: From a worker's end, or its being cut off, to its tasks' being in the queue again.
    """

    tasks: int
    accepted: int
    lost: int
    duplicated: int
    stuck: int
    unfounded: int
    not_completed: int
    executions: int
    overlaps: int
    requeued: Mapping[str, int] = field(default_factory=dict)
    requeue_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        bad = self.lost + self.duplicated + self.stuck + self.unfounded + self.not_completed
        return not bad and self.accepted == self.tasks

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


def judge(
    numbers: Sequence[int],
    rows: Mapping[int, TaskRow],
    events: Sequence[TaskEvent],
    notes: Sequence[Note],
    deaths: Mapping[str, Sequence[float]],
) -> Judgement:
    """Judges a run.

    Args:
        numbers: Of all tasks that were enqueued.
        rows: Tasks by number, as they stand at the end.
        events: The whole log, in order.
        notes: What the tasks wrote, in order.
        deaths: When workers were killed, frozen or cut off, by name, in seconds since the epoch.
    """
    ends = Counter(event.task for event in events if event.kind is TaskEventKind.TASK_ENDED)
    finished = {(note.number, note.attempt, note.fence) for note in notes if note.what == "end"}
    lost = duplicated = stuck = unfounded = accepted = not_completed = 0
    for number in numbers:
        row = rows.get(number)
        ended = row is not None and row.status in TASK_ENDED
        lost += row is None or (ended and ends[number] == 0)
        stuck += row is not None and not ended
        duplicated += ends[number] > 1
        if row is None or not ended:
            continue
        accepted += ends[number] == 1
        not_completed += row.status is not TaskStatus.COMPLETED
        unfounded += row.status is TaskStatus.COMPLETED and not _founded(row, finished)
    requeues = [event for event in events if event.kind is TaskEventKind.TASK_REQUEUED]
    return Judgement(
        tasks=len(numbers),
        accepted=accepted,
        lost=lost,
        duplicated=duplicated,
        stuck=stuck,
        unfounded=unfounded,
        not_completed=not_completed,
        executions=sum(note.what == "start" for note in notes),
        overlaps=_overlaps(notes),
        requeued=dict(Counter(str(event.payload["cause"]) for event in requeues)),
        requeue_seconds=_summary(
            [seconds for event in requeues if (seconds := _since_death(event, deaths)) is not None]
        ),
    )


def read_run(store: Store, numbers: Sequence[int], tracked: Path, deaths: Mapping[str, Sequence[float]]) -> Judgement:
    """Judges the run whose tasks are in `store` and wrote into the file `tracked`."""
    rows: dict[int, TaskRow] = {}
    for start in range(0, len(numbers), 1000):
        rows |= {row.number: row for row in store.tasks.get_many(numbers[start : start + 1000])}
    events: list[TaskEvent] = []
    while found := store.task_log.list_after(events[-1].cursor if events else (0, 0)):
        events += found
    return judge(numbers, rows, events, read_notes(tracked), deaths)


def read_notes(path: Path) -> list[Note]:
    """The lines of a file of notes; one that is cut off by a death is left out."""
    notes = []
    for line in path.read_text().splitlines() if path.exists() else ():
        parts = line.split()
        if len(parts) == 5:
            what, number, attempt, fence, at = parts
            notes.append(Note(what=what, number=int(number), attempt=int(attempt), fence=int(fence), at=float(at)))
    return notes


def _founded(row: TaskRow, finished: set[tuple[int, int, int]]) -> bool:
    result = row.result if isinstance(row.result, dict) else json.loads(row.result or "{}")
    told = (row.number, result.get("attempt"), result.get("fence"))
    return told == (row.number, row.attempt, row.fence) and told in finished


def _since_death(event: TaskEvent, deaths: Mapping[str, Sequence[float]]) -> float | None:
    """Seconds from what befell the worker to its task's being back in the queue."""
    if event.payload["cause"] != Cause.MACHINE_LOST:
        return None
    before = [at for at in deaths.get(str(event.payload.get("worker")), ()) if at <= event.at]
    return event.at - max(before) if before else None


def _overlaps(notes: Sequence[Note]) -> int:
    """How many executions ran while another of the same task did: of those whose both ends were noted."""
    spans: dict[int, list[tuple[float, float]]] = defaultdict(list)
    begun: dict[tuple[int, int], float] = {}
    for note in notes:
        key = (note.number, note.fence)
        if note.what == "start":
            begun[key] = note.at
        elif key in begun:
            spans[note.number].append((begun.pop(key), note.at))
    count = 0
    for found in spans.values():
        found.sort()
        count += sum(later[0] < earlier[1] for earlier, later in pairwise(found))
    return count


def _summary(seconds: Sequence[float]) -> dict[str, float]:
    return {"median": median(seconds), "max": max(seconds), "count": len(seconds)} if seconds else {}
