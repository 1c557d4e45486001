"""What each slot of a study is doing: a view of its rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meristem.errors import InputError
from meristem.store.rows import StudyRow, TrialRow
from meristem.store.slots import Slot, check_slots, slots_of

STUDY = StudyRow(
    id=1, name="s", definition={}, setup={"slots": [{"gpus": ["0", "1"], "worker": "W1"}, {}]}, status="running",
    message=None, stop_message=None, run=1, trials_created=3, last_event=9, created_at=0.0, updated_at=0.0,
    lease_owner="me", lease_token=1,
)  # fmt: skip
ROW = TrialRow(number=3, status="running", parameters={}, attempt=2, slot=1, started_at=5.0)


def states(study: StudyRow, *running: TrialRow) -> list[str]:
    return [slot.state.value for slot in slots_of(study, running, {})]


def test_a_slot_shows_its_trial_its_gpus_and_how_many_trials_ended_in_it() -> None:
    assert slots_of(STUDY, [ROW], {0: 4}) == [
        Slot(number=0, state="idle", worker="W1", gpus=("0", "1"), ended=4),  # type: ignore[arg-type]
        Slot(number=1, state="busy", trial=3, attempt=2, since=5.0),  # type: ignore[arg-type]
    ]


def test_a_slot_is_suspended_once_nothing_runs_in_it() -> None:
    suspended = replace(STUDY, suspended_slots={1: 7.0})
    [_, busy] = slots_of(suspended, [ROW], {})
    assert (busy.state, busy.suspended, busy.since) == ("busy", True, 5.0)
    [_, idle] = slots_of(suspended, [], {})
    assert (idle.state, idle.suspended, idle.since) == ("suspended", True, 7.0)


def test_trials_of_the_caller_are_in_no_slot() -> None:
    assert states(STUDY, replace(ROW, run_by="caller"), replace(ROW, slot=None)) == ["idle", "idle"]


def test_what_was_left_in_a_slot_of_a_study_that_does_not_run_is_unattended() -> None:
    assert states(replace(STUDY, engine_died=True), ROW) == ["idle", "unattended"]
    assert states(replace(STUDY, status="stopped"), ROW) == ["idle", "unattended"]


def test_slots_that_the_last_run_had_not_are_shown_where_something_is_to_be_said_of_them() -> None:
    fewer = replace(STUDY, setup={"slots": [{}]}, suspended_slots={4: 7.0})
    assert [slot.number for slot in slots_of(fewer, [ROW], {7: 3})] == [0, 1, 4]


@pytest.mark.parametrize(("setup", "count"), [({"plan": {"parallel": 3}}, 3), ({"plan": {}}, 1)])
def test_a_study_of_an_earlier_version_has_as_many_slots_as_its_plan_says(setup: dict[str, Any], count: int) -> None:
    assert len(slots_of(replace(STUDY, setup=setup), [], {})) == count


@pytest.mark.parametrize("number", [2, -1, "1", True, None, 0.5])
def test_a_slot_that_is_not_there_is_told_with_those_that_are(number: object) -> None:
    with pytest.raises(InputError, match=r"no slot .*Its slots: 0 \(W1\), 1\."):
        check_slots("s", slots_of(STUDY, [], {}), [0, number])
