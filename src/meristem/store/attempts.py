"""What becomes of a task whose attempt was given up: back to its queue, or ended. One rule, for all who give up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from meristem.events import TaskEventKind
from meristem.statuses import AGAIN, CHARGED, Cause, TaskStatus
from meristem.store.commits import clean
from meristem.store.lease import now_of
from meristem.store.tables import tasks, workers
from meristem.store.task_log import TaskTeller
from meristem.store.task_rows import Held
from meristem.store.wakeups import notify_queues

_T = tasks.c
_BULK = 5000


def after_giving_up(
    cause: Cause, *, from_queue: bool, aborting: bool, charged: int, max_attempts: int
) -> tuple[TaskStatus, int]:
    """Where a task stands after an attempt was given up for `cause`, and how many attempts are charged to it then."""
    charged += cause in CHARGED
    if aborting:
        return TaskStatus.ABORTED, charged
    if cause not in AGAIN or not from_queue:
        return TaskStatus.FAILED, charged
    return (TaskStatus.QUEUED if charged < max_attempts else TaskStatus.FAILED), charged


def give_up_attempts(
    connection: Connection,
    teller: TaskTeller,
    worker_ids: Sequence[str],
    *,
    cause: Cause,
    message: str,
    held: Collection[Held] | None = None,
) -> dict[int, TaskStatus]:
    """Gives up what these workers run (all, or only `held`), and returns where each of those tasks stands then."""
    query = (
        select(
            _T.number, _T.fence, _T.queue, _T.abort_message, _T.charged, _T.max_attempts, _T.attempt, _T.worker,
            workers.c.name,
        )
        .join(workers, workers.c.id == _T.worker, isouter=True)
        .where(_T.worker.in_(worker_ids), _T.status == TaskStatus.RUNNING.value)
        .order_by(_T.number)
    )  # fmt: skip
    fences = None if held is None else {attempt.number: attempt.fence for attempt in held}
    if fences is not None:
        query = query.where(_T.number.in_(list(fences)))
    if connection.dialect.name != "sqlite":
        query = query.with_for_update(of=tasks)
    alike: dict[tuple[TaskStatus, int, str], list[Any]] = defaultdict(list)  # thousands may be lost at once
    for row in connection.execute(query).all():
        if fences is not None and fences[row.number] != row.fence:
            continue
        status, charged = after_giving_up(
            cause,
            from_queue=row.queue is not None,
            aborting=row.abort_message is not None,
            charged=row.charged,
            max_attempts=row.max_attempts,
        )
        alike[status, charged, _message(row, status, message)].append(row)
    for (status, charged, told), rows in alike.items():
        values = {"status": status.value, "charged": charged, "cause": cause.value, "message": clean(told)}
        _move(connection, teller, rows, status, values)
    notify_queues(
        connection, sorted({row.queue for (s, *_), rows in alike.items() if s is TaskStatus.QUEUED for row in rows})
    )
    return {row.number: status for (status, *_), rows in alike.items() for row in rows}


def _move(
    connection: Connection, teller: TaskTeller, rows: Sequence[Any], status: TaskStatus, values: Mapping[str, Any]
) -> None:
    """Moves tasks to where they stand now, and tells of it."""
    again = status is TaskStatus.QUEUED
    changes = {**values, "abort_message": None, "ended_at": None if again else now_of(connection)}
    if status is TaskStatus.ABORTED:
        changes["cause"] = Cause.ABORTED.value
    for start in range(0, len(rows), _BULK):
        numbers = [row.number for row in rows[start : start + _BULK]]
        connection.execute(update(tasks).where(_T.number.in_(numbers)).values(changes))
    why = {"cause": values["cause"], "message": values["message"]}
    told = {row.number: {"attempt": row.attempt, **why, "worker": row.name or row.worker} for row in rows}
    if again:
        teller.tell(connection, TaskEventKind.TASK_REQUEUED, told)
    else:
        ended = {number: {"status": status.value, **payload} for number, payload in told.items()}
        teller.tell(connection, TaskEventKind.TASK_ENDED, ended)


def _message(row: Any, status: TaskStatus, message: str) -> str:
    if status is TaskStatus.ABORTED:
        return str(row.abort_message)
    if status is TaskStatus.FAILED and row.queue is not None and row.max_attempts > 1:
        return f"{message}; {row.max_attempts} such attempts are all that are allowed (max_attempts)"
    return message
