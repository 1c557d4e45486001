"""The repository of trials and their measurements (reading; changes go through `Commits`)."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from meristem.spool import Measurement
from meristem.statuses import ENDED, TrialStatus
from meristem.store.database import Database
from meristem.store.rows import TrialRow
from meristem.store.tables import NO_STEP, measurements, studies, trials

_COLUMNS = (
    trials.c.number, trials.c.status, trials.c.parameters, trials.c.attempt, trials.c.failures, trials.c.run_by,
    trials.c.slot, trials.c.origin, trials.c.deployment, trials.c.metrics, trials.c.sems, trials.c.score,
    trials.c.loss, trials.c.error, trials.c.traceback, trials.c.created_at, trials.c.started_at, trials.c.ended_at,
    trials.c.abort_message, trials.c.end_event,
)  # fmt: skip


OPEN = [status.value for status in TrialStatus if status not in ENDED]

# Without json.loads' checks around it: a study of 100,000 trials decodes 300,000 texts when it is resumed.
_decode = json.JSONDecoder().raw_decode


class Trials:
    """Reads trials of a study."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_page(
        self,
        study_id: int,
        *,
        statuses: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
        newest_first: bool = False,
    ) -> list[TrialRow]:
        """Trials in order of their numbers."""
        order = trials.c.number.desc() if newest_first else trials.c.number
        query = select(*_COLUMNS).where(trials.c.study_id == study_id).order_by(order)
        if statuses:
            query = query.where(trials.c.status.in_(statuses))
        if limit is not None or offset:
            query = query.limit(-1 if limit is None and self._database.is_sqlite else limit).offset(offset)
        return self._rows(query)

    def list_changed(self, study_id: int, *, after: int) -> tuple[list[TrialRow], int]:
        """Trials that have ended since event `after`, and all that have not ended; with the log's last event.

        Both are of one moment, so that reading on from that event misses nothing.
        """
        of_study = select(*_COLUMNS).where(trials.c.study_id == study_id)
        queries = [of_study.order_by(trials.c.number)]
        if after > 0:  # two, since one with "or" would look at every trial of the study
            queries = [of_study.where(trials.c.status.in_(OPEN)), of_study.where(trials.c.end_event > after)]
        head = select(studies.c.last_event).where(studies.c.id == study_id)

        def read(connection: Connection) -> tuple[list[TrialRow], int]:
            last = connection.execute(head).scalar() or 0
            rows = [_trial(row) for query in queries for row in connection.execute(query).all()]
            # PostgreSQL reads each statement at a moment of its own: what ended between them comes next time.
            known = {row.number: row for row in rows if (row.end_event or 0) <= last}
            return sorted(known.values(), key=lambda row: row.number), last

        return self._database.read(read)

    def find(self, study_id: int, number: int) -> TrialRow | None:
        found = self._rows(select(*_COLUMNS).where(trials.c.study_id == study_id, trials.c.number == number))
        return found[0] if found else None

    def best(self, study_id: int, *, limit: int = 1, offset: int = 0) -> list[TrialRow]:
        """Completed trials, lowest loss first; among equals the earlier trial."""
        return self._rows(
            select(*_COLUMNS)
            .where(trials.c.study_id == study_id, trials.c.status == "completed", trials.c.loss.is_not(None))
            .order_by(trials.c.loss, trials.c.number)
            .limit(limit)
            .offset(offset)
        )

    def counts(self, study_id: int) -> dict[str, int]:
        """How many trials there are in each status."""
        query = select(trials.c.status, func.count()).where(trials.c.study_id == study_id)
        rows = self._database.read(lambda c: c.execute(query.group_by(trials.c.status)).all())
        return {row[0]: row[1] for row in rows}

    def ended_by_slot(self, study_id: int) -> dict[int, int]:
        """How many trials have ended in each slot, in all runs."""
        query = select(trials.c.slot, func.count()).where(
            trials.c.study_id == study_id, trials.c.slot.is_not(None), trials.c.status.in_(list(ENDED))
        )
        rows = self._database.read(lambda c: c.execute(query.group_by(trials.c.slot)).all())
        return {row[0]: row[1] for row in rows}

    def measurements(self, study_id: int, number: int, *, attempt: int | None = None) -> list[Measurement]:
        """What a trial reported (its last attempt unless told), by step, final values last."""
        if attempt is None:
            row = self.find(study_id, number)
            attempt = row.attempt if row else 1
        m = measurements.c
        query = (
            select(m.metric, m.step, m.value, m.sem, m.at)
            .where(m.study_id == study_id, m.trial == number, m.attempt == attempt)
            .order_by(m.step == NO_STEP, m.step, m.metric)
        )
        return [_measurement(*row) for row in self._database.read(lambda c: c.execute(query).all())]

    def list_measurements(self, study_id: int) -> dict[int, list[Measurement]]:
        """What the last attempts of all trials reported, by trial, each as `measurements` gives it."""
        m = measurements.c
        query = (
            select(m.trial, m.metric, m.step, m.value, m.sem, m.at)
            .join(trials, (trials.c.study_id == m.study_id) & (trials.c.number == m.trial))
            .where(m.study_id == study_id, m.attempt == trials.c.attempt)
            .order_by(m.trial, m.step == NO_STEP, m.step, m.metric)
        )
        found: dict[int, list[Measurement]] = {}
        for trial, *row in self._database.read(lambda c: c.execute(query).all()):
            found.setdefault(trial, []).append(_measurement(*row))
        return found

    def list_reports(
        self, study_id: int, metrics: Sequence[str], *, numbers: Collection[int] | None = None
    ) -> list[tuple[int, Measurement]]:  # fmt: skip
        """What the last attempts of all trials reported of `metrics` at steps: trial and measurement, by step.

        Args:
            numbers: Of these trials only.
        """
        m = measurements.c
        query = (
            select(m.trial, m.metric, m.step, m.value)
            .join(trials, (trials.c.study_id == m.study_id) & (trials.c.number == m.trial))
            .where(m.study_id == study_id, m.attempt == trials.c.attempt, m.metric.in_(metrics), m.step != NO_STEP)
            .order_by(m.trial, m.step)
        )
        if numbers is not None:
            query = query.where(m.trial.in_(numbers))
        return [
            (trial, Measurement(metric=metric, step=step, value=math.nan if value is None else value))
            for trial, metric, step, value in self._database.read(lambda c: c.execute(query).all())
        ]

    def _rows(self, query: Select[Any]) -> list[TrialRow]:
        return [_trial(row) for row in self._database.read(lambda c: c.execute(query).all())]


def _measurement(metric: str, step: int, value: float | None, sem: float | None, at: float) -> Measurement:
    value = math.nan if value is None else value
    return Measurement(metric=metric, step=None if step == NO_STEP else step, value=value, sem=sem, at=at)


def _trial(row: Any) -> TrialRow:
    (number, status, key, attempt, failures, run_by, slot, origin, deployment, metrics, sems, score, loss, error,
     traceback, created_at, started_at, ended_at, abort_message, end_event) = row  # fmt: skip
    return TrialRow(
        number=number,
        status=status,
        parameters=_decode(key)[0],
        key=key,
        attempt=attempt,
        failures=failures,
        run_by=run_by,
        slot=slot,
        origin=_decode(origin)[0],
        deployment=_decode(deployment)[0] if deployment else None,
        metrics=_decode(metrics)[0] if metrics else {},
        sems=_decode(sems)[0] if sems else {},
        score=_decode(score)[0] if score else None,
        loss=loss,
        error=error,
        traceback=traceback,
        created_at=created_at,
        started_at=started_at,
        ended_at=ended_at,
        abort_message=abort_message,
        end_event=end_event,
    )
