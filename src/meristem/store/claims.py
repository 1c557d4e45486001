"""Hands tasks out to workers and takes their ends: the two statements that every task passes.

A claim and an end are one transaction each, for a batch, with the events that tell of them. The writer of an end names
its worker and the fence of its claim: those of an attempt that no longer counts are refused.

PostgreSQL gets one statement for each (`FOR UPDATE SKIP LOCKED`), SQLite a few within one transaction that locks.
A claim does not wait for the disk of PostgreSQL: where a crash of the server undoes it, the task is in its queue again,
and the worker that ran it hears so at its next renewal. Ends do wait.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, select, text, update

from meristem.errors import TaskNotFound, TaskRefused
from meristem.events import TaskEventKind
from meristem.needs import Needs
from meristem.statuses import AGAIN, Cause, TaskStatus
from meristem.store.attempts import give_up_attempts
from meristem.store.commits import clean, to_text
from meristem.store.database import Database
from meristem.store.lease import POSTGRES_NOW, SQLITE_NOW, database_now
from meristem.store.settled_log import THIS_TRANSACTION
from meristem.store.tables import needs, tasks
from meristem.store.task_log import TaskTeller
from meristem.store.task_reading import needs_of
from meristem.store.task_rows import Claim, Ending, Held
from meristem.store.wakeups import notify_worker

_T = tasks.c
_decode = json.JSONDecoder().raw_decode  # without json.loads' checks around it: three texts a task

# For each queue and each kind of needs that fits, the first few; of all of them the first `count`.
# `me` locks the worker's row: a sweep that counts it as lost waits for this claim, and then gives it back.
_POSTGRES_CLAIM = f"""
WITH me AS MATERIALIZED (
    SELECT id, set_config('synchronous_commit', 'off', true) AS unsynced FROM workers
    WHERE id = %(worker)s AND status = 'active' FOR SHARE
), wanted AS (
    SELECT q.id AS queue, q.name, w.rank, n.id AS needs, n.key
    FROM unnest(%(queues)s::text[]) WITH ORDINALITY AS w(name, rank)
    JOIN queues q ON q.name = w.name AND q.status <> 'paused'
    JOIN needs n ON n.key = ANY(%(needs)s::text[])
), picked AS (
    SELECT t.number, wanted.name, wanted.key, wanted.rank, t.priority, t.position
    FROM me CROSS JOIN wanted CROSS JOIN LATERAL (
        SELECT number, priority, position FROM tasks
        WHERE queue = wanted.queue AND needs = wanted.needs AND status = 'queued' AND not_before IS NULL
        ORDER BY priority DESC, position, number LIMIT %(count)s FOR UPDATE SKIP LOCKED
    ) t
    ORDER BY wanted.rank, t.priority DESC, t.position, t.number LIMIT %(count)s
), claimed AS (
    UPDATE tasks t SET status = 'running', worker = %(worker)s, attempt = attempt + 1, fence = fence + 1,
        started_at = {POSTGRES_NOW}, cause = NULL, message = NULL
    FROM picked WHERE t.number = picked.number
    RETURNING t.number, t.attempt, t.fence, picked.name AS queue, picked.key, picked.rank, t.priority, t.position
), told AS (
    INSERT INTO task_events (xact, at, kind, task, payload)
    SELECT {THIS_TRANSACTION}, {POSTGRES_NOW}, 'task_started', number,
        '{{"attempt":' || attempt || ',"worker":' || %(told)s::text || '}}'
    FROM claimed
)
SELECT c.number, c.attempt, c.fence, c.queue, c.key, d.id, d.project, d.name, d.source, d.environment, d.parameters
FROM claimed c JOIN task_definitions d ON d.number = c.number
ORDER BY c.rank, c.priority DESC, c.position, c.number
"""

_POSTGRES_FINISH = f"""
WITH given AS (
    SELECT * FROM json_to_recordset(%(endings)s::json)
        AS g(number int, fence int, status text, cause text, message text, result text, told text)
), ended AS (
    UPDATE tasks t SET status = g.status, cause = g.cause, message = g.message, result = coalesce(g.result, t.result),
        ended_at = {POSTGRES_NOW}, abort_message = NULL
    FROM given g
    WHERE t.number = g.number AND t.fence = g.fence AND t.worker = %(worker)s AND t.status = 'running'
    RETURNING t.number, t.attempt, t.status, g.told
), told AS (
    INSERT INTO task_events (xact, at, kind, task, payload)
    SELECT {THIS_TRANSACTION}, {POSTGRES_NOW}, 'task_ended', number,
        '{{"attempt":' || attempt || ',' || told || '}}'
    FROM ended
)
SELECT number, status FROM ended
"""

# One look into the index for each kind of needs that waits, not for each task: from each kind to the next.
_WAITING_NEEDS = text("""
WITH RECURSIVE kinds(queue, needs) AS (
    SELECT q.id, (SELECT min(t.needs) FROM tasks t
                  WHERE t.queue = q.id AND t.status = 'queued' AND t.not_before IS NULL)
    FROM queues q WHERE q.name IN :names
    UNION ALL
    SELECT k.queue, (SELECT min(t.needs) FROM tasks t
                     WHERE t.queue = k.queue AND t.needs > k.needs AND t.status = 'queued' AND t.not_before IS NULL)
    FROM kinds k WHERE k.needs IS NOT NULL
)
SELECT DISTINCT n.key FROM kinds k JOIN needs n ON n.id = k.needs
""").bindparams(bindparam("names", expanding=True))

_SQLITE_PICK = """
SELECT number, queue, needs, attempt, fence, priority, position FROM tasks
WHERE queue = ? AND needs = ? AND status = 'queued' AND not_before IS NULL
ORDER BY priority DESC, position, number LIMIT ?
"""
_SQLITE_CLAIM = f"""
UPDATE tasks SET status = 'running', worker = ?, attempt = attempt + 1, fence = fence + 1, started_at = {SQLITE_NOW},
    cause = NULL, message = NULL
