"""Where studies, trials, tasks, queues, workers and dataset versions stand, and the tables of legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from meristem.errors import IllegalMove


class StudyStatus(StrEnum):
    """Where a study stands."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"  # the budget is used, or there is nothing more to try
    STOPPED = "stopped"  # somebody asked for it
    INTERRUPTED = "interrupted"  # Ctrl-C, or the engine died
    FAILED = "failed"


class TrialStatus(StrEnum):
    """Where a trial stands."""

    WAITING = "waiting"  # proposed, or to be run again
    RUNNING = "running"
    COMPLETED = "completed"  # has a finite value of every objective
    FAILED = "failed"
    STOPPED = "stopped"  # ended early on request; what it measured counts for models, not as the best
    ABANDONED = "abandoned"  # given up by hand


MOVES: Mapping[TrialStatus, frozenset[TrialStatus]] = {
    TrialStatus.WAITING: frozenset({TrialStatus.RUNNING, TrialStatus.ABANDONED}),
    TrialStatus.RUNNING: frozenset(set(TrialStatus)),  # to running: it was deployed
    TrialStatus.COMPLETED: frozenset(),
    TrialStatus.FAILED: frozenset(),
    TrialStatus.STOPPED: frozenset(),
    TrialStatus.ABANDONED: frozenset(),
}
ENDED = frozenset(status for status, onward in MOVES.items() if not onward)


def check_move(number: int, before: str, after: str) -> None:
    """Raises IllegalMove where the table has no such move of trial `number`."""
    if TrialStatus(after) not in MOVES[TrialStatus(before)]:
        raise IllegalMove(f"Trial {number}", before, after)


class TaskStatus(StrEnum):
    """Where a task stands."""

    CREATED = "created"  # a draft: may be edited, is not to run yet
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"


TASK_MOVES: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.CREATED: frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING}),  # running at once: started by hand
    TaskStatus.QUEUED: frozenset({TaskStatus.RUNNING, TaskStatus.CREATED, TaskStatus.ABORTED}),
    TaskStatus.RUNNING: frozenset({TaskStatus.QUEUED, TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.ABORTED}),
    TaskStatus.COMPLETED: frozenset({TaskStatus.CREATED}),  # by a reset
    TaskStatus.FAILED: frozenset({TaskStatus.CREATED}),
    TaskStatus.ABORTED: frozenset({TaskStatus.CREATED}),
}
TASK_ENDED = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.ABORTED})


class Cause(StrEnum):
    """Why an attempt of a task ended otherwise than well."""

    CODE_FAILED = "code_failed"  # the training's own mistake: trying again would not help
    NOT_PREPARED = "not_prepared"  # its code or environment could not be made ready
    MACHINE_LOST = "machine_lost"  # its worker, or the machine, was not heard of any more
    OUT_OF_MEMORY = "out_of_memory"
    PREEMPTED = "preempted"  # handed back by a worker that was told to end: not held against the task
    TIMED_OUT = "timed_out"
    ABORTED = "aborted"


AGAIN = frozenset({Cause.MACHINE_LOST, Cause.OUT_OF_MEMORY, Cause.PREEMPTED})  # worth another attempt
CHARGED = frozenset({Cause.MACHINE_LOST, Cause.OUT_OF_MEMORY})  # counted against `max_attempts`


class QueueStatus(StrEnum):
    """What a queue does."""

    OPEN = "open"
    PAUSED = "paused"  # takes tasks, gives none out
    DRAINING = "draining"  # gives out what it has, takes no more


class WorkerStatus(StrEnum):
    """Where a worker stands."""

    ACTIVE = "active"
    DRAINING = "draining"  # finishes what runs, claims nothing more
    ENDED = "ended"
    LOST = "lost"  # its lease ran out


class VersionStatus(StrEnum):
    """Where a version of a dataset stands."""

    DRAFT = "draft"  # may change, is read by nobody but who makes it
    FINAL = "final"  # its files never change again
    PUBLISHED = "published"  # nor does what is said of it, but for tags
    DELETED = "deleted"  # its row stays, for the lineage of others; its number is never given again


VERSION_MOVES: Mapping[VersionStatus, frozenset[VersionStatus]] = {
    VersionStatus.DRAFT: frozenset({VersionStatus.FINAL, VersionStatus.DELETED}),  # deleted: it was discarded
    VersionStatus.FINAL: frozenset({VersionStatus.PUBLISHED, VersionStatus.DELETED}),
    VersionStatus.PUBLISHED: frozenset({VersionStatus.DELETED}),  # only by force
    VersionStatus.DELETED: frozenset(),
}
VERSION_READABLE = frozenset({VersionStatus.FINAL, VersionStatus.PUBLISHED})
