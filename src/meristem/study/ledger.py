"""A study as one process knows it: history, open trials, the best; kept in step with the store.

Engine, ask and tell all read and change a study through a ledger. It has read the study's log up to its
cursor; it proposes trials on the newest history (looking again where another process was faster) and
writes what became of trials.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from meristem.controllers.protocol import Controller, History, Observation, Recommendation, Snapshot
from meristem.errors import ComponentFailed, IllegalMove, InputError, MeristemError
from meristem.events import Event, EventKind, trial_ended, trial_started
from meristem.statuses import ENDED, TrialStatus, check_move
from meristem.store.rows import Change, Conflict, StudyRow, TrialMeasurements, TrialMove, TrialRow
from meristem.store.store import Store
from meristem.study.definition import Definition
from meristem.study.from_rows import observation_anew, observation_of
from meristem.study.leaders import Leaders

log = logging.getLogger("meristem.study")


class Ledger:
    """The state of one study in this process, for one thread at a time (`Asking` sees to that).

    Attributes:
        cursor: Number of the last event that it knows of.
        created: How many trials there are.
        open: Trials that have not ended, by number, in order.
        leaders: The best trials, and how long ago there was a better one.
        abandoned: How many trials were given up; others take their place in a budget.
        suspended: Slots that get no new trials.
        aborts: Of open trials that somebody asked to give up, what was said.
    """

    def __init__(self, store: Store, study: StudyRow, definition: Definition) -> None:
        self.store = store
        self.study_id = study.id
        self.name = study.name
        self.definition = definition
        self.history = History(definition.space)
        self.open: dict[int, TrialRow] = {}
        self.leaders = Leaders(definition.goals)
        self.created = self.abandoned = 0
        self.cursor = 0
        self.suspended: frozenset[int] = frozenset()
        self.aborts: dict[int, str] = {}
        self._learned: Sequence[Sequence[Observation]] | None = None if definition.warm_start else ()

    def sync(self) -> None:
        """Takes in what the store has that this process has not seen."""
        rows, self.cursor = self.store.trials.list_changed(self.study_id, after=self.cursor)
        ended = [row for row in rows if row.status in ENDED]
        for row in sorted(ended, key=lambda row: row.end_event or 0):
            self._end(row)
        self.open = {row.number: row for row in rows if row.status not in ENDED}
        self.aborts = {number: row.abort_message for number, row in self.open.items() if row.abort_message is not None}
        # After what has changed, so that it is at least as new as the cursor.
        self.suspended = frozenset(self.store.studies.suspended_slots(self.study_id))
        if rows:
            self.created = max(self.created, rows[-1].number)

    def snapshot(self, fixed: Mapping[str, Any] | None = None) -> Snapshot:
        goals = self.definition.goals
        return Snapshot(
            space=self.definition.space,
            goals=goals,
            history=self.history,
            pending=[observation_of(row, goals) for row in self.open.values()],
            created=self.created,
            seed=self.definition.seed,
            fixed=fixed or {},
            baseline=self.leaders.baseline,
            earlier=self._earlier(),
        )

    def _earlier(self) -> Sequence[Sequence[Observation]]:
        """What earlier studies measured of this study's objective; read once, as it was then."""
        if self._learned is None:
            of, trials = self.definition, self.store.trials
            rows = [trials.list_page(self.store.studies.get(name).id, statuses=["completed"]) for name in of.warm_start]
            anew = [[observation_anew(row, of.goals, of.space) for row in study] for study in rows]
            self._learned = [[o for o in study if o is not None] for study in anew]
        return self._learned

    def waiting(self) -> list[TrialRow]:
        """Trials that are to be run, in order, by whoever takes them first."""
        return [row for row in self.open.values() if row.status == TrialStatus.WAITING]

    def propose(
        self, controller: Controller, count: int, *, run_by: str = "engine", token: int | None = None,
        slots: Sequence[int | None] = (), fixed: Mapping[str, Any] | None = None,
    ) -> list[TrialRow]:  # fmt: skip
        """Asks the controller for up to `count` trials and stores them as running.

        Raises:
            ComponentFailed: The controller raised, or recommended something outside the space.
        """
        while True:
            recommended = self._recommend(controller, count, fixed)
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
            events += [trial_started(row.number, row.attempt, row.slot) for row in rows]
            if self._create(rows, events, token=token):
                for row in rows:
                    if fallback := row.origin.get("fallback"):
                        log.warning("Trial %d: the controller fell back to %s.", row.number, fallback)
                return rows

    def enqueue(self, parameters: Mapping[str, Any], origin: Mapping[str, Any]) -> TrialRow:
        """Stores a trial that is to be run before the controller is asked."""
        return self.add(TrialRow(number=0, status=TrialStatus.WAITING, parameters=parameters, origin=origin))

    def add(self, row: TrialRow) -> TrialRow:
        """Stores a new trial as it stands, waiting, running or ended, in one change; gives it with its number."""
        new = replace(row, key=self.definition.space.key(row.parameters), created_at=time.time())
        while True:
            numbered = replace(new, number=self.created + 1)
            ended = [trial_ended(numbered.number, row.attempt, row.status)] if row.status in ENDED else []
            if self._create([numbered], [first_event(numbered), *ended]):
                return numbered

    def start(
        self, row: TrialRow, *, slot: int | None, token: int | None, run_by: str = "engine"
    ) -> TrialRow | None:  # fmt: skip
        """Moves a waiting trial to running; None where another process was faster."""
        started = replace(
            row, status=TrialStatus.RUNNING, run_by=run_by, slot=slot, started_at=time.time(), ended_at=None
        )  # fmt: skip
        before = self.open.get(row.number)
        if before is None or before.status != TrialStatus.WAITING:
            return None
        event = trial_started(row.number, row.attempt, slot)
        try:
            self.write([event], token=token, moves=[(before, started)])
        except IllegalMove:
            self.sync()
            return None
        return started

    def write(
        self,
        events: Sequence[Event],
        *,
        token: int | None = None,
        moves: Sequence[tuple[TrialRow, TrialRow]] = (),
        measurements: Sequence[TrialMeasurements] = (),
        study: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes moves of trials (before, after), measurements and study columns with their events.

        Raises:
            IllegalMove: A trial is no longer as `before` says: another process moved it.
        """
        steps = []
        for before, after in moves:
            check_move(before.number, before.status, after.status)
            steps.append(TrialMove(row=after, before=before.status, attempt_before=before.attempt))
        change = Change(
            study_id=self.study_id, events=events, token=token, moves=steps, measurements=measurements,
            study=study or {},
        )  # fmt: skip
        self._apply(change)

    def _create(self, rows: Sequence[TrialRow], events: Sequence[Event], *, token: int | None = None) -> bool:
        """Stores new trials; False where the store had trials that this ledger did not know of."""
        change = Change(
            study_id=self.study_id, events=events, token=token, trials_created=self.created, new_trials=rows
        )
        try:
            self._apply(change)
        except Conflict:
            self.sync()
            return False
        return True

    def _apply(self, change: Change) -> None:
        numbered = self.store.commits.apply(change)
        if not numbered:
            return
        if numbered[0].number != self.cursor + 1:  # others wrote meanwhile: read their part and ours in order
            self.sync()
            return
        self.cursor = numbered[-1].number
        ends = {event.trial: event.number for event in numbered if event.kind == EventKind.TRIAL_ENDED}
        for row in [*change.new_trials, *(move.row for move in change.moves)]:
            self.created = max(self.created, row.number)
            if row.status in ENDED:
                self.open.pop(row.number, None)
                self._end(replace(row, end_event=ends.get(row.number)))
            else:
                self.open[row.number] = row

    @property
    def spent(self) -> int:
        """How many trials have ended and count."""
        return len(self.history) - self.abandoned

    def _end(self, row: TrialRow) -> None:
        self.abandoned += row.status == TrialStatus.ABANDONED
        self.history.add(observation_of(row, self.definition.goals), row.key or None)
        self.leaders.take(row)

    def _recommend(self, controller: Controller, count: int, fixed: Mapping[str, Any] | None) -> list[Recommendation]:
        name = getattr(controller, "label", type(controller).__name__)
        try:
            given = list(controller.recommend(self.snapshot(fixed), count))
            return [self._checked(recommendation, fixed or {}) for recommendation in given[:count]]
        except MeristemError as error:
            raise ComponentFailed("controller", name, str(error)) from error
        except Exception as error:  # a user's controller may raise anything
            raise ComponentFailed("controller", name, traceback.format_exc()) from error

    def _checked(self, recommendation: Recommendation, fixed: Mapping[str, Any]) -> Recommendation:
        space = self.definition.space
        parameters = space.normalize(recommendation.parameters)
        space.check(parameters)
        for name, value in fixed.items():
            if parameters.get(name, value) != value:
                raise InputError(
                    f"It recommended {name}={parameters[name]!r:.80} where {value!r:.80} was asked for.",
                    fix="Not every controller can keep fixed values. Those of Meristem do, but for pbt.",
                )
        return replace(recommendation, parameters=parameters)


def first_event(row: TrialRow) -> Event:
    """What the log says of a new trial: that it was started, or is to be."""
    if row.started_at is None:
        return Event(kind=EventKind.TRIAL_ENQUEUED, trial=row.number)
    return trial_started(row.number, row.attempt, row.slot)
