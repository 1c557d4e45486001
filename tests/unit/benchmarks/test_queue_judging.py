"""The judge of the fault run: what it counts as good, and what it must not let pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.queue.judging import Judgement, Note, judge

from meristem.events import TaskEvent, TaskEventKind
from meristem.statuses import TaskStatus
from meristem.store.task_rows import TaskRow

ROW = TaskRow(
    number=1, id="a1", project="p", name="n", kind="training", status=TaskStatus.COMPLETED, attempt=2, fence=2,
    result={"attempt": 2, "fence": 2},
)  # fmt: skip
NOTES = [
    Note(what="start", number=1, attempt=1, fence=1, at=1.0),
    Note(what="start", number=1, attempt=2, fence=2, at=8.0),
    Note(what="end", number=1, attempt=2, fence=2, at=9.0),
]


def event(kind: TaskEventKind, at: float, **payload: Any) -> TaskEvent:
    return TaskEvent(kind=kind, task=1, cursor=(1, int(at)), at=at, payload=payload)


REQUEUED = event(TaskEventKind.TASK_REQUEUED, 107.0, cause="machine_lost", worker="w0.1")
ENDED = event(TaskEventKind.TASK_ENDED, 109.0, status="completed")


def judged(row: TaskRow | None = ROW, *ends: TaskEvent, notes: list[Note] | None = None) -> Judgement:
    deaths = {"w0.1": [101.0, 200.0]}
    return judge([1], {1: row} if row else {}, [REQUEUED, *ends], NOTES if notes is None else notes, deaths)


def test_a_task_that_was_lost_once_and_ended_once_is_good() -> None:
    found = judged(ROW, ENDED)
    assert found.good
    assert (found.executions, found.overlaps, found.requeued) == (2, 0, {"machine_lost": 1})


def test_the_time_to_requeue_is_from_the_last_misfortune_before_it() -> None:
    assert judged(ROW, ENDED).requeue_seconds == {"median": 6.0, "max": 6.0, "count": 1}


def test_two_ends_are_not_good() -> None:
    found = judged(ROW, ENDED, ENDED)
    assert (found.duplicated, found.accepted, found.good) == (1, 0, False)


def test_a_task_that_the_store_does_not_have_is_lost() -> None:
    assert (judged(None).lost, judged(None).good) == (1, False)


def test_an_end_of_which_the_log_says_nothing_is_lost() -> None:
    assert (judged(ROW).lost, judged(ROW).good) == (1, False)


def test_a_task_that_still_runs_is_stuck() -> None:
    found = judged(replace(ROW, status=TaskStatus.RUNNING))
    assert (found.stuck, found.good) == (1, False)


def test_a_task_that_failed_is_not_good() -> None:
    found = judged(replace(ROW, status=TaskStatus.FAILED), ENDED)
    assert (found.not_completed, found.accepted, found.good) == (1, 1, False)


def test_the_result_of_an_attempt_that_does_not_count_is_unfounded() -> None:
    found = judged(replace(ROW, result={"attempt": 1, "fence": 1}), ENDED)
    assert (found.unfounded, found.good) == (1, False)


def test_a_result_that_nothing_came_to_is_unfounded() -> None:
    assert judged(ROW, ENDED, notes=NOTES[:2]).unfounded == 1


def test_executions_that_ran_at_one_time_are_counted() -> None:
    late = Note(what="end", number=1, attempt=1, fence=1, at=8.5)
    assert judged(ROW, ENDED, notes=[*NOTES, late]).overlaps == 1
