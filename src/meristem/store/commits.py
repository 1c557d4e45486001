"""Writes one change to a study: rows and the events that tell of them, in one transaction.

The study's row is updated first. That one statement checks the writer's lease, makes writers take
turns, and hands out the numbers of the events, so that a study's log has no gaps and nobody reads
event 8 before event 7 is there. A commit whose answer was lost is recognised when it is repeated.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.sql import Executable

from meristem.errors import IllegalMove, LeaseLost, StudyError
from meristem.events import Event
from meristem.statuses import ENDED, TrialStatus
from meristem.store.database import Database
from meristem.store.rows import Change, Conflict, TrialAbort, TrialMeasurements, TrialMove, TrialRow
from meristem.store.tables import NO_STEP, events, measurements, studies, trials

_MOVABLE = (
    "status", "attempt", "failures", "run_by", "slot", "deployment", "metrics", "sems", "score", "loss", "error",
    "traceback", "started_at", "ended_at", "end_event",
)  # fmt: skip

_ENCODER = json.JSONEncoder(separators=(",", ":"))
_NEW_TRIALS = insert(trials)
_NEW_EVENTS = insert(events)
_MOVE = (
    update(trials)
    .where(
        trials.c.study_id == bindparam("of_study"),
        trials.c.number == bindparam("of_number"),
        trials.c.status == bindparam("before"),
        trials.c.attempt == bindparam("attempt_before"),
    )
    .values({name: bindparam(f"new_{name}") for name in _MOVABLE})
)
_ARRIVED = (
    select(events.c.number)
    .where(events.c.study_id == bindparam("of_study"), events.c.write_id == bindparam("write_id"))
    .order_by(events.c.number)
)


class Commits:
    """Applies changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._upsert = _measurement_upsert(database.is_sqlite)

    def apply(self, change: Change) -> list[Event]:
        """Writes `change` whole or not at all, and returns its events with their numbers.

        Raises:
            LeaseLost: The writer's lease is no longer its own.
            Conflict: Another writer proposed trials meanwhile, or the study is not as expected.
            IllegalMove: A trial is no longer in the status that the change expects.
            StoreError: The store could not be written.
        """
        write_id = secrets.token_hex(8)
        tried = False

        def work(connection: Connection) -> list[Event]:
            nonlocal tried
            if tried and (arrived := self._arrived(connection, change, write_id)):
                return arrived
            tried = True
            return self._apply(connection, change, write_id)

        return self._database.write(work)

    def _arrived(self, connection: Connection, change: Change, write_id: str) -> list[Event]:
        numbers = connection.execute(_ARRIVED, {"of_study": change.study_id, "write_id": write_id}).scalars().all()
        return _numbered(change.events, numbers[0] - 1) if numbers else []

    def _apply(self, connection: Connection, change: Change, write_id: str) -> list[Event]:
        head = self._advance(connection, change)
        numbered = _numbered(change.events, head)
        end_events = {e.trial: e.number for e in numbered if e.kind == "trial_ended"}
        if change.new_trials:
            connection.execute(
                _NEW_TRIALS, [_trial_values(change.study_id, row, end_events) for row in change.new_trials]
            )
        for move in change.moves:
            self._move(connection, change.study_id, move, end_events)
        for abort in change.aborts:
            self._abort(connection, change.study_id, abort)
        if points := _measurement_values(change.study_id, change.measurements):
            connection.execute(self._upsert, points)
        if numbered:
            connection.execute(_NEW_EVENTS, [_event_values(change.study_id, e, write_id) for e in numbered])
        return numbered

    def _advance(self, connection: Connection, change: Change) -> int:
        conditions: list[Any] = [studies.c.id == change.study_id]
        if change.token is not None:
            conditions.append(studies.c.lease_token == change.token)
        if change.trials_created is not None:
            conditions.append(studies.c.trials_created == change.trials_created)
        conditions += [studies.c[name] == value for name, value in change.expected.items()]
        values: dict[str, Any] = {
            "last_event": studies.c.last_event + len(change.events),
            "updated_at": time.time(),
            **change.study,
        }
        if change.new_trials:
            values["trials_created"] = studies.c.trials_created + len(change.new_trials)
        statement = update(studies).where(*conditions).values(values).returning(studies.c.last_event)
        last = connection.execute(statement).scalar()
        if last is None:
            self._refuse(connection, change)
        return int(last) - len(change.events)  # type: ignore[arg-type]

    def _refuse(self, connection: Connection, change: Change) -> None:
        row = connection.execute(
            select(studies.c.name, studies.c.lease_token).where(studies.c.id == change.study_id)
        ).one_or_none()
        if row is None:
            raise StudyError("The study was deleted while it was in use.")
        if change.token is not None and row.lease_token != change.token:
            raise LeaseLost(row.name)
        raise Conflict

    @staticmethod
    def _move(connection: Connection, study_id: int, move: TrialMove, ends: dict[int | None, int]) -> None:
        values = _trial_values(study_id, move.row, ends)
        moved = connection.execute(
            _MOVE,
            {
                "of_study": study_id,
                "of_number": move.row.number,
                "before": move.before,
                "attempt_before": move.attempt_before,
                **{f"new_{name}": values[name] for name in _MOVABLE},
            },
        )
        if moved.rowcount != 1:
            found = _status(connection, study_id, move.row.number)
            raise IllegalMove(f"Trial {move.row.number}", found, move.row.status)

    @staticmethod
    def _abort(connection: Connection, study_id: int, abort: TrialAbort) -> None:
        # Not one of the columns that moves write: the engine, which does not know of it yet, must not undo it.
        asked = connection.execute(
            update(trials)
            .where(
                trials.c.study_id == study_id,
                trials.c.number == abort.trial,
                trials.c.status == TrialStatus.RUNNING.value,
                trials.c.attempt == abort.attempt,
            )
            .values(abort_message=clean(abort.message))
        )
        if asked.rowcount != 1:
            found = _status(connection, study_id, abort.trial)
            raise IllegalMove(f"Trial {abort.trial}", found, TrialStatus.ABANDONED)


