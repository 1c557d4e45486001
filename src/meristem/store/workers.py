"""The repository of workers: registered, kept alive by a lease on the database's clock, drained, found lost.

A task lives as long as the lease of its worker: when that has run out, its tasks go back to their queues.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, insert, literal_column, or_, select, update

from meristem.errors import WorkerLost, WorkerNotFound
from meristem.needs import Offer
from meristem.statuses import Cause, TaskStatus, WorkerStatus
from meristem.store.attempts import give_up_attempts
from meristem.store.commits import clean, to_text
from meristem.store.database import Database
from meristem.store.lease import LEASE, POSTGRES_NOW, SQLITE_NOW, database_now
from meristem.store.tables import tasks, workers
from meristem.store.task_log import TaskTeller
from meristem.store.task_rows import Held, NewWorker, Swept, WorkerPulse, WorkerRow
from meristem.store.wakeups import notify_queues, notify_worker

_LIVING = (WorkerStatus.ACTIVE.value, WorkerStatus.DRAINING.value)
_W, _T = workers.c, tasks.c

_LOOK = """
SELECT count(*), count(CASE WHEN {expiry} < {now} THEN 1 END),
    EXISTS (SELECT 1 FROM tasks WHERE status = 'queued' AND not_before IS NOT NULL AND not_before <= {now})
