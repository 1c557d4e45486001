"""What becomes of a task whose attempt was given up: back to its queue, or ended. One rule, for all who give up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    found: dict[int, TaskStatus] = {}
    queues: set[int] = set()
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
        again = status is TaskStatus.QUEUED
        told = _message(row, status, message)
        values: dict[str, Any] = {
            "status": status.value, "charged": charged, "cause": cause.value, "message": clean(told),
            "abort_message": None, "ended_at": None if again else now_of(connection),
        }  # fmt: skip
        if status is TaskStatus.ABORTED:
            values["cause"] = Cause.ABORTED.value
        connection.execute(update(tasks).where(_T.number == row.number).values(values))
        payload = {
            "attempt": row.attempt, "cause": cause.value, "message": told, "worker": row.name or row.worker,
        }  # fmt: skip
        if again:
            teller.tell(connection, TaskEventKind.TASK_REQUEUED, {row.number: payload})
            queues.add(row.queue)
        else:
            teller.tell(connection, TaskEventKind.TASK_ENDED, {row.number: {"status": status.value, **payload}})
        found[row.number] = status
    notify_queues(connection, sorted(queues))
    return found


def _message(row: Any, status: TaskStatus, message: str) -> str:
    if status is TaskStatus.ABORTED:
        return str(row.abort_message)
    if status is TaskStatus.FAILED and row.queue is not None and row.max_attempts > 1:
        return f"{message}; {row.max_attempts} such attempts are all that are allowed (max_attempts)"
    return message