def _status(connection: Connection, study_id: int, number: int) -> str:
    query = select(trials.c.status).where(trials.c.study_id == study_id, trials.c.number == number)
    return connection.execute(query).scalar() or "unknown"


def to_text(value: Any) -> str:
    return _ENCODER.encode(value)


def clean(text: str | None) -> str | None:
    """`text` as every database takes it: no NUL, no lone surrogates."""
    return None if text is None else text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _numbered(given: Sequence[Event], head: int) -> list[Event]:
    now = time.time()
    return [
        Event(kind=e.kind, number=head + i, at=now, trial=e.trial, payload=e.payload)
        for i, e in enumerate(given, start=1)
    ]


def _trial_values(study_id: int, row: TrialRow, ends: dict[int | None, int]) -> dict[str, Any]:
    return {
        "study_id": study_id,
        "number": row.number,
        "status": row.status,
        "attempt": row.attempt,
        "failures": row.failures,
        "run_by": row.run_by,
        "slot": row.slot,
        "parameters": row.key or to_text(row.parameters),
        "origin": to_text(row.origin),
        "deployment": None if row.deployment is None else to_text(row.deployment),
        "metrics": to_text(row.metrics) if row.metrics else None,
        "sems": to_text(row.sems) if row.sems else None,
        "score": None if row.score is None else to_text(row.score),
        "loss": row.loss,
        "error": clean(row.error),
        "traceback": clean(row.traceback),
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "end_event": ends.get(row.number) if row.status in ENDED else None,
    }


def _event_values(study_id: int, event: Event, write_id: str) -> dict[str, Any]:
    return {
        "study_id": study_id,
        "number": event.number,
        "at": event.at,
        "kind": event.kind.value,
        "trial": event.trial,
        "payload": to_text(event.payload),
        "write_id": write_id,
    }


def _measurement_values(study_id: int, given: Sequence[TrialMeasurements]) -> list[dict[str, Any]]:
    # A repeated step counts once, with its last value: one statement must not touch a row twice.
    latest = {
        (of.trial, of.attempt, m.metric, m.step): {
            "study_id": study_id,
            "trial": of.trial,
            "attempt": of.attempt,
            "metric": clean(m.metric),
            "step": NO_STEP if m.step is None else m.step,
            "value": None if math.isnan(m.value) else m.value,
            "sem": m.sem,
            "at": m.at,
        }
        for of in given
        for m in of.measurements
    }
    return list(latest.values())


def _measurement_upsert(is_sqlite: bool) -> Executable:
    dialect = import_module(f"sqlalchemy.dialects.{'sqlite' if is_sqlite else 'postgresql'}")  # each is slow to import
    statement = dialect.insert(measurements)
    upsert: Executable = statement.on_conflict_do_update(
        index_elements=["study_id", "trial", "attempt", "metric", "step"],
        set_={"value": statement.excluded.value, "sem": statement.excluded.sem, "at": statement.excluded.at},
    )
    return upsert
