"""Deploys trials to a system outside by a user's runner, polls them there, and fetches what came of them.

Each trial is attended by a thread of its own, so that a launch, a poll or a fetch that hangs holds up no other trial.
A trial that was deployed goes on when Meristem ends; the next run takes it up by what its launch returned.
"""

from __future__ import annotations

import inspect
import json
import queue
import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from meristem.components import ComponentSpec, build, spec_of
from meristem.errors import InputError
from meristem.executors.batched_polls import BatchedPolls
from meristem.executors.pacing import Pace
from meristem.executors.runner_protocol import Metadata, Metric, Runner
from meristem.spool import Measurement, as_float
from meristem.statuses import TrialStatus
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report

_HUNG = 0.5  # seconds that a trial's thread may take longer than it was given
_MAY_RUN = "it was asked to stop, and may still run outside"
_IN_DOUBT = ("abandon", "launch")
_OUTCOMES = {
    TrialStatus.COMPLETED: OutcomeStatus.COMPLETED,
    TrialStatus.FAILED: OutcomeStatus.FAILED,
    TrialStatus.STOPPED: OutcomeStatus.STOPPED,
    TrialStatus.ABANDONED: OutcomeStatus.ABANDONED,
}
_OTHER_NAMES = {  # that other systems give a status
    "candidate": TrialStatus.WAITING, "staged": TrialStatus.WAITING, "early_stopped": TrialStatus.STOPPED,
    "pending": TrialStatus.WAITING, "dispatched": TrialStatus.WAITING, "stale": TrialStatus.ABANDONED,
    "succeeded": TrialStatus.COMPLETED, "cancelled": TrialStatus.STOPPED,
}  # fmt: skip

_DOUBT = (
    "in doubt: a crash came between its launch and the record of it, so that it may run outside. "
    "A runner with find_trial(key) could tell"
)


