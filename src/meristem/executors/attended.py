"""One trial in a system outside, attended in a thread of its own: launched or found, polled, its metrics fetched."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from meristem import present
from meristem.errors import InputError, one_line
from meristem.executors.batched_polls import BatchedPolls
from meristem.executors.outages import FIND, LAUNCH, POLL, Outages, Trouble
from meristem.executors.pacing import Pace
from meristem.executors.runner_answers import read_metadata, read_status, read_value, takes_key
from meristem.executors.runner_protocol import Metadata
from meristem.spool import Measurement
from meristem.statuses import TrialStatus
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report

log = logging.getLogger("meristem.executors")

MAY_RUN = "it was asked to stop, and may still run outside"
_OUTCOMES = {
    TrialStatus.COMPLETED: OutcomeStatus.COMPLETED,
    TrialStatus.FAILED: OutcomeStatus.FAILED,
    TrialStatus.STOPPED: OutcomeStatus.STOPPED,
    TrialStatus.ABANDONED: OutcomeStatus.ABANDONED,
}
_SAYS = {
    TrialStatus.FAILED: "failed",
    TrialStatus.STOPPED: "was stopped",
    TrialStatus.ABANDONED: "was given up",
}


class Outside:
    """The system outside, as all trials of one executor share it.

    Args:
        spacing: Seconds between two launches at least, whichever the trials.

    Attributes:
        ended: Of a trial that has ended, its number and metadata: asked about it, a runner that works answers.
        held: Nothing more is launched.
    """

    def __init__(self, runner: Any, metrics: Sequence[Any], pace: Pace, spacing: float = 0.0) -> None:
        self.runner, self.metrics, self.pace = runner, metrics, pace
        self.outages = Outages(pace)
        self.finds = callable(getattr(runner, "find_trial", None))
        self.takes_key = takes_key(runner.run_trial)
        self.can_stop = callable(getattr(runner, "stop_trial", None))
        batched = getattr(runner, "poll_trials", None)
        self.batch = BatchedPolls(batched, pace) if callable(batched) else None
        self.ended: tuple[int, Metadata] | None = None
        self.held = False
        self._reasons: set[str] = set()
        self._spacing, self._next_launch, self._turns = spacing, 0.0, threading.Lock()

    def seconds_to_turn(self) -> float:
        """Takes the next turn to launch, and says in how many seconds it comes."""
        with self._turns:
            now = time.monotonic()
            turn = max(now, self._next_launch)
            self._next_launch = turn + self._spacing
            return turn - now

    def probe(self) -> None:
        """Asks of a trial that has ended, so as to learn whether the runner answers at all."""
        if self.batch is None and self.ended is not None:
            with suppress(Exception):
                self.runner.poll_trial(*self.ended)
                self.outages.answered(POLL)

    def tell_reason(self, number: int, reason: str | None) -> None:
        """Why a trial still waits or runs, each reason once."""
        if reason and reason not in self._reasons and len(self._reasons) < 100:
            self._reasons.add(reason)
            log.warning("Trial %d: %s", number, reason)


class Attended:
    """A trial that is attended.

    Args:
        tell: Takes news of it.
        doubtful: An earlier launch may have got through.

    Attributes:
        stop_by: When it must have ended, on the monotonic clock; None unless it was asked to stop.
        left: Nobody listens any more.
        calls: The method of the runner or the metric that is being called, and since when.
    """

    def __init__(
        self, attempt: Attempt, outside: Outside, tell: Callable[[Attended, Report], None], *, doubtful: bool = False
    ) -> None:
        self.attempt, self.number = attempt, attempt.number
        self.stop_by: float | None = None
        self.left = False
        self.calls: tuple[str, float] | None = None
        self._outside, self._listener, self._doubtful = outside, tell, doubtful
        self._metadata: Metadata | None = attempt.deployment
        self._wake = threading.Event()
        self._told: dict[str, str] = {}
        self._launched = threading.Event()

    def attend(self, before: Attended | None = None) -> None:
        """Lives through the trial in a thread. `before` may still be launching the same attempt."""
        threading.Thread(target=self._live, args=(before,), name=f"trial-{self.number}", daemon=True).start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Asks it to have ended within so many seconds; the shorter time counts."""
        by = time.monotonic() + seconds
        self.stop_by = by if self.stop_by is None else min(self.stop_by, by)
        self._wake.set()

    def leave(self) -> None:
        """Attends it no more; where it was deployed, it goes on outside."""
        self.left = True
        self._wake.set()

    def tell(self, **news: Any) -> None:
        if self.left:
            raise _Left
        self._listener(self, Report(number=self.number, **news))

    # Its life

    def _live(self, before: Attended | None) -> None:
        with present.running(present.trial(self.attempt.study, self.number)):
            self._live_through(before)

    def _live_through(self, before: Attended | None) -> None:
        try:
            if before is not None:
                before._launched.wait()
                self._metadata = before._metadata
                if self._metadata is not None:
                    self.tell(deployment=self._metadata)
            outcome = self._outcome()
        except _Left:
            return
        except _GaveUp as error:
            outcome = error.outcome
        except BaseException as error:  # whatever a user's runner does costs one trial
            outcome = Outcome(status=OutcomeStatus.FAILED, error=one_line(error), traceback=traceback.format_exc())
        finally:
            self._launched.set()
            if self._outside.batch is not None:
                self._outside.batch.forget(self.number)
        with suppress(_Left):
            self.tell(outcome=outcome)

    def _outcome(self) -> Outcome:
        if self._metadata is None:
            self._metadata = self._deploy()
            self._launched.set()
            if self.left and self.stop_by is not None:  # its time was up before it was deployed
                self._ask_to_stop()
            self.tell(deployment=self._metadata)
        self._watch()
        status, reason = self._await_end()
        if status == TrialStatus.COMPLETED:
            return Outcome(status=OutcomeStatus.COMPLETED, score=self._fetch_all())
        self._fetch_news()  # what it measured before it ended counts for models
        if self.stop_by is not None:
            return Outcome(status=OutcomeStatus.STOPPED, error=reason, may_run=reason == MAY_RUN)
        return Outcome(status=_OUTCOMES[status], error=reason or f"the runner says that it {_SAYS[status]}")

    # Launching

    def _deploy(self) -> Metadata:
        """Launches the trial, or finds it where an earlier launch may have got through."""
        trouble, given_up = Trouble(), None
        while True:
            if self._doubtful and self._outside.finds:
                found = self._find()
                if found is not None:
                    return read_metadata(found)
            if given_up is not None:  # and it is sure now that nothing runs
                raise given_up
            self._await_turn()
            try:
                found = self._launch()
            except Exception as error:
                trouble.add()
                refused = isinstance(error, InputError)
                if refused or self.stop_by is not None or not self._endures(LAUNCH, trouble, error):
                    tries = f"after {trouble.failures} tries" if trouble.failures > 1 else "at the first try"
                    why = f"could not be launched {tries}: {one_line(error)}"
                    status = OutcomeStatus.FAILED if self.stop_by is None else OutcomeStatus.STOPPED
                    given_up = _GaveUp(why, traceback.format_exc(), status)
                else:
                    self._rest(self._outside.pace.retry_wait(trouble.failures))
                continue
            self._outside.outages.answered(LAUNCH)
            return self._kept(found)

    def _await_turn(self) -> None:
        """Returns when it may be launched, now at once."""
        turn = time.monotonic() + self._outside.seconds_to_turn()
        while True:
            if self.stop_by is not None or self._outside.held:
                raise _GaveUp("was not launched", "", OutcomeStatus.STOPPED)
            seconds = turn - time.monotonic()
            if seconds <= 0:
                self._listened()
                return
            self._rest(seconds)

    def _launch(self) -> Any:
        self._doubtful = True  # from here on it may run
        parameters = dict(self.attempt.parameters)
        more = {"key": self.attempt.key} if self._outside.takes_key else {}
        with self._calling(LAUNCH):
            return self._outside.runner.run_trial(self.number, parameters, **more)

    def _find(self) -> Any:
        trouble = Trouble()
        while True:
            try:
                with self._calling(FIND):
                    found = self._outside.runner.find_trial(self.attempt.key)
                self._outside.outages.answered(FIND)
                return found
            except Exception as error:
                trouble.add()
                if self.stop_by is not None:
                    raise _GaveUp(MAY_RUN, traceback.format_exc(), OutcomeStatus.STOPPED) from error
                if not self._endures(FIND, trouble, error):
                    why = f"in doubt: it may run outside, but find_trial could not tell: {one_line(error)}"
                    raise _GaveUp(why, traceback.format_exc(), OutcomeStatus.ABANDONED) from error
                self._rest(self._outside.pace.retry_wait(trouble.failures))

    def _kept(self, found: Any) -> Metadata:
        try:
            return read_metadata(found)
        except InputError as error:
            raise _GaveUp(error.what, traceback.format_exc()) from error

    # Polling

    def _await_end(self) -> tuple[TrialStatus, str | None]:
        began, asked, trouble = time.monotonic(), False, Trouble()
        while True:
            if self.stop_by is not None and not asked:
                asked, began = self._ask_to_stop(), time.monotonic()
            try:
                status, reason = self._status()
                trouble = Trouble()
            except Exception as error:
                trouble.add()
                self._put_up_with(trouble, error)
                status, reason = TrialStatus.RUNNING, None
            if status in _OUTCOMES:
                self._outside.ended = (self.number, self._known)
                return status, reason
            if self.stop_by is not None and time.monotonic() >= self.stop_by:
                return TrialStatus.STOPPED, MAY_RUN
            self._outside.tell_reason(self.number, reason)
            self._fetch_news()
            self._rest(self._wait(trouble, began))

    def _status(self) -> tuple[TrialStatus, str | None]:
        if self._outside.batch is None:
            with self._calling(POLL):
                given = self._outside.runner.poll_trial(self.number, self._known)
        elif (given := self._outside.batch.status(self.number)) is None:
            return TrialStatus.RUNNING, None
        found = read_status(given)
        self._outside.outages.answered(POLL)
        return found

    def _put_up_with(self, trouble: Trouble, error: Exception) -> None:
        """Returns where it is to be polled on."""
        if time.monotonic() - trouble.since >= self._outside.pace.trial_patience:
            self._outside.probe()
        if self._endures(POLL, trouble, error):
            return
        if self._outside.can_stop:
            with suppress(Exception):  # it may run on, and nobody will hear of it
                self._outside.runner.stop_trial(self.number, self._known)
        seconds = time.monotonic() - trouble.since
        lost = f"its runner could not say how it stands for {seconds:.3g} s: {one_line(error)}"
        raise _GaveUp(lost, traceback.format_exc()) from error

    def _wait(self, trouble: Trouble, began: float) -> float:
        pace, now = self._outside.pace, time.monotonic()
        wait = pace.retry_wait(trouble.failures) if trouble.failures else pace.poll_wait(now - began)
        return wait if self.stop_by is None else min(wait, max(0.0, self.stop_by - now))

    def _ask_to_stop(self) -> bool:
        """Whether it was asked, or never can be."""
        if not self._outside.can_stop:
            self.stop_by = 0.0
            return True
        with suppress(Exception):
            with self._calling("stop_trial"):
                self._outside.runner.stop_trial(self.number, self._known)
            self._watch()  # its end is near: it is polled often again
            return True
        return False

    def _watch(self) -> None:
        if self._outside.batch is not None and not self.left:
            self._outside.batch.watch(self.number, self._known, self._wake)

    # What was measured

    def _fetch_news(self) -> None:
        """What metrics say while the trial runs; that there is nothing yet is no failure."""
        for metric in self._outside.metrics:
            with suppress(Exception):
                self._fetch(metric)

    def _fetch_all(self) -> dict[str, Any]:
        return {m.name: value for m in self._outside.metrics if (value := self._fetch_last(m)) is not None}

    def _fetch_last(self, metric: Any) -> float | tuple[float, float] | None:
        """The final value; it may come late, or not at all where the metric is optional."""
        failures, pace = 0, self._outside.pace
        began = time.monotonic()
        while True:
            try:
                return self._fetch(metric)
            except Exception as error:
                failures += 1
                wait = pace.retry_wait(failures)
                late = min(pace.late, pace.trial_patience) if isinstance(error, InputError) else pace.late
                if time.monotonic() + wait > began + late or self.stop_by is not None:
                    if getattr(metric, "optional", False):
                        return None
                    lost = f"the metric {metric.name!r} could not be fetched for {late:g} s: {one_line(error)}"
                    raise _GaveUp(lost, traceback.format_exc()) from error
                self._outside.outages.warn(f"fetch of {metric.name!r}", failures, error)
                self._rest(wait)

    def _fetch(self, metric: Any) -> float | tuple[float, float]:
        with self._calling(f"fetch of {metric.name!r}"):
            given = metric.fetch(self.number, self._known)
        step, value, sem = read_value(given)
        as_text = repr((step, value, sem))  # in which NaN equals itself
        if self._told.get(metric.name) != as_text:
            self._told[metric.name] = as_text
            self.tell(measurements=[Measurement(metric=metric.name, step=step, value=value, sem=sem)])
        return value if sem is None else (value, sem)

    # Waiting

    @property
    def _known(self) -> Metadata:
        return self._metadata or {}

    def _endures(self, call: str, trouble: Trouble, error: Exception) -> bool:
        return self._outside.outages.endures(call, trouble, error)

    @contextmanager
    def _calling(self, method: str) -> Iterator[None]:
        self.calls = (method, time.monotonic())
        try:
            yield
        finally:
            self.calls = None

    def _rest(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()
        self._listened()

    def _listened(self) -> None:
        if self.left:
            raise _Left


class _Left(BaseException):
    """The engine has ended; the trial goes on outside."""


class _GaveUp(Exception):
    def __init__(self, error: str, details: str, status: OutcomeStatus = OutcomeStatus.FAILED) -> None:
        super().__init__(error)
        self.outcome = Outcome(
            status=status, error=error, traceback=details, may_run=error == MAY_RUN or status == OutcomeStatus.ABANDONED
        )
