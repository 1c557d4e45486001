"""Why a task does not run yet: its queue, those before it, and the workers that there are (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from meristem.needs import Needs, fits, missing
from meristem.statuses import QueueStatus, TaskStatus, WorkerStatus
from meristem.store.task_rows import QueueRow, TaskRow, WorkerRow

_SHOWN = 3


def serving(queue: str, workers: Sequence[WorkerRow]) -> list[WorkerRow]:
    """Those of the living `workers` that take tasks from `queue`."""
    return [worker for worker in workers if queue in worker.queues and worker.status is WorkerStatus.ACTIVE]


def why_waiting(
    task: TaskRow, queue: QueueRow | None, ahead: int | None, workers: Sequence[WorkerRow], now: float
) -> list[str]:
    """Why `task` does not run yet, as clauses; empty where it runs or has ended.

    Args:
        queue: Where it waits.
        ahead: How many tasks wait before it; None: it is not known.
        workers: Those that live.
        now: Seconds since the epoch, on the clock of the task's times.
    """
    if task.status is TaskStatus.CREATED:
        return [f"it is a draft; it runs once it is enqueued: meristem task enqueue {task.number} --queue NAME"]
    if task.status is not TaskStatus.QUEUED or queue is None:
        return []
    reasons = []
    if queue.status is QueueStatus.PAUSED:
        reasons.append(f"the queue is paused; open it with: meristem queue resume {queue.name}")
    if task.not_before is not None and task.not_before > now:
        return [*reasons, f"it may start in {_span(task.not_before - now)}"]
    if ahead:
        reasons.append(f"{ahead} {'task is' if ahead == 1 else 'tasks are'} before it")
    return [*reasons, *_of_workers(queue.name, task.needs, workers, shut=queue.status is QueueStatus.PAUSED)]


def _of_workers(queue: str, needs: Needs, workers: Sequence[WorkerRow], *, shut: bool) -> list[str]:
    able = serving(queue, workers)
    if not able:
        draining = [worker.name for worker in workers if queue in worker.queues]
        why = f"only {', '.join(draining[:_SHOWN])}, draining" if draining else "none that lives"
        return [f"no worker serves the queue ({why}); start one with: meristem worker --queue {queue}"]
    fitting = [worker for worker in able if fits(needs, worker.offer)]
    if not fitting:
        nearest = min(able, key=lambda worker: (len(missing(needs, worker.offer)), worker.name))
        lacks = " and ".join(missing(needs, nearest.offer))
        if len(able) == 1:
            return [f"{nearest.name}, the only worker that serves the queue, lacks {lacks}"]
        return [f"none of the {_count(able)} that serve the queue fits; {nearest.name} comes nearest and lacks {lacks}"]
    busy = [worker for worker in fitting if worker.running]
    if len(busy) == len(fitting):
        return [f"the {_count(fitting)} that could run it {'is' if len(fitting) == 1 else 'are'} busy"]
    idle = next(worker.name for worker in fitting if not worker.running)
    return [] if shut else [f"worker {idle} is free and could take it"]


def _count(workers: Sequence[WorkerRow]) -> str:
    names = ", ".join(worker.name for worker in workers[:_SHOWN]) + (" …" if len(workers) > _SHOWN else "")
    return f"{len(workers)} worker{'' if len(workers) == 1 else 's'} ({names})"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