WHERE number = ?
"""
_SQLITE_FINISH = f"""
UPDATE tasks SET status = ?, cause = ?, message = ?, result = coalesce(?, result), ended_at = {SQLITE_NOW},
    abort_message = NULL
WHERE number = ? AND fence = ? AND worker = ? AND status = 'running'
RETURNING attempt
"""
_SQLITE_TELL = f"INSERT INTO task_events (xact, at, kind, task, payload) VALUES (0, {SQLITE_NOW}, ?, ?, ?)"
_SQLITE_DEFINITION = """
SELECT id, project, name, source, environment, parameters FROM task_definitions WHERE number = ?
"""


class Claims:
    """Claims of workers, and their ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now = database_now(database)
        self._teller = TaskTeller(database)

    def waiting_needs(self, names: Sequence[str]) -> list[Needs]:
        """What the tasks need that wait in these queues: each once."""
        if not names:
            return []
        keys = self._database.read(lambda c: c.execute(_WAITING_NEEDS, {"names": list(names)}).scalars().all())
        return [needs_of(key) for key in sorted(keys)]

    def claim(self, worker: str, queue_names: Sequence[str], wanted: Sequence[Needs], count: int) -> list[Claim]:
        """Hands up to `count` tasks to a worker: of the first queue those with the highest priority, then of the next.

        Args:
            worker: Session of the worker. One that is draining, or whose lease ran out, gets nothing.
            queue_names: In order of preference.
            wanted: Only tasks that need one of these.
        """
        if count < 1 or not wanted or not queue_names:
            return []
        keys = sorted({one.key for one in wanted})
        if self._database.is_sqlite:
            return self._database.write(lambda c: self._claim_sqlite(c, worker, queue_names, keys, count))
        given = {
            "worker": worker, "told": to_text(worker), "queues": list(queue_names), "needs": keys, "count": count,
        }  # fmt: skip
        return [_claim(row) for row in self._database.statement(_POSTGRES_CLAIM, given)]

    def finish(self, worker: str, endings: Sequence[Ending]) -> dict[int, TaskStatus]:
        """Ends attempts of a worker. May be repeated.

        Returns:
            Where each task stands now, by number. Numbers are missing whose attempt no longer counts: another one
            runs or ran, or somebody ended the task.
        """
        again = [ending for ending in endings if ending.cause in AGAIN]
        simple = [ending for ending in endings if ending.cause not in AGAIN]
        ended = self._finish(worker, simple) if simple else {}
        for ending in again:
            ended |= self._give_up(worker, ending)
        missing = [ending for ending in endings if ending.number not in ended]
        return ended | (self._arrived(worker, missing) if missing else {})

    def hand_back(
        self, worker: str, held: Sequence[Held], cause: Cause = Cause.PREEMPTED, message: str | None = None
    ) -> dict[int, TaskStatus]:
        """Gives attempts up that a worker will not finish, and returns where those tasks stand now. May be repeated."""
        if not held:
            return {}
        why = message or "handed back by its worker"
        return self._database.write(
            lambda c: give_up_attempts(c, self._teller, [worker], cause=cause, message=why, held=held)
        )

    def request_abort(self, number: int, message: str) -> TaskStatus:
        """Asks for the end of a task, and returns where it stands now.

        One that waits is `aborted` at once; of one that runs, its worker hears. May be repeated: the first message
        counts.

        Raises:
            TaskNotFound: There is none.
            TaskRefused: It is a draft or has ended.
        """

        def work(connection: Connection) -> TaskStatus:
            row = connection.execute(self._for_update(number)).one_or_none()
            if row is None:
                raise TaskNotFound(str(number), self._database.shown_url)
            if row.status == TaskStatus.QUEUED:
                values = {
                    "status": TaskStatus.ABORTED.value, "cause": Cause.ABORTED.value, "message": clean(message),
                    "ended_at": self._now, "not_before": None,
                }  # fmt: skip
                payload = {"status": TaskStatus.ABORTED.value, "cause": Cause.ABORTED.value, "message": message}
                connection.execute(update(tasks).where(_T.number == number).values(values))
                self._teller.tell(connection, TaskEventKind.TASK_ENDED, {number: payload})
                return TaskStatus.ABORTED
            if row.status != TaskStatus.RUNNING:
                raise TaskRefused(number, row.status, "aborted", "Only tasks that wait or run can be aborted.")
            if row.abort_message is None:
                connection.execute(update(tasks).where(_T.number == number).values(abort_message=clean(message)))
                payload = {"attempt": row.attempt, "message": message}
                self._teller.tell(connection, TaskEventKind.TASK_ABORT_REQUESTED, {number: payload})
                notify_worker(connection, row.worker)
            return TaskStatus.RUNNING

        return self._database.write(work)

    def _for_update(self, number: int) -> Any:
        query = select(_T.status, _T.abort_message, _T.attempt, _T.worker).where(_T.number == number)
        return query if self._database.is_sqlite else query.with_for_update()

    def _claim_sqlite(
        self, connection: Connection, worker: str, names: Sequence[str], keys: Sequence[str], count: int
    ) -> list[Claim]:
        sql = connection.exec_driver_sql
        if sql("SELECT 1 FROM workers WHERE id = ? AND status = 'active'", (worker,)).scalar() is None:
            return []
        wanted = select(needs.c.id, needs.c.key).where(needs.c.key.in_(keys))
        kinds: dict[int, str] = {row.id: row.key for row in connection.execute(wanted)}
        claims: list[Claim] = []
        for name in dict.fromkeys(names):
            left = count - len(claims)
            open_ = sql("SELECT id FROM queues WHERE name = ? AND status <> 'paused'", (name,)).scalar()
            if open_ is None or left < 1:
                continue
            found = [row for kind in kinds for row in sql(_SQLITE_PICK, (open_, kind, left))]
            found.sort(key=lambda row: (-row.priority, row.position, row.number))
            claims += self._take_sqlite(connection, worker, name, kinds, found[:left])
        return claims

    @staticmethod
    def _take_sqlite(
        connection: Connection, worker: str, queue: str, kinds: Mapping[int, str], found: Sequence[Any]
    ) -> list[Claim]:
        if not found:
            return []
        connection.exec_driver_sql(_SQLITE_CLAIM, [(worker, row.number) for row in found])
        told = [("task_started", row.number, to_text({"attempt": row.attempt + 1, "worker": worker})) for row in found]
        connection.exec_driver_sql(_SQLITE_TELL, told)
        claims = []
        for row in found:
            definition = connection.exec_driver_sql(_SQLITE_DEFINITION, (row.number,)).one()
            claims.append(_claim((row.number, row.attempt + 1, row.fence + 1, queue, kinds[row.needs], *definition)))
        return claims

    def _finish(self, worker: str, endings: Sequence[Ending]) -> dict[int, TaskStatus]:
        if self._database.is_sqlite:
            return self._database.write(lambda connection: _finish_sqlite(connection, worker, endings))
        rows = [
            {
                "number": ending.number,
                "fence": ending.fence,
                "status": ending.status.value,
                "cause": ending.cause and ending.cause.value,
                "message": clean(ending.message),
                "result": _result(ending),
                "told": _told(ending.status, ending.cause, ending.message)[1:-1],
            }
            for ending in endings
        ]
        ended = self._database.statement(_POSTGRES_FINISH, {"worker": worker, "endings": to_text(rows)})
        return {number: TaskStatus(status) for number, status in ended}

    def _give_up(self, worker: str, ending: Ending) -> dict[int, TaskStatus]:
        assert ending.cause is not None
        held = [Held(number=ending.number, fence=ending.fence)]
        return self.hand_back(worker, held, ending.cause, ending.message)

    def _arrived(self, worker: str, endings: Iterable[Ending]) -> dict[int, TaskStatus]:
        """Of ends that changed nothing: those that had been written before, their answer lost."""
        fences = {ending.number: ending.fence for ending in endings}
        query = select(_T.number, _T.fence, _T.status).where(_T.number.in_(list(fences)), _T.worker == worker)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return {r.number: TaskStatus(r.status) for r in rows if r.fence == fences[r.number]}


