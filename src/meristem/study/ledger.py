"""A study as one process knows it: history, open trials, best; kept in step with the store.

Engine, ask and tell all read and change a study through its ledger. It proposes trials on the
newest history (looking again where another process was faster) and writes what became of trials.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from meristem.controllers.protocol import Controller, History, Recommendation, Snapshot
from meristem.errors import ComponentFailed, MeristemError
from meristem.events import Event, EventKind
from meristem.objective import Goals
from meristem.store.rows import Change, Conflict, StudyRow, TrialMeasurements, TrialMove, TrialRow
from meristem.store.store import Store
from meristem.study.definition import Definition
from meristem.study.trial import ENDED, TrialStatus, check_move, observation_of
from meristem.study.verdict import Verdict


class Ledger:
    """The state of one study in this process.

    Attributes:
        open: Trials that have not ended, by number, in order.
        best: The completed trial of lowest loss; the earlier one among equals.
        since_best: Trials ended since the best one did.
    """

    def __init__(self, store: Store, study: StudyRow, definition: Definition) -> None:
        self.store = store
        self.study_id = study.id
        self.name = study.name
        self.definition = definition
        self.history = History(definition.space)
        self.open: dict[int, TrialRow] = {}
        self.best: TrialRow | None = None
        self.since_best = 0
        self.created = 0
        self.last_event = 0
        self._last_end = 0

    def sync(self) -> None:
        """Takes in what the store has that this process has not seen."""
        rows = self.store.trials.list_after(self.study_id, number=self.created, end_event=self._last_end)
        ended = [row for row in rows if row.status in ENDED]
        for row in sorted(ended, key=lambda row: row.end_event or 0):
            self._end(row)
        self.open = {row.number: row for row in rows if row.status not in ENDED}
        if rows:
            self.created = max(self.created, rows[-1].number)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            space=self.definition.space,
            goals=Goals(objectives=(self.definition.objective,)),
            history=self.history,
            pending=[observation_of(row) for row in self.open.values()],
            created=self.created,
            seed=self.definition.seed,
        )

    def waiting(self) -> list[TrialRow]:
        """Trials that an engine should run, in order."""
        return [r for r in self.open.values() if r.status == TrialStatus.WAITING and r.run_by == "engine"]

    def propose(
        self, controller: Controller, count: int, *, run_by: str = "engine", token: int | None = None,
        slots: Sequence[int | None] = (),
    ) -> list[TrialRow]:  # fmt: skip
        """Asks the controller for up to `count` trials and stores them as running.

        Raises:
            ComponentFailed: The controller raised, or recommended something outside the space.
        """
        while True:
            recommended = self._recommend(controller, count)
            if not recommended:
                return []
            now = time.time()
            rows = [
                TrialRow(
                    number=self.created + i,
                    status=TrialStatus.RUNNING,
                    parameters=recommendation.parameters,
                    key=self.definition.space.key(recommendation.parameters),
                    run_by=run_by,
                    slot=slots[i - 1] if slots else None,
                    origin=recommendation.origin,
                    created_at=now,
                    started_at=now,
                )
                for i, recommendation in enumerate(recommended, start=1)
            ]
            events = [Event(kind=EventKind.RECOMMENDATIONS_AVAILABLE, payload={"trials": [r.number for r in rows]})]
            events += [_started(row) for row in rows]
            try:
                self._write(events, token=token, new=rows, created=self.created)
            except Conflict:
                self.sync()
                continue
            return rows

    def enqueue(self, parameters: Mapping[str, Any]) -> TrialRow:
        """Stores a trial that an engine will run before it asks its controller."""
        space = self.definition.space
        while True:
            row = TrialRow(
                number=self.created + 1, status=TrialStatus.WAITING, parameters=parameters,
                key=space.key(parameters), origin={"by": "user"}, created_at=time.time(),
            )  # fmt: skip
            event = Event(kind=EventKind.TRIAL_ENQUEUED, trial=row.number)
            try:
                self._write([event], new=[row], created=self.created)
                return row
            except Conflict:
                self.sync()

    def start(self, row: TrialRow, *, slot: int | None, token: int | None) -> TrialRow:
        """Moves a waiting trial to running."""
        started = replace(row, status=TrialStatus.RUNNING, slot=slot, started_at=time.time(), ended_at=None)
        self._write([_started(started)], token=token, moves=[self._move(row, started)])
        return started

    def ended_row(self, row: TrialRow, verdict: Verdict) -> TrialRow:
        """`row` as it is after `verdict`."""
        return replace(
            row,
            status=verdict.status,
            metrics=verdict.metrics,
            score=verdict.score,
            loss=verdict.loss,
            error=verdict.error,
            traceback=verdict.traceback,
            ended_at=time.time(),
        )

    def again_row(self, row: TrialRow) -> TrialRow:
        """`row` back in waiting, for another attempt."""
        return replace(
            row, status=TrialStatus.WAITING, attempt=row.attempt + 1, slot=None, metrics={}, loss=None,
            score=None, started_at=None, ended_at=None,
        )  # fmt: skip

    def write(
        self,
        events: Sequence[Event],
        *,
        token: int | None = None,
        moves: Sequence[tuple[TrialRow, TrialRow]] = (),
        measurements: Sequence[TrialMeasurements] = (),
        study: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes moves of trials (before, after), measurements and study columns with their events."""
        self._write(
            events, token=token, moves=[self._move(b, a) for b, a in moves], measurements=measurements, study=study
        )

    def _write(
        self, events: Sequence[Event], *, token: int | None = None, new: Sequence[TrialRow] = (),
        created: int | None = None, moves: Sequence[TrialMove] = (),
        measurements: Sequence[TrialMeasurements] = (), study: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        change = Change(
            study_id=self.study_id, events=events, token=token, trials_created=created, new_trials=new,
            moves=moves, measurements=measurements, study=study or {},
        )  # fmt: skip
        numbered = self.store.commits.apply(change)
        if numbered:
            self.last_event = numbered[-1].number
        for row in new:
            self.open[row.number] = row
            self.created = max(self.created, row.number)
        ends = {e.trial: e.number for e in numbered if e.kind == EventKind.TRIAL_ENDED}
        for move in moves:
            if move.row.status in ENDED:
                self.open.pop(move.row.number, None)
                self._end(replace(move.row, end_event=ends.get(move.row.number)))
            else:
                self.open[move.row.number] = move.row

    def _move(self, before: TrialRow, after: TrialRow) -> TrialMove:
        check_move(before.number, before.status, after.status)
        return TrialMove(row=after, before=before.status, attempt_before=before.attempt)

    def _end(self, row: TrialRow) -> None:
        self.history.add(observation_of(row), row.key or None)
        self._last_end = max(self._last_end, row.end_event or 0)
        self.since_best += 1
        completed = row.status == TrialStatus.COMPLETED and row.loss is not None
        if completed and (self.best is None or _rank(row) < _rank(self.best)):
            self.best = row
            self.since_best = 0

    def _recommend(self, controller: Controller, count: int) -> list[Recommendation]:
        name = getattr(controller, "label", type(controller).__name__)
        try:
            given = list(controller.recommend(self.snapshot(), count))
            return [self._checked(recommendation) for recommendation in given[:count]]
        except MeristemError as error:
            raise ComponentFailed("controller", name, str(error)) from error
        except Exception as error:  # a user's controller may raise anything
            raise ComponentFailed("controller", name, traceback.format_exc()) from error

    def _checked(self, recommendation: Recommendation) -> Recommendation:
        space = self.definition.space
        parameters = space.normalize(recommendation.parameters)
        # Built-in controllers decode from the space itself; what others bring is looked at.
        if recommendation.origin.get("by") not in ("random", "sobol", "grid", "gp", "center"):
            space.check(parameters)
        return replace(recommendation, parameters=parameters)


def _started(row: TrialRow) -> Event:
    return Event(kind=EventKind.TRIAL_STARTED, trial=row.number, payload={"attempt": row.attempt, "slot": row.slot})


def _rank(row: TrialRow) -> tuple[float, int]:
    return (row.loss if row.loss is not None else float("inf"), row.number)
