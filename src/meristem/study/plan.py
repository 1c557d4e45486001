"""How a study is run, and when it has run enough. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from meristem.errors import InputError, did_you_mean
from meristem.space import Space
from meristem.statuses import StudyStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """That a study ends, and why."""

    status: StudyStatus
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a study is run.

    Attributes:
        trials: Ended trials in all, earlier runs included; None: no limit.
        seconds: Wall time of this run.
        without_improvement: Ends after this many trials in a row that did not improve the best.
        parallel: Trials at a time.
        timeout: Wall time of one trial, after which it is stopped and counts as failed.
        retries: How often a failed trial is run again; an interrupted attempt uses up none.
        max_failure_rate: Share of this run's trials that may fail, or be given up outside, before the run is given up,
            checked once `min_failures_before_abort` have failed.
        at_stop: What becomes of running trials when the study stops: `stop` or `wait` for them.
        grace: Time between asking a trial to stop and ending it by force.
        on_handler_error: `stop` the study or `continue`.
    """

    trials: int | None = None
    seconds: float | None = None
    without_improvement: int | None = None
    parallel: int = 1
    timeout: float | None = None
    retries: int = 0
    max_failure_rate: float = 0.8
    min_failures_before_abort: int = 5
    at_stop: str = "stop"
    grace: float = 10.0
    on_handler_error: str = "stop"

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise InputError("The study cannot be run like this", problems)

    def _problems(self) -> list[str]:
        problems = []
        for name in ("trials", "without_improvement", "parallel", "min_failures_before_abort"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                problems.append(f"{name}={value!r} is not a whole number from 1")
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            problems.append(f"retries={self.retries!r} is not a whole number from 0")
        for name, optional in (("seconds", True), ("timeout", True), ("grace", False)):
            value = getattr(self, name)
            if value is None and optional:
                continue
            if not _is_real(value) or not 0 <= value < 1e9 or (name == "timeout" and value == 0):
                problems.append(f"{name}={value!r} is not a number of seconds")
        if not _is_real(self.max_failure_rate) or not 0 <= self.max_failure_rate <= 1:
            problems.append(f"max_failure_rate={self.max_failure_rate!r} is not a share between 0 and 1")
        for name, choices in (("at_stop", ("stop", "wait")), ("on_handler_error", ("stop", "continue"))):
            if getattr(self, name) not in choices:
                problems.append(f"{name}={getattr(self, name)!r} is not one of {', '.join(choices)}")
        return problems

    @property
    def grace_time(self) -> timedelta:
        return timedelta(seconds=self.grace)

    def is_bounded(self, space: Space, controller: Any = None) -> bool:
        """Whether a run ends by itself, also without handlers; a controller may say that it does."""
        limits = (self.trials, self.seconds, self.without_improvement)
        ends = bool(getattr(controller, "ends_by_itself", False))
        return ends or space.size is not None or any(limit is not None for limit in limits)

    def to_json(self) -> dict[str, Any]:
        """The settings that differ from the defaults."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        known = [f.name for f in fields(cls)]
        if unknown := [name for name in data if name not in known]:
            raise InputError(
                "The study cannot be run like this",
                [f"unknown setting {n!r}. {did_you_mean(n, known)}" for n in unknown],
            )
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """How far a run is.

    Attributes:
        ended: Trials of the study that have ended for good, in all runs.
        ended_now, failed_now: The same, and the failed among them, in this run.
        since_best: Trials ended since the best one did.
        elapsed: Seconds since the run started.
        running: Trials that run now.
        anything_measured: Whether any trial of the study ever gave a usable value.
    """

    ended: int
    ended_now: int
    failed_now: int
    since_best: int
    elapsed: float
    running: int
    anything_measured: bool = True


def settled(plan: Plan, ending: Ending, counts: RunCounts) -> Ending:
    """`ending`, which is a failure where every trial of a run that used its budget failed."""
    if ending.status != StudyStatus.COMPLETED or not counts.failed_now or counts.failed_now < counts.ended_now:
        return ending
    if counts.anything_measured or plan.max_failure_rate >= 1:
        return ending
    return Ending(status=StudyStatus.FAILED, message=f"{ending.message}, and every one of them failed")


def why_end(plan: Plan, counts: RunCounts) -> Ending | None:
    """Why the run ends now, or None to go on."""
    if plan.trials is not None and counts.ended >= plan.trials and not counts.running:
        return Ending(status=StudyStatus.COMPLETED, message=f"all {plan.trials} trials are done")
    if plan.seconds is not None and counts.elapsed >= plan.seconds:
        return Ending(status=StudyStatus.COMPLETED, message=f"the time of {plan.seconds:g} s is up")
    if plan.without_improvement is not None and counts.since_best >= plan.without_improvement:
        return Ending(status=StudyStatus.COMPLETED, message=f"no improvement in {plan.without_improvement} trials")
    if counts.failed_now >= plan.min_failures_before_abort:
        rate = counts.failed_now / max(1, counts.ended_now)
        if rate > plan.max_failure_rate:
            return Ending(
                status=StudyStatus.FAILED,
                message=f"{counts.failed_now} of {counts.ended_now} trials failed, "
                f"more than max_failure_rate={plan.max_failure_rate:g} allows",
            )
    return None


def open_slots(count: int, *, taken: Collection[int | None], suspended: Collection[int]) -> list[int]:
    """The slots in which trials may be started now, lowest first.

    Args:
        count: How many slots the run has; they are numbered from 0.
        taken: The slot of each trial that runs. One that was taken up may be in none of the run's slots.
        suspended: Slots that get no new trials.
    """
    free = [slot for slot in range(count) if slot not in taken and slot not in suspended]
    return free[: max(0, count - len(taken))]


def room(plan: Plan, *, ended: int, running: int, free: int) -> int:
    """How many trials may be started now, where so many slots are free."""
    if plan.trials is not None:
        free = min(free, plan.trials - ended - running)
    return max(0, free)


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
