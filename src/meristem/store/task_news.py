"""What is new of many tasks at once: where they stand, and what their scalars measured since the last look.

For whoever attends a study's trials that run as tasks: one look a second for all of them, not one for each. Read-only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, or_, select, tuple_

from meristem.statuses import Cause, TaskStatus
from meristem.store.database import Database
from meristem.store.output_rows import MetricSummary, Point
from meristem.store.tables import NO_STEP, task_metrics, task_points, tasks
from meristem.store.task_curves import summary_of

_AT_ONCE = 300  # conditions in one statement

_T, _M, _P = tasks.c, task_metrics.c, task_points.c


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """Where a task stands; the fields are those of `TaskRow`."""

    number: int
    status: TaskStatus
    attempt: int
    cause: Cause | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPoints:
    """Points of one scalar of a task's present attempt, by step; a final value comes last."""

    number: int
    attempt: int
    title: str
    series: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Seen:
    """How far one scalar was read: how often it had been reported, and the last points that were taken."""

    count: int = 0
    step: int = NO_STEP
    at: float = 0.0
    final_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found.

    Attributes:
        states: By number; tasks that were deleted are missing.
        seen: To be given to the next look: by the id of a scalar.
    """

    states: Mapping[int, TaskState] = field(default_factory=dict)
    news: Sequence[NewPoints] = ()
    seen: Mapping[int, Seen] = field(default_factory=dict)


class TaskNews:
    """Looks at many tasks at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(
        self, numbers: Sequence[int], seen: Mapping[int, Seen] | None = None, *, without_titles: Sequence[str] = ()
    ) -> Look:
        """Where tasks stand, and what they measured since the look that gave `seen`.

        A task that is told to have ended is told with all that it measured.

        Args:
            without_titles: Scalars that are passed over.
        """
        if not numbers:
            return Look()
        return self._database.read(lambda c: _look(c, list(numbers), dict(seen or {}), list(without_titles)))

    def values(
        self, numbers: Sequence[int], names: Sequence[tuple[str, str]]
    ) -> dict[int, dict[tuple[str, str], MetricSummary]]:
        """Summaries of some scalars, by (title, series), of tasks' present attempts; by number."""
        metrics = select(task_metrics).join(tasks, and_(_T.number == _M.task, _T.attempt == _M.attempt))
        metrics = metrics.where(tuple_(_M.title, _M.series).in_(list(names)))

        def work(connection: Connection) -> dict[int, dict[tuple[str, str], MetricSummary]]:
            found: dict[int, dict[tuple[str, str], MetricSummary]] = {}
            for some in _some(list(numbers)):
                for row in connection.execute(metrics.where(_M.task.in_(some))):
                    found.setdefault(row.task, {})[row.title, row.series] = summary_of(row)
            return found

        return self._database.read(work) if names else {}


def _look(connection: Connection, numbers: list[int], seen: dict[int, Seen], without: list[str]) -> Look:
    # Ends first: what is read afterwards holds all that was shipped before them.
    columns = (_T.number, _T.status, _T.attempt, _T.cause, _T.message)
    states = {}
    for some in _some(numbers):
        for row in connection.execute(select(*columns).where(_T.number.in_(some))):
            states[row.number] = TaskState(
                number=row.number, status=TaskStatus(row.status), attempt=row.attempt,
                cause=row.cause and Cause(row.cause), message=row.message,
            )  # fmt: skip
    changed: dict[int, Any] = {}
    metrics = select(_M.id, _M.task, _M.attempt, _M.title, _M.series, _M.count.label("reported"))
    metrics = metrics.join(tasks, and_(_T.number == _M.task, _T.attempt == _M.attempt))
    for some in _some(sorted(states)):
        for metric in connection.execute(metrics.where(_M.task.in_(some), _M.title.not_in(without)).order_by(_M.id)):
            if metric.reported != seen.get(metric.id, Seen()).count:
                changed[metric.id] = metric
    points = _points(connection, {id: seen.get(id, Seen()) for id in changed})
    news = []
    for id, metric in changed.items():
        fresh, seen[id] = _unseen(points.get(id, []), seen.get(id, Seen()), metric.reported)
        if fresh:
            news.append(
                NewPoints(
                    number=metric.task, attempt=metric.attempt, title=metric.title, series=metric.series, points=fresh
                )
            )
    return Look(states=states, news=news, seen=seen)


def _points(connection: Connection, seen: Mapping[int, Seen]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for some in _some(list(seen)):
        # The last point that was seen may have another value since.
        wanted = [and_(_P.metric == id, or_(_P.step >= seen[id].step, _P.step == NO_STEP)) for id in some]
        for row in connection.execute(select(task_points).where(or_(*wanted)).order_by(_P.metric, _P.step)):
            found.setdefault(row.metric, []).append(row)
    return found


def _unseen(rows: Sequence[Any], before: Seen, reported: int) -> tuple[list[Point], Seen]:
    """Those of `rows`, in order of their steps, that are new; and how far it is read then."""
    steps = [row for row in rows if row.step != NO_STEP and (row.step, row.at) != (before.step, before.at)]
    final = [row for row in rows if row.step == NO_STEP and row.at != before.final_at]
    last = steps[-1] if steps else None
    seen = Seen(
        reported,
        last.step if last else before.step,
        last.at if last else before.at,
        final[0].at if final else before.final_at,
    )
    return [_point(row) for row in (*steps, *final)], seen


def _point(row: Any) -> Point:
    step = None if row.step == NO_STEP else row.step
    return Point(step, math.nan if row.value is None else row.value, row.at)


def _some(given: list[int]) -> list[list[int]]:
    return [given[start : start + _AT_ONCE] for start in range(0, len(given), _AT_ONCE)]
