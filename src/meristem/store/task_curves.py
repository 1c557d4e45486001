"""Scalars of tasks: the points of each metric, and its summary. Written within the transaction of a shipment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from meristem.store.commits import clean
from meristem.store.output_rows import Curve, MetricSummary, Point
from meristem.store.tables import NO_STEP, task_metrics, task_points

# Plain text of SQL, not SQLAlchemy's: a hundred thousand points a second and more go through here.
_SQLITE_POINTS = (
    "INSERT INTO task_points (metric, step, value, at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (metric, step) DO UPDATE SET value = excluded.value, at = excluded.at"
)
_POSTGRES_POINTS = (
    "INSERT INTO task_points (metric, step, value, at) "
    "SELECT * FROM unnest(%s::int[], %s::bigint[], %s::float8[], %s::float8[]) "
    "ON CONFLICT (metric, step) DO UPDATE SET value = excluded.value, at = excluded.at"
)
_SUMMARY = ("count", "last", "last_step", "min", "max")
_UPDATE = (
    update(task_metrics)
    .where(task_metrics.c.id == bindparam("of_id"))
    .values({name: bindparam(f"new_{name}") for name in _SUMMARY})
)


def write_curves(connection: Connection, number: int, attempt: int, curves: Sequence[Curve]) -> None:
    """Adds points; a step that is there gets the new value. The caller holds the task's row."""
    of_attempt = (task_metrics.c.task == number, task_metrics.c.attempt == attempt)
    columns = (task_metrics.c.id, task_metrics.c.title, task_metrics.c.series, *(task_metrics.c[n] for n in _SUMMARY))
    known = {(row.title, row.series): row for row in connection.execute(select(*columns).where(*of_attempt))}
    named = _by_name(curves)
    changed, new = [], []
    for name, of_metric in named.items():
        row = known.get(name)
        summary = _summary(row, of_metric)
        if row is None:
            new.append({"task": number, "attempt": attempt, "title": name[0], "series": name[1], **summary})
        else:
            changed.append({"of_id": row.id, **{f"new_{key}": value for key, value in summary.items()}})
    if changed:
        connection.execute(_UPDATE, changed)
    ids = {name: row.id for name, row in known.items()}
    if new:
        connection.execute(insert(task_metrics), new)
        ids = {(row.title, row.series): row.id for row in connection.execute(select(*columns).where(*of_attempt))}
    for some in _bunches(named):
        _write_points(connection, [(ids[name], curve) for name, curve in some])


def _by_name(curves: Sequence[Curve]) -> dict[tuple[str, str], list[Curve]]:
    named: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:  # two names may become one when they are cleaned
        named.setdefault((clean(curve.title) or "", clean(curve.series) or ""), []).append(curve)
    return named


def _bunches(named: dict[tuple[str, str], list[Curve]]) -> Iterator[list[tuple[tuple[str, str], Curve]]]:
    """All first curves, then all second ones …: one statement must not touch a point twice."""
    for turn in range(max((len(curves) for curves in named.values()), default=0)):
        yield [(name, curves[turn]) for name, curves in named.items() if len(curves) > turn]


def _summary(row: Row[Any] | None, curves: Sequence[Curve]) -> dict[str, Any]:
    stored: tuple[Any, ...] = (0, None, None, None, None) if row is None else tuple(row)[3:]
    count, last, last_step, low, high = stored
    for curve in curves:
        count += curve.count
        top = NO_STEP if NO_STEP in curve.steps else max(curve.steps)
        if top == NO_STEP or last_step is None or (last_step != NO_STEP and top >= last_step):
            last, last_step = _plain(curve.values[curve.steps.index(top)]), top
        finite = [value for value in curve.values if math.isfinite(value)]
        if finite:
            low = min(finite) if low is None else min(low, min(finite))
            high = max(finite) if high is None else max(high, max(finite))
    return {"count": count, "last": last, "last_step": last_step, "min": low, "max": high}


def _plain(value: float) -> float | None:
    return None if value != value else value  # SQL has no place for what is not a number


def _write_points(connection: Connection, curves: Sequence[tuple[int, Curve]]) -> None:
    rows = [
        (metric, step, None if value != value else value, at)
        for metric, curve in curves
        for step, value, at in zip(curve.steps, curve.values, curve.at, strict=True)
    ]
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_SQLITE_POINTS, rows)
    else:
        connection.exec_driver_sql(_POSTGRES_POINTS, tuple(list(column) for column in zip(*rows, strict=True)))


def read_summaries(connection: Connection, number: int, attempt: int) -> list[MetricSummary]:
    """Summaries of an attempt's metrics, by title and series."""
    query = (
        select(task_metrics)
        .where(task_metrics.c.task == number, task_metrics.c.attempt == attempt)
        .order_by(task_metrics.c.title, task_metrics.c.series)
    )
    return [summary_of(row) for row in connection.execute(query)]


def summary_of(row: Row[Any]) -> MetricSummary:
    """The summary that a row of `task_metrics` holds."""
    return MetricSummary(
        title=row.title,
        series=row.series,
        count=row._mapping["count"],  # `row.count` is a method
        last=math.nan if row.last is None else row.last,
        last_step=None if row.last_step == NO_STEP else row.last_step,
        min=row.min,
        max=row.max,
    )


def read_points(
    connection: Connection,
    number: int,
    attempt: int,
    name: tuple[str, str],
    *,
    after_step: int | None,
    limit: int | None,
) -> list[Point]:
    """Points of one metric by step; a final value, which has none, comes last."""
    metric = connection.execute(
        select(task_metrics.c.id).where(
            task_metrics.c.task == number,
            task_metrics.c.attempt == attempt,
            task_metrics.c.title == name[0],
            task_metrics.c.series == name[1],
        )
    ).scalar()
    if metric is None:
        return []
    points = task_points.c
    query = select(points.step, points.value, points.at).where(
        points.metric == metric, points.step > (NO_STEP if after_step is None else after_step)
    )
    found = connection.execute(query.order_by(points.step).limit(limit)).all()
    final = select(points.step, points.value, points.at).where(points.metric == metric, points.step == NO_STEP)
    if limit is None or len(found) < limit:
        found = [*found, *connection.execute(final).all()]
    return [
        Point(None if step == NO_STEP else step, math.nan if value is None else value, at) for step, value, at in found
    ]


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` of the points: first, last, and of each bin of as many points its lowest and its highest value.

    So a spike is never lost, however long the curve.
    """
    if len(points) <= max(most, 4):
        return list(points)
    bins = (most - 2) // 2
    inner = len(points) - 2
    kept = [points[0]]
    for i in range(bins):
        some = points[1 + i * inner // bins : 1 + (i + 1) * inner // bins]
        finite = [p for p in some if math.isfinite(p.value)] or some[:1]
        ends = {id(p): p for p in (min(finite, key=_value), max(finite, key=_value))}
        kept += sorted(ends.values(), key=lambda p: -math.inf if p.step is None else p.step)
    return [*kept, points[-1]]


def _value(point: Point) -> float:
    return point.value
