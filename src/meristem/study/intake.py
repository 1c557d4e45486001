"""Decides what reports of an executor mean: which trials move where, what is stored, what handlers hear. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from meristem.events import Event, measurement_reported, trial_deployed, trial_ended
from meristem.objective import Goals
from meristem.spool import LastValues
from meristem.statuses import TrialStatus
from meristem.store.rows import TrialMeasurements, TrialRow
from meristem.study import happenings as told
from meristem.study.plan import Plan
from meristem.study.protocols import Outcome, OutcomeStatus, Report
from meristem.study.verdict import Verdict, judge, why_missing
from meristem.trial import Trial

TIMEOUT, ASKED, ABORTED, STUDY = "timeout", "asked", "aborted", "study"


@dataclass(slots=True, kw_only=True)
class Running:
    """A trial that runs now, and what is known of it.

    Attributes:
        deadline: When its time is up, on the monotonic clock.
        why_stopped: `timeout`, `asked` (that trial alone), `aborted` (given up by hand) or `study` (it stops as a
            whole).
        reason: Why that trial alone was asked to stop, or what was said when it was given up.
        left: It may run on outside, where the next run takes it up.
    """

    row: TrialRow
    deadline: float | None = None
    latest: LastValues = field(default_factory=LastValues)
    why_stopped: str | None = None
    reason: str | None = None
    left: bool = False


@dataclass(slots=True)
class Intake:
    """What one round of reports comes to.

    Attributes:
        bad: Numbers of the trials that failed, or were given up, other than by hand or since they are in doubt.
        missing: Metrics that an ended trial did not give though goals name them, and that in words.
    """

    events: list[Event] = field(default_factory=list)
    moves: list[tuple[TrialRow, TrialRow]] = field(default_factory=list)
    measurements: list[TrialMeasurements] = field(default_factory=list)
    happenings: list[told.Happening] = field(default_factory=list)
    bad: set[int] = field(default_factory=set)
    missing: tuple[tuple[str, ...], str] | None = None


def take_in(
    reports: Sequence[Report], running: Mapping[int, Running], *, goals: Goals, plan: Plan, ending: bool, now: float,
    shown: Callable[[TrialRow], Trial],
) -> Intake:  # fmt: skip
    """What `reports` of trials in `running` come to.

    Args:
        ending: The study is ending: nothing is retried any more.
        now: Seconds since the epoch.
        shown: How handlers see a row.
    """
    found = Intake()
    for report in reports:
        of = running[report.number]
        if report.deployment is not None:
            before, of.row = of.row, replace(of.row, deployment=report.deployment)
            found.moves.append((before, of.row))
            found.events.append(trial_deployed(report.number, of.row.attempt))
        if report.measurements:
            of.latest.take(report.measurements)
            found.measurements.append(
                TrialMeasurements(trial=report.number, attempt=of.row.attempt, measurements=report.measurements)
            )
            steps = [m.step for m in report.measurements if m.step is not None]
            found.events.append(measurement_reported(report.number, len(report.measurements), max(steps, default=None)))
            trial = shown(of.row)
            found.happenings += [told.MeasurementReported(trial=trial, measurement=m) for m in report.measurements]
        if report.outcome is not None:
            _take_outcome(found, of, report.outcome, goals, plan, ending, now, shown)
    return found


def _take_outcome(
    found: Intake, of: Running, outcome: Outcome, goals: Goals, plan: Plan, ending: bool, now: float,
    shown: Callable[[TrialRow], Trial],
) -> None:  # fmt: skip
    row = of.row
    if of.why_stopped == STUDY and outcome.may_run:
        of.left = True
        return
    if of.why_stopped == STUDY and outcome.status == OutcomeStatus.STOPPED:
        after, verdict, told_as = again(row), None, "interrupted"
    else:
        verdict = _verdict(of, outcome, goals, plan)
        after, told_as = ended(row, verdict, now), str(verdict.status)
        if verdict.status == TrialStatus.FAILED and row.failures < plan.retries and not ending:
            after = replace(again(row), failures=row.failures + 1, error=verdict.error, traceback=verdict.traceback)
    goes_on = after.status == TrialStatus.WAITING
    if verdict is not None and verdict.missing and not goes_on:
        found.missing = (verdict.missing, why_missing(verdict, goals))
    given_up = after.status == TrialStatus.ABANDONED and not outcome.may_run and of.why_stopped != ABORTED
    if after.status == TrialStatus.FAILED or given_up:
        found.bad.add(row.number)
    found.moves.append((row, after))
    found.events.append(trial_ended(row.number, row.attempt, told_as, again=goes_on))
    seen = replace(row, error=after.error, traceback=after.traceback) if goes_on else after
    found.happenings.append(told.TrialEnded(trial=shown(seen), again=goes_on))


def _verdict(of: Running, outcome: Outcome, goals: Goals, plan: Plan) -> Verdict:
    verdict = judge(outcome, goals, of.latest)
    if of.why_stopped == ABORTED and verdict.status != TrialStatus.COMPLETED:
        # Nobody knows why it was given up, a broken machine or a bad curve: nothing is to be learnt from it.
        return Verdict(status=TrialStatus.ABANDONED, error=of.reason)
    if of.why_stopped == TIMEOUT and verdict.status != TrialStatus.COMPLETED:
        error = f"timed out after {plan.timeout:g} s"
        return Verdict(status=TrialStatus.FAILED, metrics=verdict.metrics, sems=verdict.sems, error=error)
    if verdict.status == TrialStatus.STOPPED and of.reason:
        return replace(verdict, error=of.reason)
    return verdict


def ended(row: TrialRow, verdict: Verdict, now: float) -> TrialRow:
    """`row` as it is after `verdict`."""
    return replace(
        row, status=verdict.status, metrics=verdict.metrics, sems=verdict.sems, score=verdict.score,
        loss=verdict.loss, error=verdict.error, traceback=verdict.traceback, ended_at=now,
    )  # fmt: skip


def cut_off(row: TrialRow, abort_message: str | None, now: float) -> tuple[TrialRow, Event]:
    """A trial whose attempt broke off is run again, unless somebody asked to give it up; and the event that says so."""
    if abort_message is None:
        return again(row), trial_ended(row.number, row.attempt, "interrupted", again=True)
    verdict = Verdict(status=TrialStatus.ABANDONED, error=abort_message)
    return ended(row, verdict, now), trial_ended(row.number, row.attempt, verdict.status)


def again(row: TrialRow) -> TrialRow:
    """`row` back in waiting, for another attempt."""
    return replace(
        row, status=TrialStatus.WAITING, attempt=row.attempt + 1, slot=None, deployment=None, metrics={}, sems={},
        loss=None, score=None, started_at=None, ended_at=None,
    )  # fmt: skip
