"""What tasks put out: scalars, console, reports, artifacts. Shippers write it, pages and people read it.

A shipment is written in one transaction that first checks two things: that the attempt still counts (its fence and
worker), and that what it brings follows on what is there (the positions in the spool). So a shipment that is repeated
because its answer was lost is written once, and what an attempt that was given up still sends is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeVar

from sqlalchemy import Connection, and_, delete, func, insert, select, tuple_, update

from meristem.errors import AttemptLost
from meristem.statuses import TaskStatus
from meristem.store import task_console as consoles
from meristem.store import task_curves as curves
from meristem.store.commits import clean, to_text
from meristem.store.database import Database
from meristem.store.lease import now_of
from meristem.store.output_rows import (
    Artifact,
    ConsoleChunk,
    MetricSummary,
    Point,
    Positions,
    PositionsMoved,
    Report,
    ReportSummary,
    Shipment,
)
from meristem.store.tables import (
    NO_STEP,
    task_artifacts,
    task_console,
    task_definitions,
    task_metrics,
    task_reports,
    task_spools,
    task_tags,
    tasks,
)

T = TypeVar("T")
_KEYS_AT_ONCE = 1000  # a statement has a limited number of parameters


class TaskOutputs:
    """What tasks put out. `attempt` None means the latest that was started."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = import_module(f"sqlalchemy.dialects.{'sqlite' if database.is_sqlite else 'postgresql'}")

    def positions(self, number: int, fence: int) -> Positions:
        """How much of an attempt's spool is there; nothing, where the attempt has shipped nothing yet."""
        return self._database.read(lambda c: _positions(c, number, fence))

    def ship(self, shipment: Shipment) -> None:
        """Writes a shipment whole or not at all; one that has arrived before is not written again.

        Raises:
            AttemptLost: The attempt no longer counts.
            PositionsMoved: Another shipper was here meanwhile.
            StoreError: The store could not be written.
        """
        self._database.write(lambda c: self._ship(c, shipment))

    def _ship(self, connection: Connection, s: Shipment) -> None:
        attempt = _hold(connection, s)
        found = _positions(connection, s.number, s.fence)
        if found == s.after != s.before:
            return  # it arrived, its answer was lost
        if found != s.before:
            raise PositionsMoved
        self._move(connection, s)
        if s.curves:
            curves.write_curves(connection, s.number, attempt, s.curves)
        if s.console or s.console_left_out:
            consoles.write_console(connection, s.number, attempt, s.console, s.console_left_out)
        if s.reports:
            _write_reports(connection, s.number, attempt, s.reports)
        if s.artifacts:
            self._write_artifacts(connection, s.number, attempt, s.artifacts)
        self._write_tags(connection, s)
        _write_definition(connection, s)
        if s.has_result:
            connection.execute(update(tasks).where(tasks.c.number == s.number).values(result=to_text(s.result)))

    def _move(self, connection: Connection, s: Shipment) -> None:
        places = {"fence": s.fence, "report_bytes": s.after.report, "console_bytes": s.after.console}
        statement = self._dialect.insert(task_spools).values(task=s.number, **places)
        connection.execute(statement.on_conflict_do_update(index_elements=["task"], set_=places))

    def _write_artifacts(self, connection: Connection, number: int, attempt: int, given: Sequence[Artifact]) -> None:
        rows = {(a.role, clean(a.name)): _artifact_values(number, attempt, a) for a in given}  # the last of each name
        statement = self._dialect.insert(task_artifacts)
        new = {c.name: statement.excluded[c.name] for c in task_artifacts.c if not c.primary_key}
        upsert = statement.on_conflict_do_update(index_elements=["task", "role", "name"], set_=new)
        connection.execute(upsert, list(rows.values()))

    def _write_tags(self, connection: Connection, s: Shipment) -> None:
        if s.add_tags:
            rows = [{"task": s.number, "tag": tag} for tag in dict.fromkeys(clean(tag) for tag in s.add_tags)]
            connection.execute(self._dialect.insert(task_tags).on_conflict_do_nothing(), rows)
        if s.remove_tags:
            gone = and_(task_tags.c.task == s.number, task_tags.c.tag.in_(list(s.remove_tags)))
            connection.execute(delete(task_tags).where(gone))

    def metrics(self, number: int, attempt: int | None = None) -> list[MetricSummary]:
        """Every scalar of an attempt in short, by title and series."""
        return self._of_attempt(number, attempt, curves.read_summaries)

    def points(
        self,
        number: int,
        title: str,
        series: str,
        *,
        attempt: int | None = None,
        after_step: int | None = None,
        limit: int | None = None,
        max_points: int | None = None,
    ) -> list[Point]:
        """The points of one scalar by step; a final value, which has no step, comes last.

        Args:
            after_step: Only points above it.
            limit: At most so many, the first ones.
            max_points: At most so many, of the whole curve: the lowest and highest value of each bin, see `thinned`.
        """

        def read(connection: Connection, number: int, attempt: int) -> list[Point]:
            name = (title, series)
            return curves.read_points(connection, number, attempt, name, after_step=after_step, limit=limit)

        found = self._of_attempt(number, attempt, read)
        return found if max_points is None else curves.thinned(found, max_points)

    def console(
        self, number: int, attempt: int | None = None, *, after: int = 0, limit: int = 1000
    ) -> list[ConsoleChunk]:
        """What an attempt printed, in order, after chunk `after`: at most `limit` chunks."""

        def read(connection: Connection, number: int, attempt: int) -> list[ConsoleChunk]:
            return consoles.read_console(connection, number, attempt, after, limit)

        return self._of_attempt(number, attempt, read)

    def console_tail(self, number: int, lines: int = 100, attempt: int | None = None) -> list[ConsoleChunk]:
        """The last chunks of what an attempt printed, with at least so many lines where there are as many."""

        def read(connection: Connection, number: int, attempt: int) -> list[ConsoleChunk]:
            return consoles.read_console_end(connection, number, attempt, lines)

        return self._of_attempt(number, attempt, read)

    def reports(
        self,
        number: int,
        *,
        kind: str | None = None,
        title: str | None = None,
        series: str | None = None,
        attempt: int | None = None,
        limit: int = 1000,
    ) -> list[Report]:
        """Plots, tables, images and texts of an attempt, by kind, title, series and step."""
        wanted = {"kind": kind, "title": title, "series": series}
        c = task_reports.c
        conditions = [c[name] == value for name, value in wanted.items() if value is not None]

        def read(connection: Connection, number: int, attempt: int) -> list[Report]:
            query = select(task_reports).where(c.task == number, c.attempt == attempt, *conditions)
            rows = connection.execute(query.order_by(c.kind, c.title, c.series, c.step).limit(limit))
            return [_report(row) for row in rows]

        return self._of_attempt(number, attempt, read)

    def report_summaries(self, number: int, attempt: int | None = None) -> list[ReportSummary]:
        """What there is of plots, tables, images and texts of an attempt, by kind, title and series."""
        c = task_reports.c
        name = (c.kind, c.title, c.series)

        def read(connection: Connection, number: int, attempt: int) -> list[ReportSummary]:
            of_attempt = (c.task == number, c.attempt == attempt)
            columns = (func.count().label("count"), func.sum(c.size_bytes).label("size"), func.max(c.at).label("at"))
            last = func.max(c.step).label("step")
            counted = select(*name, *columns, last).where(*of_attempt).group_by(*name).subquery()
            same = [task_reports.c[key] == counted.c[key] for key in ("kind", "title", "series", "step")]
            query = select(counted, c.format).join_from(counted, task_reports, and_(*of_attempt, *same))
            return [_report_summary(row) for row in connection.execute(query.order_by(*counted.c[:3]))]

        return self._of_attempt(number, attempt, read)

    def artifacts(self, number: int) -> list[Artifact]:
        """Artifacts and models of a task, by role and name; of each the last that was given."""
        c = task_artifacts.c
        query = select(task_artifacts).where(c.task == number).order_by(c.role, c.name)
        return [_artifact(row) for row in self._database.read(lambda connection: connection.execute(query).all())]

    def attempts(self, number: int) -> list[int]:
        """Attempts of a task that put anything out."""

        def read(connection: Connection) -> list[int]:
            found: set[int] = set()
            for table in (task_metrics, task_console, task_reports):
                found |= set(
                    connection.execute(select(table.c.attempt).where(table.c.task == number).distinct()).scalars()
                )
            return sorted(found)

        return self._database.read(read)

    def _of_attempt(self, number: int, attempt: int | None, read: Callable[[Connection, int, int], T]) -> T:
        def work(connection: Connection) -> T:
            chosen = attempt
            if chosen is None:
                chosen = connection.execute(select(tasks.c.attempt).where(tasks.c.number == number)).scalar() or 0
            return read(connection, number, chosen)

        return self._database.read(work)


