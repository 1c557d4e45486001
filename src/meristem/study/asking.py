"""Ask and tell: trials that are run outside of an engine, by whoever asks for them or chooses them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from meristem.controllers.protocol import Controller, Snapshot
from meristem.errors import IllegalMove, InputError, NothingToTry, StudyError, did_you_mean
from meristem.events import Event, measurement_reported, trial_ended
from meristem.objective import Goals
from meristem.spool import LastValues, line_of, measurements_of_line
from meristem.statuses import TrialStatus, check_move
from meristem.store.rows import TrialMeasurements, TrialRow
from meristem.study.intake import ended
from meristem.study.ledger import Ledger
from meristem.study.protocols import Outcome, OutcomeStatus
from meristem.study.verdict import Verdict, judge, read_score
from meristem.study.watching import Watch
from meristem.trial import Trial

CALLER = "caller"
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, repr=False)
class OwnTrial(Trial):
    """A trial that its caller runs: its reports go straight to the store."""

    record: Callable[[int, int | None, Mapping[str, Any]], None]

    def report(self, step: int | None = None, **metrics: Any) -> None:
        self.record(self.number, step, metrics)


def _in_turn(method: Callable[Concatenate[Asking, P], T]) -> Callable[Concatenate[Asking, P], T]:
    """Threads that ask and tell take turns: a ledger is for one at a time."""

    @wraps(method)
    def waiting_for_its_turn(self: Asking, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._turn:
            return method(self, *args, **kwargs)

    return waiting_for_its_turn


class Asking:
    """Gives trials out and takes what comes of them, on one ledger; any thread may call it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._turn = threading.RLock()
        self._watch: tuple[Any, Watch] | None = None

    @_in_turn
    def use(self, ledger: Ledger) -> None:
        """Goes on with another ledger of the same study, once nobody uses the one before."""
        self._ledger = ledger

    # Trials of a controller, or queued

    @_in_turn
    def ask(self, controller: Callable[[], Controller], fixed: Mapping[str, Any] | None = None) -> TrialRow:
        """A trial for the caller to run: one that waits, or a new one.

        Raises:
            NothingToTry: The controller has no more recommendations now.
            StudyError: The baseline came to nothing, so that no trial can keep the limits.
        """
        ledger = self._ledger
        if why := self.why_no_baseline():
            raise StudyError(f"Study {ledger.name!r} has no trial worth running: {why}.")
        self.mark_baseline()
        for row in ledger.waiting():
            if any(row.parameters.get(name) != value for name, value in (fixed or {}).items()):
                continue
            if started := ledger.start(row, slot=None, token=None, run_by=CALLER):
                return started
        rows = ledger.propose(controller(), 1, run_by=CALLER, fixed=fixed)
        if not rows:
            raise NothingToTry(ledger.name, ", ".join(f"{name}={value!r:.80}" for name, value in (fixed or {}).items()))
        return rows[0]

    @_in_turn
    def enqueue(self, parameters: Mapping[str, Any], origin: Mapping[str, Any]) -> TrialRow:
        """Stores a trial that is to be tried next."""
        self._ledger.sync()
        return self._ledger.enqueue(parameters, origin)

    @_in_turn
    def mark_baseline(self) -> None:
        """Where limits are relative and no trial is marked as the baseline, the defaults are tried as such.

        A marked one that cannot be the baseline, since it failed, is tried again.
        """
        ledger, space = self._ledger, self._ledger.definition.space
        if not any(limit.relative for limit in ledger.definition.goals.constraints):
            return
        ledger.sync()
        if ledger.leaders.baseline is not None or any(row.origin.get("baseline") for row in ledger.open.values()):
            return
        if (lost := ledger.leaders.lost) is not None:
            ledger.enqueue(lost.parameters, lost.origin)
            return
        center = space.normalize(space.center())
        space.check(center)
        ledger.enqueue(center, {"by": "center", "baseline": True})

    @_in_turn
    def why_no_baseline(self) -> str | None:
        """Why no trial can keep the limits, where the baseline to which they are relative came to nothing."""
        self._ledger.sync()
        return self._ledger.leaders.why_no_baseline(self._ledger.open.values())

    # Trials of the caller's own choice

    @_in_turn
    def begin(self, parameters: Mapping[str, Any], origin: Mapping[str, Any]) -> TrialRow:
        """Stores a trial that the caller runs from now on."""
        self._ledger.sync()
        return self._ledger.add(_own(parameters, origin))

    @_in_turn
    def attach(self, parameters: Mapping[str, Any], score: Any, failed: str | None) -> TrialRow:
        """Stores a trial that was run elsewhere, with its result. Raises as `tell`."""
        goals = self._ledger.definition.goals
        verdict = judge(_outcome(score, failed), goals, LastValues())
        if failed is None:
            _check_told(score, goals, verdict, "attach", "Nothing was added.")
        self._ledger.sync()
        return self._ledger.add(ended(_own(parameters, {"by": "user", "attached": True}), verdict, time.time()))

    # What becomes of trials

    @_in_turn
    def record(self, number: int, step: int | None, metrics: Mapping[str, Any]) -> None:
        """Stores what a running trial of the caller's measured.

        Raises:
            StudyError: It does not run.
            InputError: A metric is no number, or an engine runs the trial.
        """
        points = measurements_of_line(line_of(step, metrics))
        row = self._running(self._ledger.open.get(number) or self._row(number))
        told = TrialMeasurements(trial=number, attempt=row.attempt, measurements=points)
        event = measurement_reported(number, len(points), step)
        try:
            self._ledger.write([event], moves=[(row, row)], measurements=[told])  # refused once it has ended
        except IllegalMove:
            self._running(self._row(number))
            raise

    @_in_turn
    def tell(self, number: int, score: Any, failed: str | None) -> TrialRow:
        """Stores what came of a trial.

        Raises:
            IllegalMove: It has ended already.
            InputError: A result that cannot be understood; the trial goes on.
        """
        row = self._row(number)
        _check_own(row)
        goals = self._ledger.definition.goals
        verdict = judge(_outcome(score, failed), goals, self._reported(row))
        check_move(number, row.status, verdict.status)
        if failed is None:
            _check_told(score, goals, verdict)
        return self._end(row, ended(row, verdict, time.time()))

    @_in_turn
    def stop(self, number: int, reason: str | None) -> TrialRow:
        """Ends a running trial of the caller's early: what it measured counts for models.

        Raises:
            StudyError: It does not run, or measured nothing.
            InputError: An engine runs it.
        """
        row = self._running(self._row(number))
        reported = self._reported(row)
        if not reported.values:
            raise StudyError(
                f"Trial {number} has measured nothing, so that nothing is learnt from stopping it early.",
                fix="Give what it measured with record() first, or give it up with abandon().",
            )
        outcome = Outcome(status=OutcomeStatus.STOPPED, error=reason)
        return self._end(row, ended(row, judge(outcome, self._ledger.definition.goals, reported), time.time()))

    @_in_turn
    def abandon(self, number: int, reason: str) -> TrialRow:
        """Gives a trial up. Raises IllegalMove where it has ended."""
        row = self._row(number)
        return self._end(row, replace(row, status=TrialStatus.ABANDONED, error=reason, ended_at=time.time()))

    @_in_turn
    def why_stop(self, number: int, early_stopping: Any) -> str | None:
        """Why a rule would stop the trial now; None where it lets it go on, or it does not run."""
        self._row(number)
        if self._watch is None or self._watch[0] != early_stopping:
            watch = Watch(self._ledger.store, self._ledger.study_id, early_stopping, self._ledger.definition.goals)
            self._watch = early_stopping, watch
        return self._watch[1].why_stop(number)

    @_in_turn
    def snapshot(self) -> Snapshot:
        """All that there is to learn from now."""
        self._ledger.sync()
        return self._ledger.snapshot()

    def _reported(self, row: TrialRow) -> LastValues:
        store = self._ledger.store.trials
        return LastValues(store.measurements(self._ledger.study_id, row.number, attempt=row.attempt))

    def _row(self, number: int) -> TrialRow:
        row = self._ledger.store.trials.find(self._ledger.study_id, number)
        if row is None:
            raise InputError(f"Study {self._ledger.name!r} has no trial {number}.")
        return row

    def _running(self, row: TrialRow) -> TrialRow:
        _check_own(row)
        if row.status != TrialStatus.RUNNING:
            raise StudyError(f"Trial {row.number} is {row.status}: only a running trial can be measured or stopped.")
        return row

    def _end(self, before: TrialRow, after: TrialRow) -> TrialRow:
        event: Event = trial_ended(before.number, after.attempt, str(after.status))
        self._ledger.write([event], moves=[(before, after)])
        return after


