"""Ask and tell: trials that are run outside of an engine, by whoever asks for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from meristem.controllers.protocol import Controller
from meristem.errors import InputError, NothingToTry, did_you_mean
from meristem.events import Event, measurement_reported, trial_ended
from meristem.objective import Goals
from meristem.spool import LastValues, line_of, measurements_of_line
from meristem.statuses import TrialStatus, check_move
from meristem.store.rows import TrialMeasurements, TrialRow
from meristem.study.intake import ended
from meristem.study.ledger import Ledger
from meristem.study.protocols import Outcome, OutcomeStatus
from meristem.study.verdict import Verdict, judge, read_score
from meristem.trial import Trial

CALLER = "caller"


@dataclass(frozen=True, kw_only=True, repr=False)
class AskedTrial(Trial):
    """A trial that was asked for: its reports go straight to the store."""

    keep: Callable[[Trial, int | None, Mapping[str, Any]], None]

    def report(self, step: int | None = None, **metrics: Any) -> None:
        self.keep(self, step, metrics)


class Asking:
    """Gives trials out and takes their results, on one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def ask(self, controller: Callable[[], Controller], fixed: Mapping[str, Any] | None = None) -> TrialRow:
        """A trial for the caller to run: one that waits, or a new one.

        Raises:
            NothingToTry: The controller has no more recommendations now.
        """
        ledger = self.ledger
        ledger.sync()
        for row in ledger.waiting():
            if any(row.parameters.get(name) != value for name, value in (fixed or {}).items()):
                continue
            if started := ledger.start(row, slot=None, token=None, run_by=CALLER):
                return started
        rows = ledger.propose(controller(), 1, run_by=CALLER, fixed=fixed)
        if not rows:
            raise NothingToTry(ledger.name, ", ".join(f"{name}={value!r:.80}" for name, value in (fixed or {}).items()))
        return rows[0]

    def tell(self, number: int, score: Any, failed: str | None) -> TrialRow:
        """Stores what came of a trial.

        Raises:
            IllegalMove: It has ended already.
            InputError: A result that cannot be understood; the trial goes on.
        """
        row = self._row(number)
        if row.run_by != CALLER and row.status == TrialStatus.RUNNING:
            raise InputError(f"Trial {number} is run by an engine, which tells its result itself.")
        goals = self.ledger.definition.goals
        verdict = judge(_outcome(score, failed), goals, self._reported(row))
        check_move(number, row.status, verdict.status)
        if failed is None:
            _check_told(score, goals, verdict)
        return self._end(row, ended(row, verdict, time.time()))

    def enqueue(self, parameters: Mapping[str, Any], origin: Mapping[str, Any]) -> TrialRow:
        """Stores a trial that is to be tried next."""
        self.ledger.sync()
        return self.ledger.enqueue(parameters, origin)

    def abandon(self, number: int, reason: str) -> TrialRow:
        """Gives a trial up. Raises IllegalMove where it has ended."""
        row = self._row(number)
        return self._end(row, replace(row, status=TrialStatus.ABANDONED, error=reason, ended_at=time.time()))

    def attach(self, parameters: Mapping[str, Any], score: Any, failed: str | None) -> TrialRow:
        """Stores a trial that was run elsewhere, with its result. Raises as `tell`."""
        goals = self.ledger.definition.goals
        verdict = judge(_outcome(score, failed), goals, LastValues())
        if failed is None:
            _check_told(score, goals, verdict, "attach", "Nothing was added.")
        self.ledger.sync()
        return self.ledger.add(ended(_own(parameters, {"by": "user", "attached": True}), verdict, time.time()))

    def begin(self, parameters: Mapping[str, Any], origin: Mapping[str, Any]) -> TrialRow:
        """Stores a trial of the caller's own choice, which the caller runs from now on."""
        self.ledger.sync()
        return self.ledger.add(_own(parameters, origin))

    def stop(self, number: int) -> TrialRow:
        """Ends a trial early: what it reported counts for models. Raises IllegalMove where it has ended."""
        row = self._row(number)
        verdict = judge(Outcome(status=OutcomeStatus.STOPPED), self.ledger.definition.goals, self._reported(row))
        return self._end(row, ended(row, verdict, time.time()))

    def keep_report(self, trial: Trial, step: int | None, metrics: Mapping[str, Any]) -> None:
        """Stores what an asked trial reports while it runs."""
        points = measurements_of_line(line_of(step, metrics))
        event = measurement_reported(trial.number, len(points), step)
        told = TrialMeasurements(trial=trial.number, attempt=trial.attempt, measurements=points)
        self.ledger.write([event], measurements=[told])

    def _reported(self, row: TrialRow) -> LastValues:
        store = self.ledger.store.trials
        return LastValues(store.measurements(self.ledger.study_id, row.number, attempt=row.attempt))

    def _row(self, number: int) -> TrialRow:
        row = self.ledger.store.trials.find(self.ledger.study_id, number)
        if row is None:
            raise InputError(f"Study {self.ledger.name!r} has no trial {number}.")
        return row

    def _end(self, before: TrialRow, after: TrialRow) -> TrialRow:
        event: Event = trial_ended(before.number, after.attempt, str(after.status))
        self.ledger.write([event], moves=[(before, after)])
        return after


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
