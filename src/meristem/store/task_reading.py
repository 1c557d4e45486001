"""Reads rows of tasks: the query that all repositories of tasks share, and the values made of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from meristem.errors import TaskNotFound
from meristem.needs import Needs, read_needs
from meristem.statuses import Cause, TaskStatus
from meristem.store.tables import needs, queues, task_definitions, task_tags, tasks
from meristem.store.task_rows import TaskRow

SHORTEST_ID = 4
ID_LENGTH = 16

_T, _D = tasks.c, task_definitions.c
QUERY: Select[Any] = (
    select(
        _T.number, _T.status, _T.priority, _T.not_before, _T.attempt, _T.charged, _T.max_attempts, _T.fence, _T.worker,
        _T.abort_message, _T.enqueued_at, _T.started_at, _T.ended_at, _T.cause, _T.message, _T.result,
        _D.id, _D.project, _D.name, _D.kind, _D.comment, _D.source, _D.environment, _D.parameters, _D.parent,
        _D.progress, _D.created_at, _D.updated_at, _D.published_at,
        needs.c.key.label("needs"), queues.c.name.label("queue"),
    )
    .join_from(tasks, task_definitions, _D.number == _T.number)
    .join(needs, needs.c.id == _T.needs)
    .join(queues, queues.c.id == _T.queue, isouter=True)
)  # fmt: skip


def rows_of(connection: Connection, query: Select[Any]) -> list[TaskRow]:
    """The tasks of a query that was made of `QUERY`, with their tags."""
    found = connection.execute(query).all()
    tags = _tags(connection, [row.number for row in found])
    return [_row(row, tuple(tags.get(row.number, ()))) for row in found]


def find_number(connection: Connection, ref: int | str, store: str) -> int | None:
    """The number of the task that `ref` names: its number, its id, or the beginning of it.

    Raises:
        TaskNotFound: Several ids begin so.
    """
    text = str(ref).strip().removeprefix("#").lower()
    if isinstance(ref, bool) or not text:
        return None
    if text.isdecimal() and text.isascii():
        known = select(_T.number).where(_T.number == int(text)) if len(text) < 10 else None
        return None if known is None else connection.execute(known).scalar()
    if not SHORTEST_ID <= len(text) <= ID_LENGTH or not set(text) <= set("0123456789abcdef"):
        return None
    beginning = select(_D.number).where(_D.id >= text, _D.id < text + "g").limit(2)
    numbers = list(connection.execute(beginning).scalars())
    if len(numbers) > 1:
        raise TaskNotFound(str(ref), store, "several ids begin so: give more of it")
    return numbers[0] if numbers else None


@lru_cache(maxsize=1024)
def needs_of(key: str) -> Needs:
    return read_needs(json.loads(key))


def _tags(connection: Connection, numbers: Iterable[int]) -> dict[int, list[str]]:
    wanted = list(numbers)
    query = select(task_tags.c.task, task_tags.c.tag).order_by(task_tags.c.tag)
    found: dict[int, list[str]] = {}
    for start in range(0, len(wanted), 500):
        for number, tag in connection.execute(query.where(task_tags.c.task.in_(wanted[start : start + 500]))):
            found.setdefault(number, []).append(tag)
    return found


def _row(row: Row[Any], tags: tuple[str, ...]) -> TaskRow:
    fields = dict(row._mapping)
    for name in ("source", "environment", "parameters"):
        fields[name] = json.loads(fields[name])
    return TaskRow(
        **fields
        | {
            "status": TaskStatus(row.status),
            "cause": row.cause and Cause(row.cause),
            "result": None if row.result is None else json.loads(row.result),
            "needs": needs_of(row.needs),
            "tags": tags,
        }
    )