def _check_own(row: TrialRow) -> None:
    """Raises InputError where an engine runs the trial."""
    if row.run_by != CALLER and row.status == TrialStatus.RUNNING:
        raise InputError(f"Trial {row.number} is run by an engine, which tells its result itself.")


def _own(parameters: Mapping[str, Any], origin: Mapping[str, Any]) -> TrialRow:
    """A new trial that its caller runs from now on."""
    return TrialRow(
        number=0, status=TrialStatus.RUNNING, parameters=parameters, origin=origin, run_by=CALLER,
        started_at=time.time(),
    )  # fmt: skip


def _outcome(score: Any, failed: str | None) -> Outcome:
    if failed is None:
        return Outcome(status=OutcomeStatus.COMPLETED, score=score)
    if not isinstance(failed, str) or not failed:
        raise InputError(f"failed={failed!r:.80} is no reason.", fix="Write why in words: failed='diverged'.")
    return Outcome(status=OutcomeStatus.FAILED, score=score, error=failed)


def _check_told(score: Any, goals: Goals, verdict: Verdict, what: str = "tell", so: str = "The trial goes on.") -> None:
    """Refuses what is a slip of the hand rather than a result; NaN is a result, though no use."""
    read = read_score(score, goals)
    problems = [read.problem] if read.problem else []
    known = list(read.metrics)
    missing = [name for o in goals.objectives for name in o.terms if name not in verdict.metrics]
    problems += [f"{name!r} is missing. {did_you_mean(name, known)}".strip() for name in missing]
    if problems:
        raise InputError(
            f"{what}() got a result that is none",
            problems,
            fix=f"Write {what}(…, {', '.join(f'{name}=0.9' for name in goals.metrics)}), or failed='why'. {so}",
        )
