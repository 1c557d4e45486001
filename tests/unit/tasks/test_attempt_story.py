"""The story of a task's attempts, from its events."""

from __future__ import annotations

from typing import Any

import pytest

from meristem.events import TaskEvent, TaskEventKind
from meristem.statuses import Cause, TaskStatus
from meristem.store.task_rows import TaskRow
from meristem.tasks.attempt_story import attempts_of, dated, ordinal, story

KIND = TaskEventKind


def events(*given: tuple[TaskEventKind, dict[str, Any]]) -> list[TaskEvent]:
    return [TaskEvent(kind=kind, task=1, at=float(at), payload=payload) for at, (kind, payload) in enumerate(given)]


def started(attempt: int, worker: str = "w", **more: Any) -> tuple[TaskEventKind, dict[str, Any]]:
    return KIND.TASK_STARTED, {"attempt": attempt, "worker": worker, **more}


def given_up(attempt: int, cause: Cause) -> tuple[TaskEventKind, dict[str, Any]]:
    return KIND.TASK_REQUEUED, {"attempt": attempt, "cause": cause.value, "message": "why"}


def ended(status: str = "completed", **more: Any) -> tuple[TaskEventKind, dict[str, Any]]:
    return KIND.TASK_ENDED, {"status": status, **more}


LOST, PREEMPTED = Cause.MACHINE_LOST, Cause.PREEMPTED


def test_each_attempt_has_its_worker_its_times_and_its_cause() -> None:
    first, second = attempts_of(
        events(started(1, "s1"), given_up(1, LOST), started(2, "s2"), ended("failed", cause="code_failed")),
        {"s1": "rack1"},
    )
    assert (first.worker, first.started_at, first.ended_at, first.ended) == ("rack1", 0, 1, "requeued")
    assert (first.cause, first.message) == (LOST, "why")
    assert (second.worker, second.ended, second.cause) == ("s2", "failed", Cause.CODE_FAILED)


def test_an_attempt_that_was_left_to_workers_is_told_as_such_and_is_no_part_of_the_story() -> None:
    left = (KIND.TASK_REQUEUED, {"attempt": 1, "left": True, "message": "left to the workers of queue gpu"})
    first, second = attempts_of(events(started(1, "hand", by_hand=True), left, started(1, "s1"), ended()))
    assert (first.ended, first.cause, first.before_reset) == ("left to workers", None, True)
    assert (second.ended, second.before_reset) == ("completed", False)
    assert story([first]) is None
    assert story([first, second]) is None


def test_an_attempt_by_hand_has_the_times_that_its_script_had_and_not_when_the_store_heard_of_them() -> None:
    fields = {"id": "a", "project": "p", "name": "n", "kind": "training", "status": TaskStatus.FAILED}
    row = TaskRow(number=1, attempt=1, started_at=-2.0, ended_at=-1.0, **fields)  # type: ignore[arg-type]
    by_hand = attempts_of(events(started(1, by_hand=True), ended("failed")))
    assert [(one.started_at, one.ended_at) for one in dated(by_hand, row)] == [(-2.0, -1.0)]
    on_worker = attempts_of(events(started(1), ended("failed")))
    assert dated(on_worker, row) == on_worker
    earlier = attempts_of(events(started(1, by_hand=True), ended("failed"), (KIND.TASK_RESET, {})))
    assert dated(earlier, row) == earlier
    assert dated([], row) == []


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ([], None),
        ([started(1)], None),
        ([started(1), ended()], None),
        ([started(1), ended("failed", cause="code_failed")], None),
        ([started(1), given_up(1, LOST)], "2nd attempt: machine lost"),
        ([started(1), given_up(1, LOST), started(2)], "2nd attempt: machine lost"),
        (
            [started(1), given_up(1, LOST), started(2), given_up(2, PREEMPTED), started(3), ended()],
            "3rd attempt: machine lost, preempted",
        ),
        ([started(1), given_up(1, LOST), started(2), given_up(2, LOST)], "3rd attempt: machine lost ×2"),
        ([started(1), given_up(1, LOST), started(2), ended(), (KIND.TASK_RESET, {})], None),
        ([started(1), given_up(1, LOST), (KIND.TASK_RESET, {}), started(1), ended()], None),
    ],
)
def test_the_story_tells_of_attempts_that_were_given_up(log: list[Any], told: str | None) -> None:
    assert story(attempts_of(events(*log))) == told


def test_an_abort_of_a_task_that_waited_is_no_attempts_end() -> None:
    (only,) = attempts_of(events(started(1), given_up(1, LOST), ended("aborted", cause="aborted")))
    assert only.ended == "requeued"


def test_a_script_whose_machine_slept_goes_on_as_the_same_attempt() -> None:
    log = [started(1, by_hand=True), ended("failed", cause="machine_lost"), started(1, again=True, by_hand=True)]
    (only,) = attempts_of(events(*log))
    assert (only.ended, only.ended_at, only.cause, only.by_hand) == ("running", None, None, True)


def test_causes_of_a_later_meristem_are_no_fault() -> None:
    (only,) = attempts_of(events(started(1), ended("failed", cause="struck_by_lightning")))
    assert (only.ended, only.cause) == ("failed", None)


def test_ordinals() -> None:
    wanted = ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th"]
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111)] == wanted
