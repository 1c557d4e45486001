"""The attempts of a task, from the events of its log: who ran them, when, and why they ended (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from meristem.events import TaskEvent, TaskEventKind
from meristem.statuses import Cause
from meristem.store.task_rows import TaskRow

RUNNING, REQUEUED, LEFT = "running", "requeued", "left to workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAttempt:
    """One attempt.

    Attributes:
        worker: Session of the worker that ran it; its name where that is known.
        ended: `completed`, `failed`, `aborted`, `requeued`, `left to workers`; `running` where it has not ended.
        before_reset: A reset made the task a draft since, or workers began anew: what this attempt reported is gone.
    """

    number: int
    worker: str
    started_at: float
    ended_at: float | None = None
    ended: str = RUNNING
    cause: Cause | None = None
    message: str | None = None
    by_hand: bool = False
    before_reset: bool = False


def attempts_of(events: Iterable[TaskEvent], names: Mapping[str, str] | None = None) -> list[TaskAttempt]:
    """All attempts in order, those before a reset too.

    Args:
        events: Of one task, in order.
        names: Of workers by session.
    """
    found: list[TaskAttempt] = []
    for event in events:
        payload = event.payload
        match event.kind:
            case TaskEventKind.TASK_STARTED if payload.get("again") and found:  # by hand: its machine had slept
                found[-1] = replace(found[-1], ended=RUNNING, ended_at=None, cause=None, message=None)
            case TaskEventKind.TASK_STARTED:
                session = str(payload.get("worker", "?"))
                found.append(
                    TaskAttempt(
                        number=int(payload.get("attempt", len(found) + 1)),
                        worker=(names or {}).get(session, session),
                        started_at=event.at,
                        by_hand=bool(payload.get("by_hand")),
                    )
                )
            case TaskEventKind.TASK_REQUEUED if found and payload.get("left"):
                found[-1] = replace(_ended(found[-1], event.at, payload, LEFT), before_reset=True)
            case TaskEventKind.TASK_REQUEUED | TaskEventKind.TASK_ENDED if found and found[-1].ended == RUNNING:
                again = event.kind is TaskEventKind.TASK_REQUEUED
                found[-1] = _ended(found[-1], event.at, payload, REQUEUED if again else str(payload.get("status")))
            case TaskEventKind.TASK_RESET:
                found = [replace(attempt, before_reset=True) for attempt in found]
    return found


def dated(attempts: Sequence[TaskAttempt], row: TaskRow) -> list[TaskAttempt]:
    """With the times of the last one as they were, where it was started by hand: the store heard of them later."""
    last = attempts[-1] if attempts else None
    if last is None or not last.by_hand or last.before_reset or row.attempt != last.number or row.started_at is None:
        return list(attempts)
    return [*attempts[:-1], replace(last, started_at=row.started_at, ended_at=row.ended_at)]


def story(attempts: Sequence[TaskAttempt]) -> str | None:
    """What a list of tasks says of earlier attempts: "3rd attempt: machine lost, preempted"; None for a first one."""
    counted = [attempt for attempt in attempts if not attempt.before_reset]
    given_up = Counter(in_words(attempt.cause) for attempt in counted if attempt.ended == REQUEUED)
    if not given_up:
        return None
    last = counted[-1]
    number = last.number + (last.ended == REQUEUED)  # given up: it waits for the next
    why = ", ".join(cause if times == 1 else f"{cause} ×{times}" for cause, times in given_up.items())
    return f"{ordinal(number)} attempt: {why}"


def in_words(cause: Cause | str | None) -> str:
    return "why is not known" if cause is None else str(cause).replace("_", " ")


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th …"""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _ended(attempt: TaskAttempt, at: float, payload: Mapping[str, Any], ended: str) -> TaskAttempt:
    cause = payload.get("cause")
    known = cause in [*Cause]
    return replace(
        attempt, ended_at=at, ended=ended, cause=Cause(str(cause)) if known else None, message=payload.get("message")
    )