def _finish_sqlite(connection: Connection, worker: str, endings: Sequence[Ending]) -> dict[int, TaskStatus]:
    ended: dict[int, TaskStatus] = {}
    told = []
    for ending in endings:
        cause, message = ending.cause and ending.cause.value, clean(ending.message)
        given = (ending.status.value, cause, message, _result(ending), ending.number, ending.fence, worker)
        attempt = connection.exec_driver_sql(_SQLITE_FINISH, given).scalar()
        if attempt is None:
            continue
        told_of = _told(ending.status, ending.cause, ending.message)
        told.append(("task_ended", ending.number, f'{{"attempt":{attempt},{told_of[1:]}'))
        ended[ending.number] = ending.status
    if told:
        connection.exec_driver_sql(_SQLITE_TELL, told)
    return ended


@lru_cache(maxsize=64)  # most ends are alike
def _told(status: TaskStatus, cause: Cause | None, message: str | None) -> str:
    """What the event of an end says, as JSON."""
    facts = {"status": status.value, "cause": cause and cause.value, "message": clean(message)}
    return to_text({name: fact for name, fact in facts.items() if fact is not None})


def _result(ending: Ending) -> str | None:
    return None if ending.result is None else clean(to_text(ending.result))


def _claim(row: Sequence[Any]) -> Claim:
    number, attempt, fence, queue, key, id, project, name, source, environment, parameters = row
    return Claim(
        number=number,
        id=id,
        project=project,
        name=name,
        queue=queue,
        attempt=attempt,
        fence=fence,
        needs=needs_of(key),
        source=_decode(source)[0],
        environment=_decode(environment)[0],
        parameters=_decode(parameters)[0],
    )