class RunnerExecutor:
    """Runs trials in a system outside.

    Args:
        runner: See `meristem.Runner`; also `{"path": "package.module.Class", "args": {…}}`.
        metrics: What to fetch of each trial, see `meristem.Metric`. One with an attribute `optional` may be missing.
        poll_seconds: Between two polls of a trial at least. Without it a trial is polled so often that its end is heard
            of within 2 % of the time it took, and within 10 s.
        longest_poll_seconds: And at most.
        launches: How often a launch that raises is tried.
        patience: For how many seconds on end polling may fail until the trial counts as failed.
        late: How many seconds after a trial has ended its metrics may come.
        in_doubt: What becomes of a trial that a crash caught between launch and record, where the runner cannot find
            it: "abandon" (another is tried in its place) or "launch" (once more, perhaps twice).
    """

    lasting = True
    slots: int | None = None

    def __init__(
        self, runner: Runner | Mapping[str, Any], metrics: Sequence[Metric | Mapping[str, Any]] = (), *,
        poll_seconds: float = 0.0, longest_poll_seconds: float = 10.0, launches: int = 5, patience: float = 3600.0,
        late: float = 600.0, in_doubt: str = "abandon",
    ) -> None:  # fmt: skip
        self._runner: Any = _built("runner", runner, ("run_trial",))
        self._metrics: list[Any] = [_built("metric", metric, ("name", "fetch")) for metric in metrics]
        self._in_doubt = in_doubt
        if problems := self._problems():
            raise InputError("Trials cannot be run like this", problems)
        shortest = max(poll_seconds, float(getattr(self._runner, "poll_seconds", 0.0)))
        self._pace = Pace(
            shortest=shortest, longest=max(shortest, longest_poll_seconds), launches=launches, patience=patience,
            late=late,
        )  # fmt: skip
        self._finds = callable(getattr(self._runner, "find_trial", None))
        self._takes_key = takes_key(self._runner.run_trial)
        batched = getattr(self._runner, "poll_trials", None)
        self._batch = BatchedPolls(batched) if callable(batched) else None
        self._jobs: dict[int, _Job] = {}
        self._news: queue.SimpleQueue[tuple[_Job, Report]] = queue.SimpleQueue()

    def expect(self, names: Collection[str]) -> list[str]:
        """What the runner says is wrong with it for a space of these parameters, as sentences."""
        expect = getattr(self._runner, "expect", None)
        return list(expect(names)) if callable(expect) else []

    def open(self, slots: int) -> None:
        """Nothing to get ready: each trial brings its thread."""

    def start(self, attempt: Attempt) -> None:
        self._attend(attempt, doubtful=False)

    def adopt(self, attempt: Attempt) -> bool:
        """Polls on what was deployed; what is in doubt is looked for, or else given up or launched again."""
        if attempt.deployment is None and not self._finds:
            if self._in_doubt == "launch":
                return False
            job = self._jobs[attempt.number] = _Job(attempt=attempt)
            self._tell(job, outcome=Outcome(status=OutcomeStatus.ABANDONED, error=_DOUBT))
            return True
        self._attend(attempt, doubtful=True)
        return True

    def poll(self, timeout: timedelta) -> list[Report]:
        """What is new, at most one report a trial and question."""
        end = time.monotonic() + timeout.total_seconds()
        while True:
            reports = [*self._listen(max(0.0, end - time.monotonic())), *self._overdue()]
            if reports or time.monotonic() >= end:
                return reports

    def stop(self, number: int, grace: timedelta) -> None:
        if job := self._jobs.get(number):
            job.stop_by = min(job.stop_by or float("inf"), time.monotonic() + grace.total_seconds())
            job.wake.set()

    def close(self) -> None:
        """Attends no trial any more; those that were deployed go on outside."""
        for job in self._jobs.values():
            job.left = True
            job.wake.set()
        self._jobs.clear()
        self._news = queue.SimpleQueue()

    release = close

    # One trial, in its thread

    def _attend(self, attempt: Attempt, *, doubtful: bool) -> None:
        job = self._jobs[attempt.number] = _Job(attempt=attempt, metadata=attempt.deployment, doubtful=doubtful)
        threading.Thread(target=self._live, args=(job,), name=f"trial-{attempt.number}", daemon=True).start()

    def _live(self, job: _Job) -> None:
        try:
            outcome = self._outcome(job)
        except _Left:
            return
        except _GaveUp as error:
            outcome = Outcome(status=OutcomeStatus.FAILED, error=str(error), traceback=error.details)
        except BaseException as error:  # whatever a user's runner does costs one trial
            why = f"{type(error).__name__}: {error}"
            outcome = Outcome(status=OutcomeStatus.FAILED, error=why, traceback=traceback.format_exc())
        finally:
            if self._batch is not None:
                self._batch.forget(job.number)
        self._tell(job, outcome=outcome)

    def _outcome(self, job: _Job) -> Outcome:
        if job.metadata is None:
            self._deploy(job)
        if self._batch is not None:
            self._batch.watch(job.number, job.known)
        status, reason = self._await_end(job)
        if status == TrialStatus.COMPLETED:
            return Outcome(status=OutcomeStatus.COMPLETED, score=self._fetch_all(job))
        self._fetch_news(job)  # what it measured before it ended counts for models
        if job.stop_by is not None:
            return Outcome(status=OutcomeStatus.STOPPED, error=reason)
        return Outcome(status=_OUTCOMES[status], error=reason or f"the runner says that it {_SAYS[status]}")

    def _deploy(self, job: _Job) -> None:
        """Launches the trial, or finds it where an earlier launch may have got through."""
        number, key = job.number, job.attempt.key
        parameters = dict(job.attempt.parameters)
        for failures in range(1, self._pace.launches + 1):
            try:
                found = self._runner.find_trial(key) if self._finds and job.doubtful else None
                if found is None:
                    more = {"key": key} if self._takes_key else {}
                    job.doubtful = True  # from here on it may run
                    found = self._runner.run_trial(number, parameters, **more)
                break
            except Exception as error:
                if failures == self._pace.launches or job.stop_by is not None or isinstance(error, InputError):
                    tries = f"after {failures} tries" if failures > 1 else "at the first try"
                    raise _GaveUp(
                        f"could not be launched {tries}: {_one_line(error)}", traceback.format_exc()
                    ) from error
                self._rest(job, self._pace.retry_wait(failures))
        job.metadata = _metadata(found)
        self._tell(job, deployment=job.metadata)

    def _await_end(self, job: _Job) -> tuple[TrialStatus, str | None]:
        began, asked, failures, since = time.monotonic(), False, 0, 0.0
        while True:
            stop_by = job.stop_by
            if stop_by is not None and not asked:
                asked, began = self._ask_to_stop(job), time.monotonic()
            wait = self._pace.poll_wait(time.monotonic() - began) if not failures else self._pace.retry_wait(failures)
            if stop_by is not None:
                wait = min(wait, max(0.0, stop_by - time.monotonic()))
            try:
                status, reason = self._status(job, wait)
                failures = 0
            except Exception as error:
                failures, since = failures + 1, since if failures else time.monotonic()
                if time.monotonic() - since > self._pace.patience:
                    lost = f"its runner could not say how it stands for {self._pace.patience:g} s: {_one_line(error)}"
                    raise _GaveUp(lost, traceback.format_exc()) from error
                status, reason = TrialStatus.RUNNING, None
            if status in _OUTCOMES:
                return status, reason
            if stop_by is not None and time.monotonic() >= stop_by:
                return TrialStatus.STOPPED, _MAY_RUN
            self._fetch_news(job)
            self._rest(job, wait if not failures else self._pace.retry_wait(failures))

    def _ask_to_stop(self, job: _Job) -> bool:
        """Whether it was asked, or never can be."""
        stop = getattr(self._runner, "stop_trial", None)
        if not callable(stop):
            job.stop_by = 0.0
            return True
        with suppress(Exception):
            stop(job.number, job.known)
            return True
        return False

    def _status(self, job: _Job, age: float) -> tuple[TrialStatus, str | None]:
        if self._batch is not None:
            given = self._batch.status(job.number, at_most_old=age / 2)
        else:
            given = self._runner.poll_trial(job.number, job.known)
        return read_status(given)

    # What was measured

    def _fetch_news(self, job: _Job) -> None:
        """What metrics say while the trial runs; that there is nothing yet is no failure."""
        for metric in self._metrics:
            with suppress(Exception):
                self._fetch(job, metric)

    def _fetch_all(self, job: _Job) -> dict[str, Any]:
        return {m.name: value for m in self._metrics if (value := self._fetch_last(job, m)) is not None}

    def _fetch_last(self, job: _Job, metric: Any) -> float | tuple[float, float] | None:
        """The final value; it may come late, or not at all where the metric is optional."""
        failures, end = 0, time.monotonic() + self._pace.late
        while True:
            try:
                return self._fetch(job, metric)
            except Exception as error:
                failures += 1
                wait = self._pace.retry_wait(failures)
                if time.monotonic() + wait > end or job.stop_by is not None:
                    if getattr(metric, "optional", False):
                        return None
                    lost = (
                        f"the metric {metric.name!r} could not be fetched for {self._pace.late:g} s: {_one_line(error)}"
                    )
                    raise _GaveUp(lost, traceback.format_exc()) from error
                self._rest(job, wait)

    def _fetch(self, job: _Job, metric: Any) -> float | tuple[float, float]:
        step, value, sem = read_value(metric.fetch(job.number, job.known))
        if job.told.get(metric.name) != (step, value, sem):
            job.told[metric.name] = (step, value, sem)
            self._tell(job, measurements=[Measurement(metric=metric.name, step=step, value=value, sem=sem)])
        return value if sem is None else (value, sem)

    # News

    def _rest(self, job: _Job, seconds: float) -> None:
        job.wake.wait(seconds)
        job.wake.clear()
        if job.left:
            raise _Left

    def _tell(self, job: _Job, **news: Any) -> None:
        if job.left:
            raise _Left
        self._news.put((job, Report(number=job.number, **news)))

    def _listen(self, seconds: float) -> list[Report]:
        reports: dict[int, Report] = {}
        with suppress(queue.Empty):  # all that is there has been heard
            job, report = self._news.get(timeout=seconds) if seconds > 0 else self._news.get_nowait()
            while True:
                if self._jobs.get(report.number) is job:
                    reports[report.number] = _joined(reports.get(report.number), report)
                    if report.outcome is not None:
                        del self._jobs[report.number]
                job, report = self._news.get_nowait()
        return list(reports.values())

    def _overdue(self) -> list[Report]:
        """The end of trials whose time to stop is up, while their runner hangs."""
        now = time.monotonic()
        late = [job for job in self._jobs.values() if job.stop_by is not None and now > job.stop_by + _HUNG]
        for job in late:
            job.left = True
            del self._jobs[job.number]
        outcome = Outcome(status=OutcomeStatus.STOPPED, error=_MAY_RUN)
        return [Report(number=job.number, outcome=outcome) for job in late]

    def _problems(self) -> list[str]:
        problems = []
        if self._in_doubt not in _IN_DOUBT:
            problems.append(f"in_doubt={self._in_doubt!r} is not one of {', '.join(_IN_DOUBT)}")
        polls = [name for name in ("poll_trial", "poll_trials") if callable(getattr(self._runner, name, None))]
        if not polls:
            problems.append(f"the runner {self._runner!r:.60} has neither poll_trial nor poll_trials")
        names = [metric.name for metric in self._metrics]
        problems += [f"there are several metrics {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
        return problems


@dataclass(slots=True, kw_only=True, eq=False)
class _Job:
    """A trial that is attended.

    Attributes:
        doubtful: An earlier launch may have got through.
        stop_by: When it must have ended, on the monotonic clock; None unless it was asked to stop.
        left: Nobody listens any more.
        told: The last step, value and standard error that were told of each metric.
    """

    attempt: Attempt
    metadata: Metadata | None = None
    doubtful: bool = False
    stop_by: float | None = None
    left: bool = False
    wake: threading.Event = field(default_factory=threading.Event)
    told: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        return self.attempt.number

    @property
    def known(self) -> Metadata:
        return {} if self.metadata is None else self.metadata


class _Left(BaseException):
    """The engine has ended; the trial goes on outside."""


class _GaveUp(Exception):
    def __init__(self, why: str, details: str) -> None:
        super().__init__(why)
        self.details = details


_SEE = "See meristem.Runner and meristem.Metric."
_SAYS = {
    TrialStatus.FAILED: "failed",
    TrialStatus.STOPPED: "was stopped",
    TrialStatus.ABANDONED: "was given up",
}


def read_status(given: Any) -> tuple[TrialStatus, str | None]:
    """The status that a runner's answer stands for, and its reason: a word, a member of an enumeration, or a pair.

    Raises:
        InputError: It stands for none.
    """
    reason = None
    if isinstance(given, tuple) and len(given) == 2:
        given, reason = given[0], None if given[1] is None else str(given[1])
    name = str(getattr(given, "name", given)).lower()
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name], reason
    try:
        return TrialStatus(name), reason
    except ValueError:
        known = ", ".join(TrialStatus)
        raise InputError(f"The runner answered {given!r:.80}, which is no status ({known}).") from None