FROM workers WHERE status IN ('active', 'draining')
"""
# One moment for the whole statement, so that an index can be asked by it.
_STATEMENT_NOW = "extract(epoch from statement_timestamp())::double precision"
# While the server itself was down nobody could renew: since its start, each worker has the whole of its lease anew.
_POSTGRES_EXPIRY = (
    "greatest(lease_expires_at, "
    "extract(epoch from pg_postmaster_start_time())::double precision + lease_expires_at - seen_at)"
)
_SQLITE_EXPIRY = "lease_expires_at"

# One row for each of its tasks, at least one. A renewal that a crash of the server undoes costs nothing: it need not
# wait for the disk.
_POSTGRES_RENEW = f"""
WITH renewed AS (
    UPDATE workers SET seen_at = {POSTGRES_NOW}, lease_expires_at = {POSTGRES_NOW} + %(lease)s::double precision,
        usage = coalesce(%(usage)s::text, usage)
    WHERE id = %(worker)s AND status IN ('active', 'draining')
    RETURNING status, set_config('synchronous_commit', 'off', true) AS unsynced
)
SELECT renewed.status, t.number, t.fence, t.abort_message
FROM renewed LEFT JOIN tasks t ON t.worker = %(worker)s AND t.status = 'running'
"""
_SQLITE_RENEW = f"""
UPDATE workers SET seen_at = {SQLITE_NOW}, lease_expires_at = {SQLITE_NOW} + :lease, usage = coalesce(:usage, usage)
WHERE id = :worker AND status IN ('active', 'draining')
"""
_SQLITE_MINE = """
SELECT w.status, t.number, t.fence, t.abort_message
FROM workers w LEFT JOIN tasks t ON t.worker = w.id AND t.status = 'running'
WHERE w.id = :worker AND w.status IN ('active', 'draining')
"""


class Workers:
    """Who runs tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now = database_now(database)
        self._teller = TaskTeller(database)

    def register(self, new: NewWorker, *, lease: timedelta = LEASE) -> None:
        """Counts a worker as living, for as long as its lease holds. May be repeated."""
        statement = insert(workers).values(
            id=new.id,
            name=clean(new.name),
            status=WorkerStatus.ACTIVE.value,
            queues=to_text(list(new.queues)),
            offer=to_text(offer_to_json(new.offer)),
            facts=to_text(dict(new.facts)),
            started_at=self._now,
            seen_at=self._now,
            lease_expires_at=self._now + lease.total_seconds(),
        )

        def work(connection: Connection) -> None:
            if connection.execute(select(_W.id).where(_W.id == new.id)).scalar() is None:
                connection.execute(statement)

        self._database.write(work)

    def renew(
        self,
        worker: str,
        held: Sequence[Held] = (),
        *,
        usage: Mapping[str, Any] | None = None,
        lease: timedelta = LEASE,
    ) -> WorkerPulse:
        """Keeps the lease for another `lease`, and tells what the worker must know.

        Args:
            held: The attempts that it runs.
            usage: How busy its machine is (JSON).

        Raises:
            WorkerLost: The lease ran out, or the worker was ended: its tasks are others' by now.
        """
        given = {"worker": worker, "lease": lease.total_seconds(), "usage": usage and to_text(dict(usage))}
        if self._database.is_sqlite:
            rows = self._database.write(lambda connection: _renew_sqlite(connection, given))
        else:
            rows = self._database.statement(_POSTGRES_RENEW, given)
        if not rows:
            raise WorkerLost(worker)
        mine = {Held(number=number, fence=fence): abort for _, number, fence, abort in rows if number is not None}
        return _pulse(str(rows[0][0]), mine, held)

    def drain(self, ref: str) -> list[str]:
        """Asks workers (by id, or all of a name) to finish what runs and claim nothing more; returns their names.

        Raises:
            WorkerNotFound: None of that name lives.
        """
        found = self.list(ref=ref)
        if not found:
            raise WorkerNotFound(ref, sorted(worker.name for worker in self.list()))

        def work(connection: Connection) -> None:
            for worker in found:
                statement = update(workers).where(_W.id == worker.id, _W.status == WorkerStatus.ACTIVE.value)
                connection.execute(statement.values(status=WorkerStatus.DRAINING.value))
                notify_worker(connection, worker.id)

        self._database.write(work)
        return [worker.name for worker in found]

    def end(self, worker: str, message: str | None = None) -> None:
        """Counts a worker as ended. What it still held goes back to the queues, uncharged. May be repeated."""

        def work(connection: Connection) -> None:
            values = {"status": WorkerStatus.ENDED.value, "ended_at": self._now, "message": clean(message)}
            connection.execute(update(workers).where(_W.id == worker, _W.status.in_(_LIVING)).values(values))
            handed_back = message or "its worker ended"
            give_up_attempts(connection, self._teller, [worker], cause=Cause.PREEMPTED, message=handed_back)

        self._database.write(work)

    def get(self, ref: str) -> WorkerRow:
        """The worker of this id, or the last of this name.

        Raises:
            WorkerNotFound: There is none.
        """
        found = self.list(living=False, ref=ref, limit=1)
        if not found:
            raise WorkerNotFound(ref, sorted({w.name for w in self.list()}))
        return found[0]

    def sweep(self) -> Swept:
        """Gives back what workers held whose lease has run out, and lets delayed tasks start. Anyone may call it."""
        living, lost, due = self._looked()
        if not lost and not due:
            return Swept(living=living)  # what it finds nearly always: without a lock
        return replace(self._database.write(self._sweep), living=living - lost)

    def _looked(self) -> Sequence[Any]:
        """How many workers there are, of how many the lease has run out, and whether delayed tasks may start."""
        if self._database.is_sqlite:
            return self._database.read(
                lambda c: c.exec_driver_sql(_LOOK.format(now=SQLITE_NOW, expiry=_SQLITE_EXPIRY)).one()
            )
        return self._database.statement(_LOOK.format(now=_STATEMENT_NOW, expiry=_POSTGRES_EXPIRY), {})[0]

    def _sweep(self, connection: Connection) -> Swept:
        expiry: Any = literal_column(_SQLITE_EXPIRY if self._database.is_sqlite else _POSTGRES_EXPIRY)
        gone = select(_W.id, _W.name).where(_W.status.in_(_LIVING), expiry < self._now).order_by(_W.id)
        if not self._database.is_sqlite:
            gone = gone.with_for_update(skip_locked=True)
        found = connection.execute(gone).all()
        swept = Swept()
        if found:
            values = {"status": WorkerStatus.LOST.value, "ended_at": self._now, "message": "not heard of in time"}
            connection.execute(update(workers).where(_W.id.in_([row.id for row in found])).values(values))
            given_up = give_up_attempts(
                connection, self._teller, [row.id for row in found], cause=Cause.MACHINE_LOST,
                message="its worker was not heard of in time",
            )  # fmt: skip
            swept = Swept(
                workers=[row.name for row in found],
                requeued=[number for number, status in given_up.items() if status is TaskStatus.QUEUED],
                failed=[number for number, status in given_up.items() if status is not TaskStatus.QUEUED],
            )
        ready = update(tasks).where(*self._due()).values(not_before=None, position=self._now).returning(_T.queue)
        due = connection.execute(ready).scalars().all()
        notify_queues(connection, {int(queue) for queue in due if queue is not None})
        return replace(swept, due=len(due))

    def _due(self) -> tuple[Any, ...]:
        return (_T.status == TaskStatus.QUEUED.value, _T.not_before.is_not(None), _T.not_before <= self._now)

    # Last in the class: below it, `list` is no longer the type.
    def list(self, *, living: bool = True, ref: str | None = None, limit: int = 1000) -> list[WorkerRow]:
        """Workers, those that started last first.

        Args:
            living: Only those that count as alive.
            ref: Only those of this id or name.
        """
        query = select(workers, (_W.lease_expires_at - self._now).label("lease_seconds"))
        query = query.order_by(_W.started_at.desc(), _W.id).limit(limit)
        if living:
            query = query.where(_W.status.in_(_LIVING))
        if ref is not None:
            query = query.where(or_(_W.id == ref, _W.name == ref))
        runs = select(_T.worker, _T.number).where(_T.status == TaskStatus.RUNNING.value).order_by(_T.number)

        def work(connection: Connection) -> Iterable[WorkerRow]:
            running: dict[str, list[int]] = {}
            for worker, number in connection.execute(runs):
                running.setdefault(worker, []).append(number)
            return [_worker(row, running.get(row.id, [])) for row in connection.execute(query)]

        return [*self._database.read(work)]


