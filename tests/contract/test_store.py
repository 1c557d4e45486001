"""What every store must do, run against SQLite in memory, SQLite in a file and PostgreSQL."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from meristem.errors import IllegalMove, LeaseLost, StudyBusy, StudyNotFound
from meristem.events import Event, EventKind
from meristem.spool import Measurement
from meristem.store.commits import Commits
from meristem.store.rows import Change, Conflict, StudyRow, TrialMeasurements, TrialMove, TrialRow
from meristem.store.store import Store

DEFINITION = {"space": {"parameters": {}}, "objective": "a", "controller": {"name": "random"}, "seed": 1}


@pytest.fixture
def study(store: Store) -> StudyRow:
    return store.studies.ensure("étude 研究", DEFINITION, "created")


def started(number: int) -> Event:
    return Event(kind=EventKind.TRIAL_STARTED, trial=number, payload={"attempt": 1})


def new_trial(number: int, **fields: object) -> TrialRow:
    return TrialRow(number=number, status="running", parameters={"x": 0.5}, **fields)  # type: ignore[arg-type]


def propose(store: Store, study: StudyRow, number: int, **fields: object) -> TrialRow:
    row = new_trial(number, **fields)
    change = Change(study_id=study.id, trials_created=number - 1, new_trials=[row], events=[started(number)])
    store.commits.apply(change)
    return row


def end(store: Store, study: StudyRow, row: TrialRow, **fields: object) -> None:
    after = TrialRow(number=row.number, status="completed", parameters=row.parameters, **fields)  # type: ignore[arg-type]
    move = TrialMove(row=after, before="running", attempt_before=1)
    event = Event(kind=EventKind.TRIAL_ENDED, trial=row.number)
    store.commits.apply(Change(study_id=study.id, moves=[move], events=[event]))


def test_a_study_is_made_once_and_found_again(store: Store, study: StudyRow) -> None:
    assert store.studies.ensure("étude 研究", DEFINITION, "created").id == study.id
    assert store.studies.get("étude 研究").definition == DEFINITION
    assert store.studies.find("other") is None
    with pytest.raises(StudyNotFound, match="étude"):
        store.studies.get("étude")


def test_studies_are_listed_latest_change_first(store: Store, study: StudyRow) -> None:
    other = store.studies.ensure("other", DEFINITION, "created")
    propose(store, study, 1)
    assert [s.id for s in store.studies.list()] == [study.id, other.id]
    assert [s.id for s in store.studies.list(limit=1, offset=1)] == [other.id]
    assert store.studies.list(status="running") == []
    assert store.studies.counts([study.id, other.id]) == {study.id: {"running": 1}}
    assert store.studies.counts([other.id]) == {}


def test_a_trial_comes_back_as_it_was_stored(store: Store, study: StudyRow) -> None:
    row = propose(store, study, 1, origin={"by": "x", "index": 3}, slot=1, created_at=5.0)
    long = "ü" * 10_000 + "\0" + "\ud800"
    end(store, study, row, metrics={"a": math.inf, "b": math.nan}, score=[1, None], loss=-2.5, error=long)
    back = store.trials.find(study.id, 1)
    assert back is not None
    assert (back.origin, back.slot, back.created_at) == ({"by": "x", "index": 3}, None, 5.0)
    assert back.metrics["a"] == math.inf
    assert math.isnan(back.metrics["b"])
    assert (back.score, back.loss, back.status) == ([1, None], -2.5, "completed")
    assert back.error is not None
    assert back.error.startswith("ü" * 10_000)
    assert "\0" not in back.error
    assert store.trials.find(study.id, 2) is None


def test_trials_are_filtered_and_paged_in_order(store: Store, study: StudyRow) -> None:
    rows = [propose(store, study, n) for n in range(1, 6)]
    end(store, study, rows[1], loss=1.0)
    assert [r.number for r in store.trials.list_page(study.id)] == [1, 2, 3, 4, 5]
    assert [r.number for r in store.trials.list_page(study.id, offset=3)] == [4, 5]
    assert [r.number for r in store.trials.list_page(study.id, limit=2, newest_first=True)] == [5, 4]
    assert [r.number for r in store.trials.list_page(study.id, statuses=["completed"])] == [2]
    assert store.trials.counts(study.id) == {"running": 4, "completed": 1}


def test_what_is_new_since_a_cursor_is_found_whatever_the_order_of_ending(store: Store, study: StudyRow) -> None:
    rows = [propose(store, study, n) for n in (1, 2, 3)]
    end(store, study, rows[2], loss=1.0)
    cursor = store.trials.find(study.id, 3).end_event  # type: ignore[union-attr]
    end(store, study, rows[0], loss=2.0)
    found, head = store.trials.list_changed(study.id, after=cursor or 0)
    assert [r.number for r in found] == [1, 2]  # 1 ended since, 2 has not ended
    assert head == store.events.list_after(study.id)[-1].number
    end(store, study, rows[1], loss=3.0)
    assert [r.number for r in store.trials.list_changed(study.id, after=head)[0]] == [2]


def test_a_trial_that_goes_back_to_waiting_has_not_ended_for_whoever_reads_on(store: Store, study: StudyRow) -> None:
    row = propose(store, study, 1)
    move = TrialMove(row=replace(row, status="waiting", attempt=2), before="running", attempt_before=1)
    event = Event(kind=EventKind.TRIAL_ENDED, trial=1, payload={"again": True})
    store.commits.apply(Change(study_id=study.id, events=[event], moves=[move]))
    head = store.events.list_after(study.id)[-1].number
    [found] = store.trials.list_changed(study.id, after=head)[0]
    assert (found.status, found.attempt, found.end_event) == ("waiting", 2, None)


def test_the_best_is_the_lowest_loss_and_the_earlier_among_equals(store: Store, study: StudyRow) -> None:
    for number, loss in enumerate([3.0, 1.0, None, 1.0, 2.0], start=1):
        end(store, study, propose(store, study, number), loss=loss)
    assert [r.number for r in store.trials.best(study.id, limit=3)] == [2, 4, 5]


def test_events_are_numbered_without_gaps_and_read_by_cursor(store: Store, study: StudyRow) -> None:
    row = propose(store, study, 1)
    end(store, study, row)
    log = store.events.list_after(study.id)
    assert [(e.number, e.kind) for e in log] == [(1, "study_created"), (2, "trial_started"), (3, "trial_ended")]
    assert [e.number for e in store.events.list_after(study.id, 1, limit=1)] == [2]
    assert store.trials.find(study.id, 1).end_event == 3  # type: ignore[union-attr]
    assert store.check() == []


def test_a_proposal_on_an_older_history_is_refused_whole(store: Store, study: StudyRow) -> None:
    propose(store, study, 1)
    late = Change(study_id=study.id, trials_created=0, new_trials=[new_trial(1)], events=[started(1)])
    with pytest.raises(Conflict):
        store.commits.apply(late)
    assert len(store.events.list_after(study.id)) == 2


def test_a_move_from_a_status_the_trial_no_longer_has_is_refused_whole(store: Store, study: StudyRow) -> None:
    row = propose(store, study, 1)
    end(store, study, row, loss=1.0)
    with pytest.raises(IllegalMove, match="completed"):
        end(store, study, row, loss=2.0)
    assert store.trials.find(study.id, 1).loss == 1.0  # type: ignore[union-attr]
    assert len(store.events.list_after(study.id)) == 3


def test_a_lease_is_held_by_one_and_fences_the_last_holder_out(store: Store, study: StudyRow) -> None:
    first = store.leases.acquire(study.id, "a", duration=timedelta(seconds=-1))  # expired at once
    second = store.leases.acquire(study.id, "b")
    assert second > first
    with pytest.raises(StudyBusy, match="b"):
        store.leases.acquire(study.id, "c")
    with pytest.raises(LeaseLost):
        store.leases.renew(study.id, first)
    with pytest.raises(LeaseLost):
        store.commits.apply(Change(study_id=study.id, token=first, events=[started(1)]))
    store.commits.apply(Change(study_id=study.id, token=second, events=[], study={"stop_message": "enough"}))
    assert store.leases.renew(study.id, second).stop_message == "enough"
    store.leases.release(study.id, first)  # not its own any more
    with pytest.raises(StudyBusy):
        store.leases.acquire(study.id, "c")
    store.leases.release(study.id, second)
    assert store.leases.acquire(study.id, "c") > second


def test_a_commit_whose_answer_was_lost_is_written_once(store: Store, study: StudyRow) -> None:
    class Unsure:
        """Commits, then does as a client must that heard no answer: asks again."""

        is_sqlite = store.database.is_sqlite

        def write(self, work):  # type: ignore[no-untyped-def]
            store.database.write(work)
            return store.database.write(work)

    change = Change(study_id=study.id, trials_created=0, new_trials=[new_trial(1)], events=[started(1)])
    events = Commits(Unsure()).apply(change)  # type: ignore[arg-type]
    assert [e.number for e in events] == [2]
    assert store.trials.counts(study.id) == {"running": 1}
    assert len(store.events.list_after(study.id)) == 2


def test_measurements_reported_again_count_once_with_the_last_value(store: Store, study: StudyRow) -> None:
    def points(*values: tuple[int | None, float]) -> list[TrialMeasurements]:
        of = [Measurement(metric="a", step=step, value=value, sem=0.1, at=1.0) for step, value in values]
        return [TrialMeasurements(trial=1, attempt=1, measurements=of)]

    propose(store, study, 1)
    for given in (points((0, 1.0), (1, 2.0), (1, 3.0)), points((1, 4.0), (None, math.nan), (2, math.inf))):
        store.commits.apply(Change(study_id=study.id, events=[], measurements=given))
    back = store.trials.measurements(study.id, 1)
    assert [(m.step, m.value) for m in back[:3]] == [(0, 1.0), (1, 4.0), (2, math.inf)]
    assert back[3].step is None
    assert math.isnan(back[3].value)


def test_measurements_of_all_trials_are_those_of_each_in_its_last_attempt(store: Store, study: StudyRow) -> None:
    for number in (1, 2, 3):
        propose(store, study, number)
    given = [
        TrialMeasurements(
            trial=trial,
            attempt=attempt,
            measurements=[
                Measurement(metric="b", step=None, value=math.inf, at=1.0),
                Measurement(metric="b", step=10, value=attempt, sem=0.5, at=2.0),
                Measurement(metric="a", step=9, value=trial, at=3.0),
            ],
        )
        for trial, attempt in ((1, 1), (3, 1), (3, 2))
    ]
    again = TrialMove(row=new_trial(3, attempt=2), before="running", attempt_before=1)
    store.commits.apply(Change(study_id=study.id, events=[], moves=[again], measurements=given))
    assert store.trials.list_measurements(study.id) == {n: store.trials.measurements(study.id, n) for n in (1, 3)}
    assert [m.value for m in store.trials.list_measurements(study.id)[3]] == [3, 2, math.inf]
    assert [n for n, _ in store.trials.list_reports(study.id, ["a", "b"])] == [1, 1, 3, 3]
    assert [n for n, _ in store.trials.list_reports(study.id, ["a"], numbers=[2, 3])] == [3]
    assert store.trials.list_reports(study.id, ["a"], numbers=[]) == []


def test_deleting_removes_all_and_is_refused_while_an_engine_runs(store: Store, study: StudyRow) -> None:
    propose(store, study, 1)
    token = store.leases.acquire(study.id, "somebody")
    with pytest.raises(StudyBusy):
        store.studies.delete(study.name)
    store.leases.release(study.id, token)
    store.studies.delete(study.name)
    assert store.studies.list() == []
    assert store.info()["trials"] == store.info()["events"] == 0


def test_info_tells_what_there_is_without_the_password(store: Store, study: StudyRow) -> None:
    assert store.info()["studies"] == 1
    assert store.info()["schema"] == "0006"


def test_check_finds_a_hole_in_the_log(store: Store, study: StudyRow) -> None:
    propose(store, study, 1)
    from sqlalchemy import text

    store.database.write(lambda c: c.execute(text("DELETE FROM events WHERE number = 1")))
    assert "log should have 2 events and has 1" in store.check()[0]