def read_value(given: Any) -> tuple[int | None, float, float | None]:
    """Step, value and standard error of what a metric's fetch gave.

    Raises:
        InputError: It is no pair of a step and a value.
    """
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise InputError(f"fetch() gave {given!r:.80}.", fix="Return (step, value), or (step, (mean, standard error)).")
    step, value = given
    mean, sem = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, None)
    try:
        at = None if step is None else int(step)
        return at, as_float(mean), None if sem is None else abs(float(sem))
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"fetch() gave {given!r:.80}, in which not all are numbers.") from None


def _built(kind: str, given: Any, needs: Sequence[str]) -> Any:
    """The runner or metric that the user gave: an object, a name, or a mapping.

    Raises:
        InputError: It cannot be built, or lacks one of the attributes that it `needs`.
    """
    part = build(kind, spec_of(kind, given)) if isinstance(given, (str, Mapping, ComponentSpec)) else given
    if isinstance(part, type):
        raise InputError(f"The {kind} is the class {part.__name__}.", fix="Pass an object of it.")
    if lacking := [name for name in needs if not hasattr(part, name)]:
        raise InputError(f"The {kind} {part!r:.80} has no {' and no '.join(lacking)}.", fix=_SEE)
    return part


def _metadata(given: Any) -> Metadata:
    """What a launch returned, as it will be after a restart."""
    if given is None:
        return {}
    try:
        found = json.loads(json.dumps(dict(given)))
    except (TypeError, ValueError) as error:
        raise _GaveUp(
            f"was launched, but run_trial returned {given!r:.80}, by which it cannot be found again: "
            "it must be a mapping of JSON values",
            traceback.format_exc(),
        ) from error
    return dict(found)


def _joined(before: Report | None, after: Report) -> Report:
    if before is None:
        return after
    return Report(
        number=after.number,
        measurements=[*before.measurements, *after.measurements],
        deployment=after.deployment if after.deployment is not None else before.deployment,
        outcome=after.outcome,
    )


def takes_key(function: Callable[..., Any]) -> bool:
    """Whether a `run_trial` is to be given the key of its trial."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "key" or p.kind is p.VAR_KEYWORD for p in parameters)


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:300].removesuffix(":")
