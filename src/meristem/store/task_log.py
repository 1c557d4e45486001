"""The event log of all tasks: appended in the transaction of each change, read by cursor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from meristem.events import TaskEvent, TaskEventKind
from meristem.store.commits import to_text
from meristem.store.database import Database
from meristem.store.settled_log import SettledLog, telling
from meristem.store.tables import task_events


class TaskLog:
    """What happened to tasks, in order."""

    def __init__(self, database: Database) -> None:
        self._log = SettledLog(database, task_events)

    def list_after(self, cursor: tuple[int, int] = (0, 0), *, limit: int = 1000) -> list[TaskEvent]:
        """Events after `cursor`, in order; the last one's cursor is the next. Misses none, whoever writes meanwhile."""
        return [_event(row) for row in self._log.rows_after(cursor, limit)]

    def end(self) -> tuple[int, int]:
        """A cursor after all that can be read now."""
        return self._log.end()

    def of(self, number: int) -> list[TaskEvent]:
        """All that happened to one task, in order."""
        return [_event(row) for row in self._log.rows_of(task_events.c.task == number)]


class TaskTeller:
    """Appends events of tasks in the transaction of the change that they tell of."""

    def __init__(self, database: Database) -> None:
        self._insert = telling(database, task_events)

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
