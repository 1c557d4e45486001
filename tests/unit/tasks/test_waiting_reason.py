"""Why a task does not run yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meristem.needs import Needs, Offer
from meristem.statuses import QueueStatus, TaskStatus, WorkerStatus
from meristem.store.task_rows import QueueRow, TaskRow, WorkerRow
from meristem.tasks.waiting_reason import why_waiting

NOW = 1000.0


def worker(name: str, *, queues: Sequence[str] = ("gpu",), running: Sequence[int] = (), **offer: Any) -> WorkerRow:
    return WorkerRow(
        id=name, name=name, status=WorkerStatus.ACTIVE, queues=tuple(queues), offer=Offer(**offer), facts={}, usage={},
        started_at=0, seen_at=NOW, lease_seconds=30, running=tuple(running),
    )  # fmt: skip


def why(*workers: WorkerRow, ahead: int = 0, queue: QueueStatus = QueueStatus.OPEN, **task: Any) -> str:
    fields = {"status": TaskStatus.QUEUED, "queue": "gpu", **task}
    row = TaskRow(number=7, id="a" * 16, project="p", name="n", kind="training", **fields)
    return "; ".join(why_waiting(row, QueueRow(id=1, name="gpu", status=queue), ahead, workers, NOW))


def test_a_draft_is_to_be_enqueued() -> None:
    row = TaskRow(number=7, id="a" * 16, project="p", name="n", kind="training", status=TaskStatus.CREATED)
    assert "meristem task enqueue 7" in why_waiting(row, None, None, [], NOW)[0]


def test_nothing_is_said_of_what_runs_or_has_ended() -> None:
    for status in (TaskStatus.RUNNING, TaskStatus.COMPLETED, TaskStatus.ABORTED):
        assert why(status=status) == ""


def test_without_a_worker_it_is_said_how_to_start_one() -> None:
    assert "meristem worker --queue gpu" in why()
    assert "no worker serves the queue" in why(worker("elsewhere", queues=["default"]))


def test_the_worker_that_comes_nearest_is_named_with_what_it_lacks() -> None:
    needs = Needs(gpus=2, labels=frozenset({"a100"}))
    found = why(worker("small"), worker("near", gpus=1, labels=frozenset({"a100"})), needs=needs)
    assert found == "none of the 2 workers (small, near) that serve the queue fits; near comes nearest and lacks " + (
        "2 GPUs (has 1)"
    )


def test_the_only_worker_is_named_alone() -> None:
    found = why(worker("small"), needs=Needs(gpus=1))
    assert found == "small, the only worker that serves the queue, lacks 1 GPUs (has 0)"


def test_busy_workers_and_tasks_before_it_are_counted() -> None:
    found = why(worker("a", running=[1]), worker("b", running=[2]), ahead=3)
    assert found == "3 tasks are before it; the 2 workers (a, b) that could run it are busy"
    assert why(worker("a", running=[1]), ahead=1).startswith("1 task is before it")


def test_a_delay_is_all_there_is_to_say() -> None:
    assert why(worker("a"), not_before=NOW + 600) == "it may start in 10 min"


def test_a_paused_queue_says_so_and_that_a_free_worker_is_of_no_use() -> None:
    found = why(worker("a"), queue=QueueStatus.PAUSED)
    assert found == "the queue is paused; open it with: meristem queue resume gpu"
