"""What reports of an executor come to: a pure decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meristem.objective import Goals
from meristem.spool import Measurement
from meristem.store.rows import TrialRow
from meristem.study import happenings as told
from meristem.study.from_rows import trial_of
from meristem.study.intake import ABORTED, ASKED, STUDY, TIMEOUT, Intake, Running, cut_off, take_in
from meristem.study.plan import Plan
from meristem.study.protocols import Outcome, OutcomeStatus, Report

GOALS = Goals.parse("a")
ROW = TrialRow(number=1, status="running", parameters={}, slot=0)
BROKEN = Outcome(status=OutcomeStatus.FAILED, error="broken")


def taken(running: Running, outcome: Outcome, *, ending: bool = False, **plan: float) -> Intake:
    report = Report(number=1, measurements=[Measurement(metric="a", value=2.0, step=4)], outcome=outcome)
    return take_in(
        [report], {1: running}, goals=GOALS, plan=Plan(**plan), ending=ending, now=9.0,  # type: ignore[arg-type]
        shown=lambda row: trial_of(row, GOALS),
    )  # fmt: skip


@pytest.mark.parametrize(("failures", "ending", "again"), [(0, False, True), (1, False, False), (0, True, False)])
def test_a_failed_trial_is_retried_while_retries_are_left_and_the_study_goes_on(
    failures: int, ending: bool, again: bool
) -> None:
    found = taken(Running(row=replace(ROW, failures=failures)), BROKEN, ending=ending, retries=1)
    [(_before, after)] = found.moves
    assert (after.status == "waiting") == again
    assert (after.failures, after.attempt) == ((1, 2) if again else (failures, 1))
    last = found.happenings[-1]
    assert isinstance(last, told.TrialEnded)
    assert (last.again, last.trial.error) == (again, "broken")


@pytest.mark.parametrize(
    ("why", "outcome", "status"),
    [
        (STUDY, OutcomeStatus.STOPPED, "waiting"),
        (STUDY, OutcomeStatus.COMPLETED, "completed"),
        (ASKED, OutcomeStatus.STOPPED, "stopped"),
        (ABORTED, OutcomeStatus.STOPPED, "abandoned"),
        (ABORTED, OutcomeStatus.FAILED, "abandoned"),
        (ABORTED, OutcomeStatus.COMPLETED, "completed"),
        (TIMEOUT, OutcomeStatus.STOPPED, "failed"),
        (TIMEOUT, OutcomeStatus.COMPLETED, "completed"),
    ],
)
def test_why_a_trial_was_stopped_decides_what_becomes_of_it(why: str, outcome: OutcomeStatus, status: str) -> None:
    found = taken(Running(row=ROW, why_stopped=why, reason="hopeless"), Outcome(status=outcome), timeout=5)
    [(_before, after)] = found.moves
    assert after.status == status
    error = {"stopped": "hopeless", "abandoned": "hopeless", "failed": "timed out after 5 s"}.get(status)
    assert after.error == error


def test_from_what_was_given_up_by_hand_nothing_is_learnt_and_it_is_no_failure() -> None:
    found = taken(Running(row=ROW, why_stopped=ABORTED, reason="too hot"), BROKEN, retries=3)
    [(_before, after)] = found.moves
    assert (after.status, after.error, after.metrics, after.loss) == ("abandoned", "too hot", {}, None)
    assert found.bad == set()


def test_an_attempt_that_broke_off_is_made_again_unless_somebody_gave_its_trial_up() -> None:
    after, event = cut_off(ROW, None, 9.0)
    assert (after.status, after.attempt, event.payload) == (
        "waiting", 2, {"status": "interrupted", "attempt": 1, "again": True},
    )  # fmt: skip
    after, event = cut_off(ROW, "too hot", 9.0)
    assert (after.status, after.error, after.ended_at) == ("abandoned", "too hot", 9.0)
    assert event.payload == {"status": "abandoned", "attempt": 1}


def test_what_was_measured_is_stored_before_the_end_and_told_before_it() -> None:
    found = taken(Running(row=ROW), Outcome(status=OutcomeStatus.COMPLETED))
    assert [event.kind for event in found.events] == ["measurement_reported", "trial_ended"]
    assert [type(happening).__name__ for happening in found.happenings] == ["MeasurementReported", "TrialEnded"]
    assert found.measurements[0].measurements[0].value == 2.0
    assert found.moves[0][1].metrics == {"a": 2.0}
