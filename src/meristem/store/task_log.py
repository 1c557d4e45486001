"""The event log of all tasks: appended in the transaction of each change, read by cursor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, literal_column, select, tuple_

from meristem.events import TaskEvent, TaskEventKind
from meristem.store.commits import to_text
from meristem.store.database import Database
from meristem.store.lease import database_now
from meristem.store.tables import task_events

# Transactions of PostgreSQL become visible in another order than that in which they drew their positions. An event
# is therefore read once no transaction that began before its own can still write, in the order of transactions.
THIS_TRANSACTION = "pg_current_xact_id()::text::bigint"
_SETTLED: ColumnElement[int] = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_COLUMNS = tuple(task_events.c[name] for name in ("xact", "position", "at", "kind", "task", "payload"))


class TaskLog:
    """What happened to tasks, in order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_after(self, cursor: tuple[int, int] = (0, 0), *, limit: int = 1000) -> list[TaskEvent]:
        """Events after `cursor`, in order; the last one's cursor is the next. Misses none, whoever writes meanwhile."""
        after = tuple_(task_events.c.xact, task_events.c.position) > cursor
        query = select(*_COLUMNS).where(after).order_by(task_events.c.xact, task_events.c.position).limit(limit)
        if self._database.is_sqlite:  # one writer at a time: positions are in the order of commits
            query = select(*_COLUMNS).where(task_events.c.position > cursor[1])
            query = query.order_by(task_events.c.position).limit(limit)
        else:
            query = query.where(task_events.c.xact < _SETTLED)
        return self._events(query)

    def end(self) -> tuple[int, int]:
        """A cursor after all that can be read now."""
        order = task_events.c.position.desc()
        query = select(*_COLUMNS).order_by(order).limit(1)
        if not self._database.is_sqlite:
            query = select(*_COLUMNS).where(task_events.c.xact < _SETTLED)
            query = query.order_by(task_events.c.xact.desc(), order).limit(1)
        found = self._events(query)
        return found[0].cursor if found else (0, 0)

    def of(self, number: int) -> list[TaskEvent]:
        """All that happened to one task, in order."""
        return self._events(select(*_COLUMNS).where(task_events.c.task == number).order_by(task_events.c.position))

    def _events(self, query: Select[Any]) -> list[TaskEvent]:
        return [_event(row) for row in self._database.read(lambda connection: connection.execute(query).all())]


class TaskTeller:
    """Appends events of tasks in the transaction of the change that they tell of."""

    def __init__(self, database: Database) -> None:
        xact: Any = 0 if database.is_sqlite else literal_column(THIS_TRANSACTION)
        self._insert = insert(task_events).values(xact=xact, at=database_now(database))

    def tell(self, connection: Connection, kind: TaskEventKind, payloads: Mapping[int, Mapping[str, Any]]) -> None:
        """Appends one event of `kind` for each task of `payloads`."""
        rows: Sequence[dict[str, Any]] = [
            {"kind": kind.value, "task": number, "payload": to_text(payload)} for number, payload in payloads.items()
        ]
        if rows:
            connection.execute(self._insert, rows)


def _event(row: Row[Any]) -> TaskEvent:
    return TaskEvent(
        kind=TaskEventKind(row.kind),
        task=row.task,
        cursor=(row.xact, row.position),
        at=row.at,
        payload=json.loads(row.payload),
    )
