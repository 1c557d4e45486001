"""The repository of queues: made, paused, drained; tasks put into them, moved, and taken out again.

Handing tasks out to workers is in `claims`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exc, func, insert, select, update

from meristem.errors import InputError, QueueNotFound, QueueRefused, TaskNotFound, TaskRefused
from meristem.events import TaskEventKind
from meristem.naming import check_priority
from meristem.statuses import TASK_ENDED, QueueStatus, TaskStatus
from meristem.store.commits import clean, to_text
from meristem.store.database import Database
from meristem.store.lease import POSTGRES_NOW, database_now
from meristem.store.settled_log import THIS_TRANSACTION
from meristem.store.tables import queues, task_events, tasks
from meristem.store.task_log import TaskTeller
from meristem.store.task_reading import QUERY, rows_of
from meristem.store.task_rows import QueueRow, TaskRow
from meristem.store.wakeups import QUEUE_CHANNEL, notify_queues

# All of them or none, in the order of their numbers; the one statement that each task passes on its way to a worker.
_POSTGRES_ENQUEUE = f"""
WITH q AS MATERIALIZED (
    SELECT id FROM queues WHERE name = %(queue)s AND status <> 'draining'
), drafts AS MATERIALIZED (
    SELECT number FROM tasks WHERE number = ANY(%(numbers)s::int[]) AND status = 'created' ORDER BY number FOR UPDATE
), put AS (
    UPDATE tasks t SET status = 'queued', queue = q.id, priority = %(priority)s,
        position = extract(epoch from statement_timestamp()), enqueued_at = {POSTGRES_NOW},
        not_before = {POSTGRES_NOW} + %(delay)s::double precision, abort_message = NULL, cause = NULL, message = NULL,
        result = NULL
    FROM drafts, q WHERE t.number = drafts.number AND (SELECT count(*) FROM drafts) = %(count)s
    RETURNING t.number
), told AS (
    INSERT INTO task_events (xact, at, kind, task, payload)
    SELECT {THIS_TRANSACTION}, {POSTGRES_NOW}, 'task_enqueued', number, %(payload)s FROM put
)
SELECT pg_notify('{QUEUE_CHANNEL}' || q.id, '') FROM q WHERE EXISTS (SELECT 1 FROM put)
"""

_NAME = re.compile(r"\w[\w.+ -]{0,99}")
_BULK = 5000
_LEAST_ROOM = 1e-5  # between two positions, which are seconds since the epoch: a float tells a tenth of that apart
_T = tasks.c


class Queues:
    """Where tasks wait."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now = database_now(database)
        self._teller = TaskTeller(database)

    def create(self, name: str, description: str = "") -> QueueRow:
        """Makes a queue.

        Raises:
            QueueRefused: There is one of that name.
            InputError: The name cannot be used.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name != name.strip():
            fix = "Use letters, digits, blanks and . _ + -, at most 100, beginning with a letter or digit."
            raise InputError(f"{name!r:.120} is no name for a queue.", fix=fix)
        values = {"name": name, "status": QueueStatus.OPEN.value, "description": clean(description)}
        statement = insert(queues).values(created_at=self._now, **values)

        def work(connection: Connection) -> None:
            if connection.execute(select(queues.c.id).where(queues.c.name == name)).scalar() is not None:
                raise QueueRefused(f"Queue {name!r} exists already.", fix="Use it, or choose another name.")
            connection.execute(statement)

        self._database.write(work)
        return self.get(name)

    def ensure(self, name: str) -> QueueRow:
        """The queue of this name, made now if there is none. May be repeated."""
        try:
            return self.get(name)
        except QueueNotFound:
            pass
        try:
            return self.create(name)
        except (QueueRefused, exc.IntegrityError):  # another process was faster
            return self.get(name)

    def get(self, name: str) -> QueueRow:
        """The queue of this name, and how much is in it.

        Raises:
            QueueNotFound: There is none; the error lists those that there are.
        """
        found = {queue.name: queue for queue in self.list()}
        if name not in found:
            raise QueueNotFound(name, sorted(found))
        return found[name]

    def delete(self, name: str) -> None:
        """Removes an empty queue.

        Raises:
            QueueRefused: Tasks wait in it, or run that came from it.
        """

        def work(connection: Connection) -> None:
            queue = queue_id(connection, name)
            open_ = _T.status.in_([TaskStatus.QUEUED.value, TaskStatus.RUNNING.value])
            held = connection.execute(select(func.count()).where(_T.queue == queue, open_)).scalar_one()
            if held:
                fix = f"Wait for them, abort them (meristem task abort), or drain it: meristem queue drain {name}."
                raise QueueRefused(f"Queue {name!r} has {held} tasks that wait or run.", fix=fix)
            connection.execute(update(tasks).where(_T.queue == queue).values(queue=None))
            connection.execute(delete(queues).where(queues.c.id == queue))

        self._database.write(work)

    def pause(self, name: str) -> QueueRow:
        """Has the queue give out nothing until it is resumed; what runs goes on. May be repeated."""
        return self._turn(name, QueueStatus.PAUSED)

    def resume(self, name: str) -> QueueRow:
        """Opens a queue that was paused or drained. May be repeated."""
        return self._turn(name, QueueStatus.OPEN)

    def drain(self, name: str) -> QueueRow:
        """Has the queue take no more tasks; what it has is given out. May be repeated."""
        return self._turn(name, QueueStatus.DRAINING)

    def enqueue(
        self,
        numbers: Sequence[int],
        queue: str,
        *,
        priority: int = 0,
        delay: timedelta | None = None,
        at_front: bool = False,
    ) -> None:
        """Puts drafts into a queue, all or none, in this order.

        Args:
            priority: Higher ones start first.
            delay: They do not start before that has passed.
            at_front: Before all others of their priority.

        Raises:
            QueueNotFound, QueueRefused: It does not exist, or takes no tasks now.
            TaskRefused: One of them is no draft.
        """
        check_priority(priority)
        told = {"queue": queue, "priority": priority, **({"delay": delay.total_seconds()} if delay else {})}
        told["request"] = secrets.token_hex(4)  # by which this one is known where its answer was lost

        def work(connection: Connection) -> None:
            if self._arrived(connection, numbers[-1], told):
                return
            to = queue_id(connection, queue, taking=True)
            position = float(connection.execute(select(self._now)).scalar_one())
            if at_front:
                position = self._edge(connection, to, priority, front=True)
            values: dict[str, Any] = {
                "status": TaskStatus.QUEUED.value, "queue": to, "priority": priority,
                "enqueued_at": self._now, "abort_message": None, "cause": None, "message": None, "result": None,
                "not_before": None if not delay else self._now + delay.total_seconds(),
            }  # fmt: skip
            step = _BULK if ordered else 1  # another order takes a statement each
            for start in range(0, len(numbers), step):
                part = list(numbers[start : start + step])
                statement = update(tasks).where(_T.number.in_(part), _T.status == TaskStatus.CREATED.value)
                values["position"] = position + start * 1e-6
                put = set(connection.execute(statement.values(values).returning(_T.number)).scalars())
                self._require_none(connection, [number for number in part if number not in put], "enqueued")
            self._teller.tell(connection, TaskEventKind.TASK_ENQUEUED, dict.fromkeys(numbers, told))
            notify_queues(connection, [to])

        if not numbers:
            return
        ordered = list(numbers) == sorted(set(numbers))  # those of one moment start in the order of their numbers
        if self._database.is_sqlite or at_front or not ordered or not self._enqueued(numbers, told):
            self._database.write(work)

    def _enqueued(self, numbers: Sequence[int], told: Mapping[str, Any]) -> bool:
        """Whether one statement of PostgreSQL could put them there."""
        given = {"delay": None, **told, "numbers": list(numbers), "count": len(numbers), "payload": to_text(dict(told))}
        return bool(self._database.statement(_POSTGRES_ENQUEUE, given))

    @staticmethod
    def _arrived(connection: Connection, number: int, told: Mapping[str, Any]) -> bool:
        """Whether this very request was done before, its answer lost."""
        of_task = (task_events.c.task == number, task_events.c.kind == TaskEventKind.TASK_ENQUEUED.value)
        same = task_events.c.payload == to_text(dict(told))
        return connection.execute(select(task_events.c.task).where(*of_task, same)).first() is not None

    def dequeue(self, number: int) -> None:
        """Takes a task out of its queue: it is a draft again.

        Raises:
            TaskRefused: It does not wait.
        """

        def work(connection: Connection) -> None:
            waits = (_T.number == number, _T.status == TaskStatus.QUEUED.value)
            values = {"status": TaskStatus.CREATED.value, "queue": None, "not_before": None, "enqueued_at": None}
            if connection.execute(update(tasks).where(*waits).values(values)).rowcount != 1:
                self._require_none(connection, [number], "dequeued")
            self._teller.tell(connection, TaskEventKind.TASK_DEQUEUED, {number: {}})

        self._database.write(work)

    def move(
        self,
        number: int,
        *,
        to: str | None = None,
        before: int | None = None,
        queue: str | None = None,
        priority: int | None = None,
    ) -> None:
        """Moves a task that waits: within its queue, into another, or to another priority.

        Args:
            to: `front` or `back`, among those of its priority.
            before: Number of a task that waits: right before it, with its queue and priority.

        Raises:
            TaskRefused: It, or `before`, does not wait.
            QueueNotFound, QueueRefused: The other queue does not exist, or takes no tasks now.
        """
        if to not in (None, "front", "back") or (before is not None and (to or queue or priority is not None)):
            raise InputError("A task moves to='front', to='back' or before=NUMBER; before= stands alone.")

        def work(connection: Connection) -> None:
            row = self._waiting_row(connection, number)
            if before is not None:
                other = self._waiting_row(connection, before)
                place = {"queue": other.queue, "priority": other.priority}
                place["position"] = self._between(connection, other)
            else:
                place = {"queue": row.queue if queue is None else queue_id(connection, queue, taking=True)}
                place["priority"] = row.priority if priority is None else priority
                if to is not None:
                    place["position"] = self._edge(connection, place["queue"], place["priority"], front=to == "front")
            connection.execute(update(tasks).where(_T.number == number).values(place))
            name = connection.execute(select(queues.c.name).where(queues.c.id == place["queue"])).scalar()
            payload = {"queue": name, "priority": place["priority"], "to": to, "before": before}
            self._teller.tell(connection, TaskEventKind.TASK_MOVED, {number: payload})
            notify_queues(connection, [place["queue"]])

        self._database.write(work)

    def waiting(self, name: str, *, limit: int = 100) -> list[TaskRow]:
        """The tasks that wait in a queue, in the order in which they start; those that are delayed come last."""

        def work(connection: Connection) -> list[TaskRow]:
            queue = queue_id(connection, name)
            order = (_T.not_before.is_not(None), _T.not_before, _T.priority.desc(), _T.position, _T.number)
            waits = (_T.queue == queue, _T.status == TaskStatus.QUEUED.value)
            return rows_of(connection, QUERY.where(*waits).order_by(*order).limit(limit))

        return self._database.read(work)

    # Last in the class: below it, `list` is no longer the type.
    def list(self) -> list[QueueRow]:
        """All queues by name, and how much is in each."""
        delayed = _T.not_before.is_not(None)
        waits = (
            select(_T.queue, delayed, func.count(), func.min(_T.enqueued_at))
            .where(_T.status == TaskStatus.QUEUED.value)
            .group_by(_T.queue, delayed)
        )
        runs = select(_T.queue, func.count()).where(_T.status == TaskStatus.RUNNING.value).group_by(_T.queue)

        def work(connection: Connection) -> list[QueueRow]:
            waiting = {(row[0], bool(row[1])): row for row in connection.execute(waits)}
            running = {row[0]: row[1] for row in connection.execute(runs)}
            now = connection.execute(select(self._now)).scalar_one()
            found = connection.execute(select(queues).order_by(queues.c.name)).all()
            return [_queue(row, waiting, running.get(row.id, 0), now) for row in found]

        return self._database.read(work)

    def _turn(self, name: str, status: QueueStatus) -> QueueRow:
        def work(connection: Connection) -> None:
            queue = queue_id(connection, name)
            connection.execute(update(queues).where(queues.c.id == queue).values(status=status.value))
            notify_queues(connection, [queue])

        self._database.write(work)
        return self.get(name)

    @staticmethod
    def _waiting_row(connection: Connection, number: int) -> Any:
        row = connection.execute(select(tasks).where(_T.number == number)).one_or_none()
        if row is None:
            raise TaskNotFound(str(number), "this store")
        if row.status != TaskStatus.QUEUED:
            raise TaskRefused(number, row.status, "moved", "Only tasks that wait in a queue can be moved.")
        return row

    @staticmethod
    def _edge(connection: Connection, queue: int, priority: int, *, front: bool) -> float:
        outermost = func.min(_T.position) if front else func.max(_T.position)
        of_queue = (_T.queue == queue, _T.priority == priority, _T.status == TaskStatus.QUEUED.value)
        found = connection.execute(select(outermost).where(*of_queue)).scalar() or 0.0
        return float(found) + (-1.0 if front else 1.0)

    @staticmethod
    def _between(connection: Connection, other: Any) -> float:
        """A position right before `other`: halfway to the one before, with room made where there is none."""
        of_queue = (_T.queue == other.queue, _T.priority == other.priority, _T.status == TaskStatus.QUEUED.value)
        ahead = select(func.max(_T.position)).where(*of_queue, _T.position < other.position)
        before = connection.execute(ahead).scalar()
        lower = other.position - 1.0 if before is None else float(before)
        if other.position - lower < _LEAST_ROOM:
            _spread(connection, of_queue)
            spread = connection.execute(select(tasks).where(_T.number == other.number)).one()
            return float(spread.position) - 0.5
        same = (_T.position == other.position, _T.number < other.number)
        if connection.execute(select(func.count()).where(*of_queue, *same)).scalar():
            # Several share one position and start in the order of their numbers: those before it step back.
            connection.execute(update(tasks).where(*of_queue, *same).values(position=(lower + other.position) / 2))
            lower = (lower + other.position) / 2
        return (lower + float(other.position)) / 2

    @staticmethod
    def _require_none(connection: Connection, left: Sequence[int], wanted: str) -> None:
        """Raises for the first of the tasks that could not be `wanted`."""
        for number in left[:1]:
            status = connection.execute(select(_T.status).where(_T.number == number)).scalar()
            if status is None:
                raise TaskNotFound(str(number), "this store")
            again = f"Run it again as a copy (meristem task clone {number}) or after meristem task reset {number}."
            raise TaskRefused(number, status, wanted, again if TaskStatus(status) in TASK_ENDED else "")


def queue_id(connection: Connection, name: str, *, taking: bool = False) -> int:
    """The key of a queue; with `taking`, of one that takes tasks. Raises QueueNotFound, QueueRefused."""
    row = connection.execute(select(queues.c.id, queues.c.status).where(queues.c.name == name)).one_or_none()
    if row is None:
        raise QueueNotFound(name, sorted(connection.execute(select(queues.c.name)).scalars()))
    if taking and row.status == QueueStatus.DRAINING:
        fix = f"Open it again (meristem queue resume {name}), or use another queue."
        raise QueueRefused(f"Queue {name!r} is draining: it takes no more tasks.", fix=fix)
    return int(row.id)


def _spread(connection: Connection, of_queue: tuple[Any, ...]) -> None:
    """Gives the tasks of one queue and priority positions one apart, in the order in which they are."""
    ordered = select(_T.number, _T.position).where(*of_queue).order_by(_T.position, _T.number)
    rows = connection.execute(ordered).all()
    places = [{"of": row.number, "place": rows[0].position - len(rows) + n} for n, row in enumerate(rows)]
    statement = update(tasks).where(_T.number == bindparam("of")).values(position=bindparam("place"))
    connection.execute(statement, places)


def _queue(row: Row[Any], waiting: dict[tuple[int, bool], Any], running: int, now: float) -> QueueRow:
    ready, delayed = waiting.get((row.id, False)), waiting.get((row.id, True))
    return QueueRow(
        id=row.id,
        name=row.name,
        status=QueueStatus(row.status),
        description=row.description,
        created_at=row.created_at,
        waiting=ready[2] if ready else 0,
        delayed=delayed[2] if delayed else 0,
        running=running,
        oldest_seconds=max(0.0, now - ready[3]) if ready and ready[3] is not None else None,
    )
