"""The vocabulary of what happens: the names of events, and one event as it stands in the log.

Events are appended in the transaction of the change that they tell of (see `meristem.store`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """What may happen to a study, past tense."""

    STUDY_CREATED = "study_created"
    STUDY_STARTED = "study_started"
    SPACE_AVAILABLE = "space_available"
    RECOMMENDATIONS_AVAILABLE = "recommendations_available"
    TRIAL_ENQUEUED = "trial_enqueued"
    TRIAL_STARTED = "trial_started"
    TRIAL_DEPLOYED = "trial_deployed"
    MEASUREMENT_REPORTED = "measurement_reported"
    TRIAL_ENDED = "trial_ended"
    SLOT_SUSPENDED = "slot_suspended"
    SLOT_RESUMED = "slot_resumed"
    ABORT_REQUESTED = "abort_requested"
    STOP_REQUESTED = "stop_requested"
    STUDY_ENDED = "study_ended"


class TaskEventKind(StrEnum):
    """What may happen to a task, past tense."""

    TASK_CREATED = "task_created"
    TASK_EDITED = "task_edited"
    TASK_ENQUEUED = "task_enqueued"
    TASK_MOVED = "task_moved"
    TASK_DEQUEUED = "task_dequeued"
    TASK_STARTED = "task_started"
    TASK_REQUEUED = "task_requeued"
    TASK_ABORT_REQUESTED = "task_abort_requested"
    TASK_ENDED = "task_ended"
    TASK_RESET = "task_reset"
    TASK_PUBLISHED = "task_published"


class DatasetEventKind(StrEnum):
    """What may happen to a dataset and its versions, past tense."""

    DATASET_CREATED = "dataset_created"
    DRAFT_BEGUN = "draft_begun"
    DRAFT_CHECKPOINTED = "draft_checkpointed"
    DRAFT_DISCARDED = "draft_discarded"
    VERSION_FINALIZED = "version_finalized"
    VERSION_PUBLISHED = "version_published"
    VERSION_TAGGED = "version_tagged"
    VERSION_UNTAGGED = "version_untagged"
    VERSION_DELETED = "version_deleted"
    PACKS_CONDEMNED = "packs_condemned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a study's event log.

    Attributes:
        number: Position in the study's log, from 1 without gaps: the cursor for reading on.
        at: Seconds since the epoch, on the store's clock.
        trial: Number of the trial it concerns, if any.
    """

    kind: EventKind
    number: int = 0
    at: float = 0.0
    trial: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One line of the event log of tasks.

    Attributes:
        cursor: Where it stands in the log: reading on after it misses nothing, whoever writes meanwhile.
        at: Seconds since the epoch, on the database's clock.
        task: Number of the task.
    """

    kind: TaskEventKind
    task: int
    cursor: tuple[int, int] = (0, 0)
    at: float = 0.0
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEvent:
    """One line of the event log of datasets.

    Attributes:
        dataset: Id of the dataset; None: it concerns no single one.
        version: Id of the version, where it concerns one.
        cursor: Where it stands in the log: reading on after it misses nothing, whoever writes meanwhile.
        at: Seconds since the epoch, on the database's clock.
        payload: Of a version: its `project`, `name`, `number`, `status` and `tags` at that moment, and more.
    """

    kind: DatasetEventKind
    dataset: int | None = None
    version: int | None = None
    cursor: tuple[int, int] = (0, 0)
    at: float = 0.0
    payload: Mapping[str, Any] = field(default_factory=dict)


def trial_started(number: int, attempt: int, slot: int | None) -> Event:
    return Event(kind=EventKind.TRIAL_STARTED, trial=number, payload={"attempt": attempt, "slot": slot})


def trial_deployed(number: int, attempt: int) -> Event:
    """It was handed to a system outside; its row says how it is found there."""
    return Event(kind=EventKind.TRIAL_DEPLOYED, trial=number, payload={"attempt": attempt})


def trial_ended(number: int, attempt: int, status: str, *, again: bool = False) -> Event:
    """With `again` it goes back to waiting, for another attempt."""
    payload: dict[str, Any] = {"status": str(status), "attempt": attempt}
    return Event(kind=EventKind.TRIAL_ENDED, trial=number, payload=payload | ({"again": True} if again else {}))


def abort_requested(number: int, attempt: int, slot: int, message: str) -> Event:
    """Somebody asked for the end of what runs in a slot."""
    payload = {"attempt": attempt, "slot": slot, "message": message}
    return Event(kind=EventKind.ABORT_REQUESTED, trial=number, payload=payload)


def measurement_reported(number: int, count: int, last_step: int | None) -> Event:
    payload = {"count": count, "last_step": last_step}
    return Event(kind=EventKind.MEASUREMENT_REPORTED, trial=number, payload=payload)
