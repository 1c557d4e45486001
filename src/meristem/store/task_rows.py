"""What the store holds of tasks, queues and workers, as values; and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meristem.needs import Needs, Offer
from meristem.statuses import Cause, QueueStatus, TaskStatus, WorkerStatus

MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task as stored. Times are seconds since the epoch, on the database's clock.

    Attributes:
        number: What people call it by in one store.
        id: What it is called everywhere: 16 hexadecimal digits, the first a letter.
        source: Repository, commit, diff, entry point … (JSON).
        environment: Python version and packages (JSON).
        parameters: JSON values by `Section/name`.
        priority: Higher first.
        not_before: It waits for this moment; None: it may start at once.
        attempt: How often it was started since it was made or reset.
        charged: How many attempts count against `max_attempts`.
        fence: Number of the claim by which its present attempt runs.
        worker: Session of the worker that runs it, or ran it last.
        parent: Number of the task that it was cloned from.
        cause: Why the last attempt ended, where that was not well.
        result: What its function returned, or it set itself (JSON).
        abort_message: What somebody said who asked for its end; None once it has ended.
    """

    number: int
    id: str
    project: str
    name: str
    kind: str
    status: TaskStatus
    comment: str = ""
    tags: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needs: Needs = field(default_factory=Needs)
    queue: str | None = None
    priority: int = 0
    not_before: float | None = None
    attempt: int = 0
    charged: int = 0
    max_attempts: int = MAX_ATTEMPTS
    fence: int = 0
    worker: str | None = None
    parent: int | None = None
    progress: float | None = None
    cause: Cause | None = None
    message: str | None = None
    result: Any = None
    abort_message: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    enqueued_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    published_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to be made. With an `id` that the store has, the task that is there is meant."""

    id: str
    project: str
    name: str
    kind: str = "training"
    comment: str = ""
    tags: Sequence[str] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needs: Needs = field(default_factory=Needs)
    max_attempts: int = MAX_ATTEMPTS
    parent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks are listed; all that is given must hold. `name` is part of the name; tags: all of them."""

    project: str | None = None
    name: str | None = None
    statuses: Sequence[str] = ()
    tags: Sequence[str] = ()
    queue: str | None = None
    worker: str | None = None
    parent: int | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One task, handed to a worker: all that it needs to run it, without asking again."""

    number: int
    id: str
    project: str
    name: str
    queue: str
    attempt: int
    fence: int
    needs: Needs
    source: Mapping[str, Any]
    environment: Mapping[str, Any]
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An attempt that somebody holds."""

    number: int
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended.

    Attributes:
        status: `completed`, `failed` or `aborted`. Of a failure whose cause is worth another attempt (`statuses.AGAIN`)
            the store decides whether the task goes back to its queue.
        result: JSON value.
        message: One line that says why, where it did not end well.
    """

    number: int
    fence: int
    status: TaskStatus
    cause: Cause | None = None
    message: str | None = None
    result: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A queue, and how much is in it.

    Attributes:
        waiting: Tasks that may start now.
        delayed: Tasks that wait for their moment.
        running: Tasks that came from it and run.
        oldest_seconds: How long the first of those that may start has been waiting.
    """

    id: int
    name: str
    status: QueueStatus
    description: str = ""
    created_at: float = 0.0
    waiting: int = 0
    delayed: int = 0
    running: int = 0
    oldest_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorker:
    """A worker that registers. `facts`: host, pid, versions (JSON)."""

    id: str
    name: str
    queues: Sequence[str]
    offer: Offer
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A worker as stored. `lease_seconds`: how long its lease still holds."""

    id: str
    name: str
    status: WorkerStatus
    queues: tuple[str, ...]
    offer: Offer
    facts: Mapping[str, Any]
    usage: Mapping[str, Any]
    started_at: float
    seen_at: float
    lease_seconds: float
    ended_at: float | None = None
    message: str | None = None
    running: tuple[int, ...] = ()  # numbers of its tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPulse:
    """What a worker hears when it renews its lease.

    Attributes:
        draining: Somebody asked it to finish what runs and to claim nothing more.
        aborts: By number: why the task shall end.
        lost: Attempts that it holds and that no longer count; they are to be ended, and nothing is to be reported.
        unknown: Attempts that the store counts as its own and that it does not hold: claims whose answer was lost.
    """

    draining: bool
    aborts: Mapping[int, str]
    lost: Sequence[Held]
    unknown: Sequence[Held]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep found: workers whose lease had run out, and what became of their tasks."""

    workers: Sequence[str] = ()
    requeued: Sequence[int] = ()
    failed: Sequence[int] = ()
    due: int = 0  # delayed tasks whose moment has come
    living: int = 0  # workers: the more there are, the more rarely each needs to sweep
