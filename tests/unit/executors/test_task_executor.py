"""Trials as tasks: what the executor does where something went wrong. The store is in memory."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meristem.errors import QueueNotFound, StoreUnavailable, TaskNotFound, TaskRefused
from meristem.executors.task import TaskExecutor
from meristem.executors.task_template import task_id
from meristem.needs import Needs, Offer
from meristem.statuses import Cause, TaskStatus
from meristem.store.output_rows import Curve, Positions, Shipment
from meristem.store.store import Store
from meristem.store.task_rows import Claim, Ending, Held, NewTask, NewWorker
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report

NOW, SOON = timedelta(0), timedelta(seconds=0.2)


@pytest.fixture
def store() -> Store:
    store = Store()
    store.queues.create("q")
    store.tasks.create(NewTask(id="a" * 16, project="demo", name="train", parameters={"General/lr": 0.1}))
    store.workers.register(NewWorker(id="w", name="w", queues=["q"], offer=Offer()))
    return store


def ready(store: Store, **args: Any) -> TaskExecutor:
    executor = TaskExecutor("train", "q", poll_seconds=0.001, **args)
    executor.use_store(store)
    executor.open(2)
    return executor


def attempt(number: int = 1, **more: Any) -> Attempt:
    fields = {"parameters": {"lr": 0.5}, "key": f"k-{number}", **more}
    return Attempt(study="s", number=number, attempt=1, folder=Path("."), slot=0, **fields)


def claim(store: Store) -> Claim:
    (found,) = store.claims.claim("w", ["q"], [Needs()], 1)
    return found


def finish(store: Store, claim: Claim, status: TaskStatus = TaskStatus.COMPLETED, **more: Any) -> None:
    store.claims.finish("w", [Ending(number=claim.number, fence=claim.fence, status=status, **more)])


def ship(store: Store, claim: Claim, steps: dict[int, float]) -> None:
    before = store.task_outputs.positions(claim.number, claim.fence)
    curve = Curve(
        title="loss", series="loss", steps=[*steps], values=[*steps.values()], at=[time.time()] * len(steps),
        count=len(steps),
    )  # fmt: skip
    after = Positions(report=before.report + 1)
    store.task_outputs.ship(
        Shipment(number=claim.number, fence=claim.fence, worker="w", before=before, after=after, curves=[curve])
    )


def poll(executor: TaskExecutor) -> list[Report]:
    return executor.poll(SOON)


def outcome(executor: TaskExecutor) -> Outcome:
    (report,) = [report for report in poll(executor) if report.outcome]
    assert report.outcome is not None
    return report.outcome


def test_several_trials_are_made_and_enqueued_in_order_and_said_to_be_deployed(store: Store) -> None:
    executor = ready(store, priority=3)
    for number in (1, 2, 3):
        executor.start(attempt(number))
    assert [(r.number, r.deployment) for r in poll(executor)] == [
        (n, {"task": task_id(f"k-{n}"), "number": n + 1}) for n in (1, 2, 3)
    ]
    assert [(t.number, t.priority) for t in store.queues.waiting("q")] == [(2, 3), (3, 3), (4, 3)]
    assert poll(executor) == []


def test_a_task_that_was_made_and_not_enqueued_before_a_crash_is_enqueued_by_the_next_engine(store: Store) -> None:
    before = ready(store)
    before.start(attempt())
    before._make()
    after = ready(store)
    assert after.adopt(attempt())
    (report,) = poll(after)
    assert report.deployment is not None
    assert len(store.queues.waiting("q")) == 1
    assert len(store.tasks.list()) == 2


def test_an_attempt_that_is_started_again_under_its_key_has_one_task(store: Store) -> None:
    for executor in (ready(store), ready(store)):
        executor.start(attempt())
        poll(executor)
    assert len(store.tasks.list()) == 2


def test_what_ended_while_no_engine_was_there_is_told_with_all_that_it_measured(store: Store) -> None:
    before = ready(store)
    before.start(attempt())
    poll(before)
    before.close()
    running = claim(store)
    ship(store, running, {1: 0.5, 2: 0.25})
    finish(store, running)
    after = ready(store)
    assert after.adopt(attempt(deployment={"task": running.id}))
    (report,) = poll(after)
    assert [(m.metric, m.step, m.value) for m in report.measurements] == [("loss", 1, 0.5), ("loss", 2, 0.25)]
    assert report.outcome == Outcome(status=OutcomeStatus.COMPLETED, score={"loss": 0.25})


def test_a_lost_machine_is_no_news_and_repeated_steps_are_not_told_again(store: Store) -> None:
    executor = ready(store)
    executor.start(attempt())
    poll(executor)
    first = claim(store)
    ship(store, first, {1: 0.5, 2: 0.4})
    assert [m.step for m in poll(executor)[0].measurements] == [1, 2]
    store.claims.hand_back("w", [Held(number=first.number, fence=first.fence)], cause=Cause.MACHINE_LOST)
    assert poll(executor) == []
    second = claim(store)
    ship(store, second, {1: 0.5, 2: 0.4, 3: 0.3})
    finish(store, second, result={"accuracy": 0.9})
    (report,) = poll(executor)
    assert [m.step for m in report.measurements] == [3]
    assert report.outcome == Outcome(status=OutcomeStatus.COMPLETED, score={"loss": 0.3, "accuracy": 0.9})


def test_a_queue_that_takes_no_more_fails_the_trial_and_no_other(store: Store) -> None:
    executor = ready(store)
    executor.start(attempt(1))
    poll(executor)
    store.queues.drain("q")
    executor.start(attempt(2))
    found = outcome(executor)
    assert found.status is OutcomeStatus.FAILED
    assert "draining" in str(found.error)
    store.queues.resume("q")
    finish(store, claim(store))
    assert outcome(executor).status is OutcomeStatus.COMPLETED


def test_a_failure_has_its_cause_and_the_end_of_the_console(store: Store) -> None:
    executor = ready(store)
    executor.start(attempt())
    poll(executor)
    running = claim(store)
    places = {"before": Positions(), "after": Positions(console=9)}
    store.task_outputs.ship(
        Shipment(number=2, fence=running.fence, worker="w", console=["a\nValueError: no\n"], **places)
    )
    finish(store, running, TaskStatus.FAILED, cause=Cause.CODE_FAILED, message="exit code 1")
    found = outcome(executor)
    assert (found.status, found.error) == (OutcomeStatus.FAILED, "task 2: exit code 1")
    assert found.traceback == "a\nValueError: no"


def test_a_trial_that_waits_is_stopped_at_once_and_one_without_task_gets_none(store: Store) -> None:
    executor = ready(store)
    executor.start(attempt(1))
    poll(executor)
    executor.start(attempt(2))
    for number in (1, 2):
        executor.stop(number, SOON)
    found = {r.number: r.outcome.status for r in poll(executor) if r.outcome}
    assert found == {1: OutcomeStatus.STOPPED, 2: OutcomeStatus.STOPPED}
    assert [task.status for task in store.tasks.list()] == [TaskStatus.ABORTED, TaskStatus.CREATED]


def test_aborted_or_deleted_by_others_a_trial_is_given_up(store: Store) -> None:
    executor = ready(store)
    for number in (1, 2):
        executor.start(attempt(number))
    poll(executor)
    store.claims.request_abort(2, "wrong data")
    store.queues.dequeue(3)
    assert outcome(executor) == Outcome(status=OutcomeStatus.ABANDONED, error="task 2: wrong data")
    assert poll(executor) == []  # a draft may be enqueued again
    store.tasks.delete(3)
    assert outcome(executor) == Outcome(status=OutcomeStatus.ABANDONED, error="task 3 was deleted")


def test_a_task_that_heeds_no_abort_may_run_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meristem.executors.task._STOP_MARGIN", 0.0)
    executor = ready(store)
    executor.start(attempt())
    poll(executor)
    claim(store)
    executor.stop(1, NOW)
    found = outcome(executor)
    assert (found.status, found.may_run) == (OutcomeStatus.STOPPED, True)


def test_held_back_trials_end_as_stopped(store: Store) -> None:
    executor = ready(store)
    executor.start(attempt())
    executor.hold()
    assert outcome(executor).status is OutcomeStatus.STOPPED
    assert len(store.tasks.list()) == 1


def test_a_store_that_is_away_only_delays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = ready(store)

    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("no route")

    with monkeypatch.context() as patch:
        patch.setattr(store.tasks, "create_many", away)
        executor.start(attempt())
        assert poll(executor) == []
    assert poll(executor)[0].deployment is not None
    with monkeypatch.context() as patch:
        patch.setattr(store.task_news, "look", away)
        assert poll(executor) == []
    finish(store, claim(store), result=1.0)
    assert outcome(executor).score == 1.0


def test_a_queue_or_template_that_is_not_there_is_told_before_anything_starts(store: Store) -> None:
    with pytest.raises(QueueNotFound):
        TaskExecutor("train", "w").use_store(store)
    with pytest.raises(TaskNotFound):
        TaskExecutor("trian", "q").use_store(store)


def test_of_several_tasks_of_one_name_the_newest_is_the_template(store: Store) -> None:
    store.tasks.create(NewTask(id="b" * 16, project="demo", name="train", parameters={"General/lr": 0.7}))
    store.tasks.create(NewTask(id="c" * 16, project="demo", name="training"))
    executor = ready(store)
    executor.start(attempt(parameters={}))
    poll(executor)
    assert store.tasks.list(limit=1)[0].parameters == {"General/lr": 0.7}


def test_one_task_that_is_refused_holds_up_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = ready(store)
    enqueue = store.queues.enqueue

    def picky(numbers: Any, *args: Any, **more: Any) -> None:
        if 3 in numbers:
            raise TaskRefused(3, "published", "enqueued")
        enqueue(numbers, *args, **more)

    monkeypatch.setattr(store.queues, "enqueue", picky)
    for number in (1, 2, 3):
        executor.start(attempt(number))
    reports = poll(executor)
    assert {r.number: r.outcome and r.outcome.status for r in reports} == {1: None, 2: OutcomeStatus.FAILED, 3: None}
    assert [task.number for task in store.queues.waiting("q")] == [2, 4]
