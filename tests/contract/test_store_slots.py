"""Slots of a study in every store: suspended and resumed by anyone at once, trials asked to be given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from meristem.errors import IllegalMove
from meristem.events import Event, EventKind
from meristem.store.rows import Change, Conflict, StudyRow, TrialAbort, TrialMove, TrialRow
from meristem.store.slots import list_slots, request_aborts, resume_slots, suspend_slots
from meristem.store.store import Store

DEFINITION = {"space": {"parameters": {}}, "objective": "a", "controller": {"name": "random"}, "seed": 1}
COUNT = 8


@pytest.fixture
def token(store: Store) -> int:
    """The lease of a study "s" that runs in eight slots, in whose first two trials 1 and 2 run."""
    study = store.studies.ensure("s", DEFINITION, "created")
    token = store.leases.acquire(study.id, "somebody")
    rows = [TrialRow(number=n, status="running", parameters={}, slot=n - 1, started_at=5.0) for n in (1, 2)]
    setup = f'{{"slots": [{", ".join(["{}"] * COUNT)}]}}'
    store.commits.apply(
        Change(
            study_id=study.id, token=token, new_trials=rows, events=[Event(kind=EventKind.STUDY_STARTED)],
            study={"status": "running", "run": 1, "setup": setup},
        )
    )  # fmt: skip
    return token


def events_of(store: Store, study: StudyRow) -> list[tuple[str, object]]:
    return [(e.kind.value, e.payload.get("slot")) for e in store.events.list_after(study.id, 2)]


def test_slots_that_are_suspended_stay_so_until_they_are_resumed(store: Store, token: int) -> None:
    assert suspend_slots(store, "s", [3, 1]) == [1, 3]
    assert suspend_slots(store, "s", [3, 5]) == [5]
    study = store.studies.get("s")
    assert sorted(store.studies.suspended_slots(study.id)) == sorted(study.suspended_slots) == [1, 3, 5]
    assert [s.number for s in list_slots(store, "s") if s.suspended] == [1, 3, 5]
    assert store.leases.renew(study.id, token).last_event == study.last_event  # by which the engine hears of it
    assert resume_slots(store, "s", [1, 2]) == [1]
    assert resume_slots(store, "s") == [3, 5]
    assert store.studies.get("s").suspended_slots == {}
    assert events_of(store, study) == [
        ("slot_suspended", 1), ("slot_suspended", 3), ("slot_suspended", 5),
        ("slot_resumed", 1), ("slot_resumed", 3), ("slot_resumed", 5),
    ]  # fmt: skip
    assert store.check() == []


def test_of_changes_at_the_same_time_none_is_lost(store: Store, token: int) -> None:
    def at_once(change: Callable[[Store, str, Sequence[int]], list[int]]) -> list[list[int]]:
        with ThreadPoolExecutor(COUNT) as pool:
            return list(pool.map(lambda slot: change(store, "s", [slot // 2]), range(COUNT * 2)))

    done = at_once(suspend_slots)
    assert sorted(slot for changed in done for slot in changed) == list(
        range(COUNT)
    )  # each was suspended by one of the two who asked for it
    assert sorted(store.studies.get("s").suspended_slots) == list(range(COUNT))
    at_once(resume_slots)
    assert store.studies.get("s").suspended_slots == {}
    assert len(events_of(store, store.studies.get("s"))) == 2 * COUNT


def test_a_study_that_is_not_as_expected_is_not_changed(store: Store, token: int) -> None:
    study = store.studies.get("s")
    event = Event(kind=EventKind.SLOT_SUSPENDED)
    change = Change(
        study_id=study.id, events=[event], study={"suspended_slots": "{}"}, expected={"suspended_slots": "other"}
    )
    with pytest.raises(Conflict):
        store.commits.apply(change)
    assert store.studies.get("s").last_event == study.last_event


def test_word_of_an_abort_stays_when_the_engine_moves_the_trial_meanwhile(store: Store, token: int) -> None:
    study = store.studies.get("s")
    row = store.trials.find(study.id, 2)
    assert row is not None
    assert request_aborts(store, "s", [1], "too hot") == [2]
    deployed = replace(row, deployment={"job": 7})
    move = TrialMove(row=deployed, before="running", attempt_before=1)
    store.commits.apply(Change(study_id=study.id, token=token, moves=[move], events=[]))
    assert store.trials.find(study.id, 2) == replace(deployed, abort_message="too hot", key="{}")
    assert [s.aborting for s in list_slots(store, "s")[:2]] == [False, True]
    assert store.trials.list_changed(study.id, after=1)[0][1].abort_message == "too hot"


@pytest.mark.parametrize(("trial", "attempt", "is_now"), [(1, 2, "running"), (9, 1, "unknown")])
def test_only_what_runs_is_aborted(store: Store, token: int, trial: int, attempt: int, is_now: str) -> None:
    study = store.studies.get("s")
    aborts = [TrialAbort(trial=trial, attempt=attempt, message="too hot")]
    with pytest.raises(IllegalMove, match=f"is {is_now} and cannot become abandoned"):
        store.commits.apply(Change(study_id=study.id, events=[Event(kind=EventKind.ABORT_REQUESTED)], aborts=aborts))
    assert store.studies.get("s").last_event == study.last_event  # nothing of the change was written


def test_ended_trials_are_counted_by_the_slot_in_which_they_ran(store: Store, token: int) -> None:
    study = store.studies.get("s")
    row = store.trials.find(study.id, 2)
    assert row is not None
    move = TrialMove(row=replace(row, status="failed"), before="running", attempt_before=1)
    event = Event(kind=EventKind.TRIAL_ENDED, trial=2)
    store.commits.apply(Change(study_id=study.id, token=token, moves=[move], events=[event]))
    assert store.trials.ended_by_slot(study.id) == {1: 1}
    assert [(slot.state, slot.ended) for slot in list_slots(store, "s")[:2]] == [("busy", 0), ("idle", 1)]