def _hold(connection: Connection, s: Shipment) -> int:
    """Locks the task's row, so that its shipments take turns and its end waits for them; returns the attempt."""
    running = select(tasks.c.attempt).where(
        tasks.c.number == s.number,
        tasks.c.fence == s.fence,
        tasks.c.worker == s.worker,  # a claim that a crash undid may have been made again, by another worker
        tasks.c.status == TaskStatus.RUNNING.value,
    )
    attempt = connection.execute(running.with_for_update(key_share=True)).scalar()
    if attempt is None:
        raise AttemptLost(s.number, s.fence)
    return int(attempt)


def _positions(connection: Connection, number: int, fence: int) -> Positions:
    row = connection.execute(
        select(task_spools.c.report_bytes, task_spools.c.console_bytes).where(
            task_spools.c.task == number, task_spools.c.fence == fence
        )
    ).one_or_none()
    return Positions() if row is None else Positions(report=row.report_bytes, console=row.console_bytes)


def _write_reports(connection: Connection, number: int, attempt: int, given: Sequence[Report]) -> None:
    rows = {}
    for r in given:  # the last of each
        values = _report_values(number, attempt, r)
        rows[values["kind"], values["title"], values["series"], values["step"]] = values
    c = task_reports.c
    for some in _chunks(list(rows), _KEYS_AT_ONCE):
        same = tuple_(c.kind, c.title, c.series, c.step).in_(some)
        connection.execute(delete(task_reports).where(c.task == number, c.attempt == attempt, same))
    connection.execute(insert(task_reports), list(rows.values()))


