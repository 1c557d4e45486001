"""Deploys trials to a system outside by a user's runner, polls them there, and fetches what came of them.

Each trial is attended by a thread of its own (`attended.py`), so that a launch, a poll or a fetch that hangs holds up
no other trial. A trial that was deployed goes on when Meristem ends; the next run takes it up by what its launch
returned.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from meristem.components import ComponentSpec, build, spec_of
from meristem.errors import InputError
from meristem.executors.attended import MAY_RUN, Attended, Outside
from meristem.executors.pacing import Pace
from meristem.executors.runner_protocol import Metric, Runner
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report

log = logging.getLogger("meristem.executors")

_HUNG = 0.5  # seconds that a trial's thread may take longer than it was given
_IN_DOUBT = ("abandon", "launch")
_DOUBT = (
    "in doubt: a crash came between its launch and the record of it, so that it may run outside. "
    "A runner with find_trial(key) could tell"
)
_SEE = "See meristem.Runner and meristem.Metric."

_LONG_CALL = 60.0  # seconds
# Trials by key whose launch was not stored when their engine ended: in the same process their answers are still heard.
_unrecorded: dict[str, Attended] = {}


class RunnerExecutor:
    """Runs trials in a system outside.

    Args:
        runner: See `meristem.Runner`; also `{"path": "package.module.Class", "args": {…}}`.
        metrics: What to fetch of each trial, see `meristem.Metric`. One with an attribute `optional` may be missing.
        poll_seconds: Between two polls of a trial at least. Without it a trial is polled so often that its end is heard
            of within 2 % of the time it took, and within 10 s.
        longest_poll_seconds: And at most.
        patience: For how many seconds on end the system outside may be away: launches and polls that fail are repeated.
        trial_patience: The same for what fails for one trial alone, while the runner answers for others, and for
            mistakes in the runner.
        late: How many seconds after a trial has ended its metrics may come.
        launch_spacing: Seconds between two launches at least.
        in_doubt: What becomes of a trial that a crash caught between launch and record, where the runner cannot find
            it: "abandon" (another is tried in its place) or "launch" (once more, perhaps twice).
    """

    lasting = True
    slots: int | None = None

    def __init__(
        self, runner: Runner | Mapping[str, Any], metrics: Sequence[Metric | Mapping[str, Any]] = (), *,
        poll_seconds: float = 0.0, longest_poll_seconds: float = 10.0, patience: float = 3600.0,
        trial_patience: float = 30.0, late: float = 600.0, launch_spacing: float = 0.0,
        in_doubt: str = "abandon",
    ) -> None:  # fmt: skip
        self._runner: Any = _built("runner", runner, ("run_trial",))
        self._metrics: list[Any] = [_built("metric", metric, ("name", "fetch")) for metric in metrics]
        self._in_doubt = in_doubt
        seconds = {
            "poll_seconds": poll_seconds, "longest_poll_seconds": longest_poll_seconds, "patience": patience,
            "trial_patience": trial_patience, "late": late, "launch_spacing": launch_spacing,
        }  # fmt: skip
        if problems := [*self._problems(), *_no_seconds(seconds)]:
            raise InputError("Trials cannot be run like this", problems)
        shortest = max(poll_seconds, float(getattr(self._runner, "poll_seconds", 0.0)))
        self._pace = Pace(
            shortest=shortest, longest=max(shortest, longest_poll_seconds), patience=patience,
            trial_patience=trial_patience, late=late,
        )  # fmt: skip
        self._outside = Outside(self._runner, self._metrics, self._pace, launch_spacing)
        self.can_stop = self._outside.can_stop
        self.metric_names = [metric.name for metric in self._metrics]
        self._attended: dict[int, Attended] = {}
        self._news: queue.SimpleQueue[tuple[Attended, Report]] = queue.SimpleQueue()
        self._long_calls: set[tuple[int, str]] = set()

    def expect(self, names: Collection[str]) -> list[str]:
        """What the runner says is wrong with it for a space of these parameters, as sentences."""
        expect = getattr(self._runner, "expect", None)
        return list(expect(names)) if callable(expect) else []

    def open(self, slots: int) -> None:
        """Launches trials again after `hold`; else there is nothing to get ready."""
        self._outside.held = False

    def hold(self) -> None:
        """Launches nothing more; what has not been launched ends as stopped."""
        self._outside.held = True
        for trial in self._attended.values():
            trial.wake()

    def start(self, attempt: Attempt) -> None:
        self._attend(attempt, doubtful=False).attend()

    def adopt(self, attempt: Attempt) -> bool:
        """Polls on what was deployed; what is in doubt is looked for, or else given up or launched again."""
        before = _unrecorded.pop(attempt.key, None) if attempt.deployment is None else None
        if attempt.deployment is None and not self._outside.finds and before is None:
            if self._in_doubt == "launch":
                return False
            outcome = Outcome(status=OutcomeStatus.ABANDONED, error=_DOUBT, may_run=True)
            self._attend(attempt, doubtful=True).tell(outcome=outcome)
            return True
        self._attend(attempt, doubtful=True).attend(before)
        return True

    def poll(self, timeout: timedelta) -> list[Report]:
        """What is new, at most one report a trial and question."""
        end = time.monotonic() + timeout.total_seconds()
        while True:
            reports = [*self._listen(max(0.0, end - time.monotonic())), *self._overdue()]
            self._tell_long_calls()
            if reports or time.monotonic() >= end:
                return reports

    def stop(self, number: int, grace: timedelta) -> None:
        if trial := self._attended.get(number):
            trial.stop(grace.total_seconds())

    def close(self) -> None:
        """Attends no trial any more; those that were deployed go on outside."""
        for trial in self._attended.values():
            self._leave(trial)
        self._attended.clear()
        self._news = queue.SimpleQueue()

    release = close

    def _attend(self, attempt: Attempt, *, doubtful: bool) -> Attended:
        trial = Attended(attempt, self._outside, self._hear, doubtful=doubtful)
        self._attended[attempt.number] = trial
        return trial

    @staticmethod
    def _leave(trial: Attended) -> None:
        if trial.attempt.deployment is None:
            _unrecorded[trial.attempt.key] = trial
        trial.leave()

    def _hear(self, trial: Attended, report: Report) -> None:
        self._news.put((trial, report))

    def _listen(self, seconds: float) -> list[Report]:
        reports: dict[int, Report] = {}
        with suppress(queue.Empty):  # all that is there has been heard
            trial, report = self._news.get(timeout=seconds) if seconds > 0 else self._news.get_nowait()
            while True:
                if self._attended.get(report.number) is trial:
                    reports[report.number] = _joined(reports.get(report.number), report)
                    if report.outcome is not None:
                        del self._attended[report.number]
                trial, report = self._news.get_nowait()
        return list(reports.values())

    def _overdue(self) -> list[Report]:
        """The end of trials whose time to stop is up, while their runner hangs."""
        now = time.monotonic()
        late = [trial for trial in self._attended.values() if trial.stop_by is not None and now > trial.stop_by + _HUNG]
        for trial in late:
            self._leave(trial)
            del self._attended[trial.number]
        outcome = Outcome(status=OutcomeStatus.STOPPED, error=MAY_RUN, may_run=True)
        return [Report(number=trial.number, outcome=outcome) for trial in late]

    def _tell_long_calls(self) -> None:
        now = time.monotonic()
        for number, trial in self._attended.items():
            calls = trial.calls
            if calls is not None and now - calls[1] > _LONG_CALL and (number, calls[0]) not in self._long_calls:
                self._long_calls.add((number, calls[0]))
                log.warning("Trial %d: %s has not returned for %.0f s.", number, calls[0], now - calls[1])

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


def _joined(before: Report | None, after: Report) -> Report:
    if before is None:
        return after
    return Report(
        number=after.number,
        measurements=[*before.measurements, *after.measurements],
        deployment=after.deployment if after.deployment is not None else before.deployment,
        outcome=after.outcome,
    )


def _no_seconds(given: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}={value!r:.60} is not a number of seconds"
        for name, value in given.items()
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e9
    ]
