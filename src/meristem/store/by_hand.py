"""Attempts of scripts that were started by hand: taken up again after their machine slept, asked to end,
left to workers, dated.

A laptop that slept was not heard of, so its task was counted as lost; but its training goes on, and is the only
attempt that there is. The repository of tasks starts them (`Tasks.start_by_hand`), `claims` ends them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, select, update

from meristem.errors import AttemptLost
from meristem.events import TaskEventKind
from meristem.statuses import Cause, TaskStatus
from meristem.store.database import Database
from meristem.store.lease import database_now
from meristem.store.queues import queue_id
from meristem.store.tables import task_definitions, task_spools, tasks
from meristem.store.task_log import TaskTeller
from meristem.store.tasks import delete_outputs
from meristem.store.wakeups import notify_queues

_T = tasks.c


class ByHand:
    """Attempts that no queue gave out."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._teller = TaskTeller(database)
        self._now = database_now(database)

    def revive(self, number: int, *, lost: str, session: str) -> int:
        """Counts an attempt as running again that was given up with the lease of session `lost`; returns its fence.

        What it shipped stays, and how far that was. May be repeated by the same session.

        Raises:
            AttemptLost: It was not given up so: somebody reset, ended or deleted the task.
        """

        def work(connection: Connection) -> int:
            row = self._locked(connection, number)
            if row is None:
                raise AttemptLost(number, 0)
            if row.status == TaskStatus.RUNNING and row.worker == session:
                return int(row.fence)
            if (row.status, row.cause) != (TaskStatus.FAILED, Cause.MACHINE_LOST) or row.worker != lost:
                raise AttemptLost(number, row.fence)
            values = {
                "status": TaskStatus.RUNNING.value, "worker": session, "fence": _T.fence + 1, "cause": None,
                "message": None, "ended_at": None,
            }  # fmt: skip
            connection.execute(update(tasks).where(_T.number == number).values(values))
            same_spool = (task_spools.c.task == number, task_spools.c.fence == row.fence)
            connection.execute(update(task_spools).where(*same_spool).values(fence=row.fence + 1))
            payload = {"attempt": row.attempt, "worker": session, "by_hand": True, "again": True}
            self._teller.tell(connection, TaskEventKind.TASK_STARTED, {number: payload})
            return int(row.fence) + 1

        return self._database.write(work)

    def leave(self, number: int, fence: int, *, session: str, queue: str, priority: int = 0) -> bool:
        """Ends a running attempt so that a worker begins anew: the task waits in `queue`, what was reported is deleted.

        Returns:
            False where the attempt no longer counts. May be repeated.

        Raises:
            QueueNotFound, QueueRefused: The queue does not take it; the attempt runs on.
        """

        def work(connection: Connection) -> bool:
            row = self._locked(connection, number)
            if row is None or (row.status, row.worker, row.fence) != (TaskStatus.RUNNING, session, fence):
                return False
            to = queue_id(connection, queue, taking=True)
            delete_outputs(connection, number)
            values = {
                "status": TaskStatus.QUEUED.value, "queue": to, "priority": priority, "position": self._now,
                "enqueued_at": self._now, "attempt": 0, "charged": 0, "fence": _T.fence + 1, "worker": None,
                "abort_message": None, "started_at": None, "ended_at": None, "cause": None, "message": None,
                "result": None,
            }  # fmt: skip
            connection.execute(update(tasks).where(_T.number == number).values(values))
            of_task = task_definitions.c.number == number
            connection.execute(update(task_definitions).where(of_task).values(progress=None))
            left = {"attempt": row.attempt, "left": True, "message": f"left to the workers of queue {queue}"}
            self._teller.tell(connection, TaskEventKind.TASK_REQUEUED, {number: left})
            self._teller.tell(connection, TaskEventKind.TASK_ENQUEUED, {number: {"queue": queue, "priority": priority}})
            notify_queues(connection, [to])
            return True

        return self._database.write(work)

    def _locked(self, connection: Connection, number: int) -> Row[Any] | None:
        query: Select[Any] = select(_T.status, _T.cause, _T.worker, _T.fence, _T.attempt)
        query = query.where(_T.number == number, _T.queue.is_(None))
        return connection.execute(query if self._database.is_sqlite else query.with_for_update()).one_or_none()

    def abort_message(self, number: int, fence: int) -> str | None:
        """What somebody said who asked for the end of this attempt; None where nobody did."""
        query = select(_T.abort_message).where(_T.number == number, _T.fence == fence)
        return self._database.read(lambda connection: connection.execute(query).scalar())

    def set_times(self, number: int, fence: int, *, started_ago: timedelta, ended_ago: timedelta) -> None:
        """Dates an ended attempt, counted back from now: the store heard of it after it had begun, or ended.

        The task is then as old as its attempt.
        """
        statement = update(tasks).where(_T.number == number, _T.fence == fence, _T.status != TaskStatus.RUNNING.value)
        seconds = max(0.0, ended_ago.total_seconds())
        began_ago = max(seconds, started_ago.total_seconds())
        began = select(_T.started_at).where(_T.number == number).scalar_subquery()

        times = {"started_at": self._now - began_ago, "ended_at": self._now - seconds}

        def work(connection: Connection) -> None:
            if connection.execute(statement.values(times)).rowcount:
                later = and_(task_definitions.c.number == number, task_definitions.c.created_at > began)
                connection.execute(update(task_definitions).where(later).values(created_at=began))

        self._database.write(work)