def _chunks(given: list[T], size: int) -> list[list[T]]:
    return [given[i : i + size] for i in range(0, len(given), size)]


def _write_definition(connection: Connection, s: Shipment) -> None:
    values: dict[str, Any] = {}
    of_task = task_definitions.c.number == s.number
    if s.comment is not None:
        values["comment"] = clean(s.comment)
    if s.progress is not None:
        values["progress"] = s.progress
    for name, new in {"parameters": s.parameters, "source": s.source, "environment": s.environment}.items():
        if not new:
            continue
        stored = json.loads(connection.execute(select(task_definitions.c[name]).where(of_task)).scalar_one())
        yields = name == "parameters" and s.parameters_yield
        merged = {**new, **stored} if yields else {**stored, **new}
        if merged != stored:
            values[name] = to_text(merged)
    if values:
        connection.execute(update(task_definitions).where(of_task).values(updated_at=now_of(connection), **values))


def _report_values(number: int, attempt: int, r: Report) -> dict[str, Any]:
    return {
        "task": number,
        "attempt": attempt,
        "kind": r.kind,
        "title": clean(r.title),
        "series": clean(r.series),
        "step": NO_STEP if r.step is None else r.step,
        "format": r.format,
        "text": clean(r.text) if r.vector is None else to_text({"vector": r.vector}),
        "blob": r.blob,
        "size_bytes": r.size_bytes,
        "at": r.at,
    }


def _report(row: Any) -> Report:
    step = None if row.step == NO_STEP else row.step
    plain = {name: getattr(row, name) for name in Report.__slots__ if name not in ("step", "text", "vector")}
    vector = json.loads(row.text)["vector"] if row.blob and row.text else None  # what has a blob needs no text
    return Report(step=step, text=None if row.blob else row.text, vector=vector, **plain)


def _report_summary(row: Any) -> ReportSummary:
    return ReportSummary(
        kind=row.kind,
        title=row.title,
        series=row.series,
        count=int(row.count),
        format=row.format,
        size_bytes=int(row.size),
        last_step=None if row.step == NO_STEP else int(row.step),
        at=row.at,
    )


def _artifact_values(number: int, attempt: int, a: Artifact) -> dict[str, Any]:
    return {
        "task": number,
        "role": a.role,
        "name": clean(a.name),
        "attempt": attempt,
        "format": clean(a.format),
        "blob": a.blob,
        "url": clean(a.url),
        "size_bytes": a.size_bytes,
        "preview": clean(a.preview),
        "metadata": to_text(dict(a.metadata)),
        "at": a.at,
    }


def _artifact(row: Any) -> Artifact:
    plain = {name: getattr(row, name) for name in Artifact.__slots__ if name != "metadata"}
    return Artifact(metadata=json.loads(row.metadata), **plain)