def offer_to_json(offer: Offer) -> dict[str, Any]:
    """An offer as JSON; what is not limited is null."""
    return {
        "cpus": None if math.isinf(offer.cpus) else offer.cpus,
        "gpus": offer.gpus,
        "memory": None if math.isinf(offer.memory_bytes) else offer.memory_bytes,
        "labels": sorted(offer.labels),
    }


def _offer(given: Mapping[str, Any]) -> Offer:
    return Offer(
        cpus=math.inf if given["cpus"] is None else given["cpus"],
        gpus=given["gpus"],
        memory_bytes=math.inf if given["memory"] is None else given["memory"],
        labels=frozenset(given["labels"]),
    )


def _renew_sqlite(connection: Connection, given: Mapping[str, Any]) -> Sequence[Any]:
    connection.exec_driver_sql(_SQLITE_RENEW, dict(given))
    return connection.exec_driver_sql(_SQLITE_MINE, {"worker": given["worker"]}).all()


def _pulse(status: str, mine: Mapping[Held, str | None], held: Sequence[Held]) -> WorkerPulse:
    return WorkerPulse(
        draining=status == WorkerStatus.DRAINING,
        aborts={attempt.number: message for attempt, message in mine.items() if message is not None},
        lost=[attempt for attempt in held if attempt not in mine],
        unknown=[attempt for attempt in mine if attempt not in set(held)],
    )


def _worker(row: Any, running: Sequence[int]) -> WorkerRow:
    return WorkerRow(
        id=row.id,
        name=row.name,
        status=WorkerStatus(row.status),
        queues=tuple(json.loads(row.queues)),
        offer=_offer(json.loads(row.offer)),
        facts=json.loads(row.facts),
        usage=json.loads(row.usage),
        started_at=row.started_at,
        seen_at=row.seen_at,
        lease_seconds=row.lease_seconds,
        ended_at=row.ended_at,
        message=row.message,
        running=tuple(running),
    )
