"""Trials that run outside: what a runner and its metrics may do wrong, and what comes of it."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import meristem
from meristem.errors import InputError
from meristem.executors.pacing import Pace
from meristem.executors.runner import RunnerExecutor
from meristem.executors.runner_answers import read_status, read_value
from meristem.executors.runner_protocol import Metric, Runner
from meristem.study.protocols import Attempt

Hook = Callable[[int], Any]
NAN = float("nan")


class Outside:
    """A system in which trials end at once; hooks say what goes wrong."""

    def __init__(self, launch: Hook = lambda n: None, poll: Hook = lambda n: "completed") -> None:
        self.launch, self.poll = launch, poll
        self.launched: list[int] = []
        self.stopped: list[int] = []

    def run_trial(self, number: int, parameters: Mapping[str, Any]) -> Any:
        self.launched.append(number)
        given = self.launch(number)
        return {"job": number} if given is None else given

    def poll_trial(self, number: int, metadata: Mapping[str, Any]) -> Any:
        assert metadata["job"] == number
        return self.poll(number)

    def stop_trial(self, number: int, metadata: Mapping[str, Any]) -> None:
        self.stopped.append(number)


class Value:
    name = "m"

    def __init__(self, fetch: Hook = lambda n: (0, 0.5)) -> None:
        self._fetch = fetch

    def fetch(self, number: int, metadata: Mapping[str, Any]) -> Any:
        return self._fetch(number)


def raises(trial: int, times: float, otherwise: Any) -> Hook:
    """Fails for one trial the first `times` times."""
    left = [times]

    def hook(number: int) -> Any:
        if number == trial and left[0] > 0:
            left[0] -= 1
            raise OSError("injected fault")
        return otherwise

    return hook


def looped(outside: Any, *metrics: Any, trials: int = 4, parallel: int = 2, **given: Any) -> meristem.Study:
    settings = {"patience": 30.0, "trial_patience": 0.2, "late": 0.3}
    ours = {name: given.pop(name) for name in [*settings, "in_doubt", "poll_seconds"] if name in given}
    study = meristem.Study("s", space={"x": {"float": [0, 1]}}, objective="m", controller="random", seed=1)
    executor = RunnerExecutor(outside, metrics or [Value()], **(settings | ours))
    study.run(executor=executor, trials=trials, parallel=parallel, handlers=[], **given)
    return study


def statuses(study: meristem.Study) -> list[str]:
    return [str(trial.status) for trial in study.trials]


FINE = ["completed"] * 4
ONE_LOST = ["completed", "failed", "completed", "completed"]


@pytest.mark.parametrize(
    ("outside", "metric", "expected", "why"),
    [
        (Outside(launch=raises(2, 1, None)), Value(), FINE, ""),
        (Outside(launch=raises(2, 9, None)), Value(), ONE_LOST, "could not be launched after 5 tries: OSError"),
        (Outside(poll=raises(2, 1, "completed")), Value(), FINE, ""),
        (Outside(poll=raises(2, 1e9, "completed")), Value(), ONE_LOST, "could not say how it stands for 0."),
        (Outside(poll=lambda n: "dancing" if n == 2 else "completed"), Value(), ONE_LOST, "'dancing', which is no"),
        (Outside(poll=lambda n: ("failed", "no power") if n == 2 else "completed"), Value(), ONE_LOST, "no power"),
        (Outside(launch=lambda n: [1, 2] if n == 2 else None), Value(), ONE_LOST, "cannot be found again"),
        (Outside(), Value(raises(2, 1, (0, 0.5))), FINE, ""),
        (Outside(), Value(raises(2, 1e9, (0, 0.5))), ONE_LOST, "'m' could not be fetched for 0.3 s: OSError"),
        (Outside(), Value(lambda n: None if n == 2 else (0, 0.5)), ONE_LOST, "fetch() gave None"),
        (Outside(), Value(lambda n: (0, 1) if n == 2 else (0, 0.5)), FINE, ""),
        (Outside(), Value(lambda n: (0, (0.5, 0.1))), FINE, ""),
        (Outside(), Value(lambda n: (0, (0.5, NAN))), FINE, ""),
        (Outside(), Value(lambda n: (10**30, 0.5) if n == 2 else (0, 0.5)), ONE_LOST, "is not a whole number"),
        (Outside(), Value(lambda n: (0, (0.5, -1)) if n == 2 else (0, 0.5)), ONE_LOST, "0 or above"),
        (Outside(), Value(lambda n: (0, NAN) if n == 2 else (0, 0.5)), ONE_LOST, "which no search can use"),
    ],
)  # fmt: skip
def test_what_goes_wrong_outside_costs_one_trial_at_most(
    outside: Outside, metric: Value, expected: list[str], why: str
) -> None:
    study = looped(outside, metric)
    assert statuses(study) == expected
    assert why in (study.trials[1].error or "")


def test_trials_that_are_abandoned_outside_are_replaced() -> None:
    study = looped(Outside(poll=lambda n: "abandoned" if n == 2 else "completed"))
    assert statuses(study) == ["completed", "abandoned", "completed", "completed", "completed"]


def test_a_poll_that_hangs_holds_up_no_other_trial() -> None:
    forever = threading.Event()
    outside = Outside(poll=lambda n: "completed" if n != 2 or forever.wait(30) else "running")
    study = looped(outside, trials=6, timeout=0.5, grace=0.1)
    forever.set()
    assert statuses(study) == ["completed", "failed", *["completed"] * 4]
    assert study.trials[1].error == "timed out after 0.5 s"


def test_data_may_come_after_the_end() -> None:
    ended: dict[int, float] = {}

    def late(number: int) -> Any:
        if time.monotonic() - ended.setdefault(number, time.monotonic()) < 0.1:
            raise FileNotFoundError("no results yet")
        return 0, 0.5

    assert statuses(looped(Outside(), Value(late))) == FINE


def test_a_metric_that_is_optional_may_be_missing() -> None:
    more = Value(raises(2, 1e9, (0, 3.0)))
    more.name, more.optional = "more", True  # type: ignore[attr-defined]
    study = looped(Outside(), Value(), more)
    assert statuses(study) == FINE
    assert [trial.metrics.get("more") for trial in study.trials] == [3.0, None, 3.0, 3.0]


def test_curves_are_told_step_by_step_and_hopeless_trials_are_stopped_outside() -> None:
    step: dict[int, int] = {}

    def curve(number: int) -> Any:
        step[number] = step.get(number, 0) + 1
        return step[number] // 2, 1.0 if number <= 3 else 0.0  # each step comes twice

    outside = Outside()
    outside.poll = lambda n: "stopped" if n in outside.stopped else "completed" if step.get(n, 0) >= 20 else "running"
    rule = {"name": "median", "args": {"min_curves": 2, "warm_up": 3}}
    study = looped(outside, Value(curve), trials=4, parallel=1, early_stopping=rule)
    assert statuses(study) == ["completed", "completed", "completed", "stopped"]
    assert outside.stopped == [4]
    told = [m.step for m in study.measurements(1)]
    assert told == sorted(set(told))


class Finding(Outside):
    """Launches go through, though the first answer of trial 2 is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, int] = {}

    def run_trial(self, number: int, parameters: Mapping[str, Any], *, key: str) -> Any:
        self.launched.append(number)
        self.jobs[key] = number
        if number == 2:
            raise TimeoutError("no answer")
        return {"job": number}

    def find_trial(self, key: str) -> dict[str, Any] | None:
        return {"job": self.jobs[key]} if key in self.jobs else None


def test_a_launch_whose_answer_was_lost_is_found_and_not_repeated() -> None:
    outside = Finding()
    assert statuses(looped(outside)) == FINE
    assert sorted(outside.launched) == [1, 2, 3, 4]
    assert len(outside.jobs) == 4


class Batched:
    """Its trials run until so many have begun, and 0.2 s more."""

    def __init__(self, trials: int) -> None:
        self.trials = trials
        self.asked: list[list[int]] = []
        self.since: dict[int, float] = {}

    def run_trial(self, number: int, parameters: Mapping[str, Any]) -> dict[str, int]:
        self.since[number] = time.monotonic()
        return {"job": number}

    def poll_trials(self, metadata: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
        self.asked.append(sorted(metadata))
        all_run = len(self.since) >= self.trials and time.monotonic() - max(self.since.values()) > 0.2
        return dict.fromkeys(metadata, "completed" if all_run else "running")


def test_many_trials_are_polled_in_one_question() -> None:
    outside, begun = Batched(20), time.monotonic()
    assert statuses(looped(outside, trials=20, parallel=20, poll_seconds=0.05)) == ["completed"] * 20
    assert max(map(len, outside.asked)) == 20
    assert len(outside.asked) <= (time.monotonic() - begun) / 0.05 + 1  # one question each 0.05 s, however many run


def test_a_question_about_all_that_fails_is_not_repeated_by_each_trial() -> None:
    outside = Batched(20)
    answers, asked = outside.poll_trials, list[float]()

    def away(metadata: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
        asked.append(time.monotonic())
        if len(asked) < 4:
            raise ConnectionError("away")
        return answers(metadata)

    outside.poll_trials = away  # type: ignore[method-assign]
    assert statuses(looped(outside, trials=20, parallel=20, poll_seconds=0.1)) == ["completed"] * 20
    assert all(later - earlier >= 0.09 for earlier, later in itertools.pairwise(asked))


def test_a_trial_that_the_answer_about_all_leaves_out_is_lost_alone() -> None:
    outside = Batched(2)
    answers = outside.poll_trials
    outside.poll_trials = lambda metadata: {n: s for n, s in answers(metadata).items() if n != 2}  # type: ignore[method-assign]
    assert statuses(looped(outside)) == ONE_LOST


class Away(Finding):
    """Away for a second from the third launch on; what runs there goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.until: float | None = None
        self.since: dict[int, float] = {}

    def run_trial(self, number: int, parameters: Mapping[str, Any], *, key: str) -> Any:
        if len(self.jobs) == 2 and self.until is None:
            self.until = time.monotonic() + 1.0
        self.answer()
        self.since[number] = time.monotonic()
        self.jobs[key] = number
        return {"job": number}

    def find_trial(self, key: str) -> dict[str, Any] | None:
        self.answer()
        return super().find_trial(key)

    def poll_trial(self, number: int, metadata: Mapping[str, Any]) -> Any:
        self.answer()
        return "completed" if time.monotonic() - self.since[number] > 0.05 else "running"

    def answer(self) -> None:
        if self.until is not None and time.monotonic() < self.until:
            raise ConnectionError("away")


def test_an_outage_costs_one_trial_at_most() -> None:
    found = statuses(looped(Away(), trials=12, parallel=4))
    assert len(found) == 12
    assert found.count("failed") <= 1


def test_a_trial_in_doubt_is_asked_for_until_the_answer_comes() -> None:
    outside = Away()
    outside.jobs, outside.since = {"s-1-1": 1}, {1: 0.0}
    outside.until = time.monotonic() + 0.6
    executor = RunnerExecutor(outside, [Value()], trial_patience=0.1)
    attempt = Attempt(study="s", number=1, attempt=1, parameters={"x": 0.5}, folder=Path(), slot=0, key="s-1-1")
    assert executor.adopt(attempt)
    news = [report for _ in range(18) for report in executor.poll(timedelta(seconds=0.05))]
    executor.close()
    assert [report.outcome.status for report in news if report.outcome] == ["completed"]
    assert outside.launched == []


def test_where_the_answer_never_comes_it_is_named_as_in_doubt() -> None:
    outside = Away()
    outside.until = time.monotonic() + 60
    executor = RunnerExecutor(outside, [Value()], patience=0.2)
    executor.adopt(Attempt(study="s", number=1, attempt=1, parameters={"x": 0.5}, folder=Path(), slot=0, key="k"))
    (report,) = executor.poll(timedelta(seconds=5))
    assert report.outcome is not None
    assert (report.outcome.status, (report.outcome.error or "")[:8]) == ("abandoned", "in doubt")


def test_a_runner_that_is_broken_is_told_of_at_once(caplog: pytest.LogCaptureFixture) -> None:
    def typo(number: int) -> Any:
        if number == 1:
            raise NameError("name 'jbo' is not defined")
        return "completed"

    study = looped(Outside(poll=typo), trials=2, parallel=1)
    assert statuses(study) == ["failed", "completed"]
    assert "poll_trial failed 3 times on end and is called again: NameError: name 'jbo'" in caplog.text
    assert len(caplog.messages) == 1


def test_a_value_that_is_not_a_number_is_told_once() -> None:
    polls: dict[int, int] = {}

    def poll(number: int) -> str:
        polls[number] = polls.get(number, 0) + 1
        return "completed" if polls[number] > 10 else "running"

    study = looped(Outside(poll=poll), Value(lambda n: (0, float("nan"))), trials=1, max_failure_rate=1)
    assert len(study.measurements(1)) == 1


class Endless(Finding):
    def __init__(self, stoppable: bool) -> None:
        super().__init__()
        if not stoppable:
            self.stop_trial = None  # type: ignore[assignment]

    def run_trial(self, number: int, parameters: Mapping[str, Any], *, key: str) -> Any:
        self.launched.append(number)
        self.jobs[key] = number
        return {"job": number}

    def poll_trial(self, number: int, metadata: Mapping[str, Any]) -> Any:
        return "running" if number not in self.stopped else "stopped"


@pytest.mark.parametrize(("stoppable", "left"), [(False, "running"), (True, "waiting")])
def test_what_cannot_be_ended_when_the_time_is_up_is_left_for_the_next_run(stoppable: bool, left: str) -> None:
    study = looped(Endless(stoppable), trials=9, parallel=2, seconds=0.2, grace=0.2)
    assert statuses(study) == [left] * 2


def test_trials_are_not_stopped_early_where_they_cannot_be_stopped() -> None:
    with pytest.raises(InputError, match="no stop_trial"):
        looped(Endless(stoppable=False), early_stopping="median")


def test_a_launch_that_answers_after_ctrl_c_is_not_repeated_in_the_same_process() -> None:
    outside, answer = Outside(), threading.Event()
    outside.launch = lambda n: {"job": n} if answer.wait(5) else None
    attempt = Attempt(study="s", number=1, attempt=1, parameters={"x": 0.5}, folder=Path(), slot=0, key="s-1-1")
    executor = RunnerExecutor(outside, [Value()])
    executor.start(attempt)
    time.sleep(0.05)
    executor.close()
    after = RunnerExecutor(outside, [Value()])
    assert after.adopt(attempt)
    answer.set()
    news = [report for _ in range(10) for report in after.poll(timedelta(seconds=0.05))]
    assert outside.launched == [1]
    assert [report.outcome.status for report in news if report.outcome] == ["completed"]
    assert [report.deployment for report in news if report.deployment] == [{"job": 1}]


def test_the_time_of_a_trial_that_is_taken_up_counts_from_its_start() -> None:
    outside = Endless(stoppable=True)
    study = meristem.Study("s", space={"x": {"float": [0, 1]}}, objective="m", controller="random", seed=1)
    for _ in range(3):
        executor = RunnerExecutor(outside, [Value()])
        outside.stop_trial = None  # type: ignore[assignment]
        executor.can_stop = True
        study.run(executor=executor, trials=1, seconds=0.25, timeout=0.6, grace=0.05, handlers=[], max_failure_rate=1)
    assert statuses(study) == ["failed"]
    assert study.trials[0].error == "timed out after 0.6 s"


class Enumerated(Enum):
    RUNNING = 3
    EARLY_STOPPED = 7


@pytest.mark.parametrize(
    ("given", "expected"),
    [("COMPLETED", "completed"), (Enumerated.RUNNING, "running"), (Enumerated.EARLY_STOPPED, "stopped"),
     ("staged", "waiting"), (("failed", "why"), "failed")],
)  # fmt: skip
def test_statuses_are_read_whatever_they_are_written_as(given: Any, expected: str) -> None:
    assert read_status(given)[0] == expected


@pytest.mark.parametrize("given", [None, 0.5, "ab", (1, "x"), (1, 2, 3), ("x", 0.5), (0, (1, None, 2))])
def test_what_is_no_value_is_refused(given: Any) -> None:
    with pytest.raises(InputError):
        read_value(given)


def test_a_trial_is_polled_less_and_less_often_within_bounds() -> None:
    pace = Pace(shortest=0.05, longest=10.0)
    waits = [pace.poll_wait(elapsed) for elapsed in (0, 1, 10, 100, 1e6)]
    assert waits == [0.05, 0.05, 0.2, 2.0, 10.0]
    assert [pace.retry_wait(n) for n in (1, 2, 3, 100)] == [0.05, 0.1, 0.2, 10.0]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"runner": object()}, "no run_trial"),
        ({"runner": Outside}, "Pass an object of it"),
        ({"runner": Outside(), "metrics": [object()]}, "no name and no fetch"),
        ({"runner": Outside(), "metrics": [Value(), Value()]}, "several metrics 'm'"),
        ({"runner": Outside(), "in_doubt": "hope"}, "in_doubt='hope' is not one of abandon, launch"),
        ({"runner": {"path": "nowhere.Runner"}}, "nowhere"),
        ({"runner": Outside(), "late": None, "poll_seconds": -5}, "late=None is not a number of seconds"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        RunnerExecutor(**given)


class Controller:
    """Counts its questions; from the second on it says so when it is asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def recommend(self, snapshot: Any, count: int) -> list[meristem.Recommendation]:
        self.asked.append(time.monotonic())
        return [meristem.Recommendation(parameters={"x": len(self.asked) / 100})]


def test_the_next_recommendation_is_ready_before_a_slot_is_free() -> None:
    ended: list[float] = []
    since: dict[int, float] = {}

    def poll(number: int) -> str:
        if time.monotonic() - since.setdefault(number, time.monotonic()) < 0.3:
            return "running"
        ended.append(time.monotonic())
        return "completed"

    controller = Controller()
    study = meristem.Study("s", space={"x": {"float": [0, 1]}}, objective="m", controller=controller, seed=1)
    study.run(executor=RunnerExecutor(Outside(poll=poll), [Value()]), trials=3, parallel=2, handlers=[])
    assert controller.asked[2] < min(ended)


def test_what_a_launch_answered_is_stored_before_anybody_thinks_ahead() -> None:
    outside = Outside(poll=lambda n: "completed")
    told: list[tuple[int, bool]] = []

    def recommend(snapshot: Any, count: int) -> list[meristem.Recommendation]:
        told.append((len(outside.launched), all(t.deployment for t in rows() if t.number in outside.launched)))
        return [meristem.Recommendation(parameters={"x": len(told) / 100})]

    study = meristem.Study("s", space={"x": {"float": [0, 1]}}, objective="m", controller=recommend, seed=1)
    rows = lambda: study.store.trials.list_page(study.store.studies.get("s").id)  # noqa: E731
    outside.launch = lambda n: time.sleep(0.05)
    study.run(executor=RunnerExecutor(outside, [Value()]), trials=6, parallel=2, handlers=[])
    assert all(stored for _, stored in told)


@pytest.mark.parametrize("break_off", ["failures", "crash"])
def test_deployed_trials_are_left_when_a_run_breaks_off(break_off: str) -> None:
    class Crash(Exception):
        pass

    def poll(number: int) -> str:
        return "running" if number == 1 else "failed"

    def launch(number: int) -> None:
        if break_off == "crash" and number == 3:
            study._engine._ledger.write = crash  # type: ignore[union-attr, method-assign]

    def crash(*_: Any, **__: Any) -> None:
        raise Crash

    outside = Outside(poll=poll, launch=launch)
    study = meristem.Study("s", space={"x": {"float": [0, 1]}}, objective="m", controller="random", seed=1)
    with pytest.raises((Crash, meristem.errors.TooManyFailures)):
        study.run(executor=RunnerExecutor(outside, [Value()]), trials=50, parallel=2, max_failure_rate=0.1, handlers=[])
    assert statuses(study)[0] == "running"
    assert outside.stopped == []


def test_a_launch_that_answers_when_its_time_was_up_is_stopped_outside() -> None:
    outside = Outside(launch=lambda n: time.sleep(2 if n == 1 else 0))
    study = looped(outside, trials=2, parallel=1, timeout=0.2, grace=0.1)
    assert statuses(study) == ["failed", "completed"]
    end = time.monotonic() + 5
    while outside.stopped != [1] and time.monotonic() < end:
        time.sleep(0.02)
    assert outside.stopped == [1]


def test_nothing_is_launched_after_the_executor_was_closed() -> None:
    outside = Outside()
    executor = RunnerExecutor(outside, [Value()], launch_spacing=0.2)
    for number in (1, 2):
        executor.start(
            Attempt(study="s", number=number, attempt=1, parameters={}, folder=Path(), slot=0, key=f"c-{number}")
        )
    time.sleep(0.05)
    executor.close()
    time.sleep(0.3)
    assert len(outside.launched) == 1


def test_what_was_not_launched_yet_at_ctrl_c_waits_for_the_next_run() -> None:
    outside = Outside(poll=lambda n: "running")
    study = meristem.Study("s", space={"x": {"float": [0, 1]}}, objective="m", controller="random", seed=1)
    executor = RunnerExecutor(outside, [Value()], launch_spacing=30)
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        study.run(executor=executor, trials=3, parallel=3, handlers=[])
    assert sorted(statuses(study)) == ["running", "waiting", "waiting"]


def test_a_call_that_hangs_is_told_of(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("meristem.executors.runner._LONG_CALL", 0.1)
    looped(Outside(poll=lambda n: time.sleep(0.7) or "completed"), trials=1)
    (told,) = caplog.messages
    assert told.startswith("Trial 1: poll_trial has not returned for")


def test_a_launch_that_is_refused_is_not_tried_again() -> None:
    def refuse(number: int) -> None:
        if number == 2:
            raise InputError("too warm")

    outside = Outside(launch=refuse)
    study = looped(outside)
    assert statuses(study) == ONE_LOST
    assert outside.launched.count(2) == 1


def test_metadata_are_the_same_before_and_after_a_restart() -> None:
    seen: list[Any] = []
    outside = Outside(launch=lambda n: {"job": n, "at": (1, 2)})
    outside.poll_trial = lambda number, metadata: seen.append(metadata["at"]) or "completed"  # type: ignore[method-assign]
    looped(outside, trials=1)
    assert seen == [[1, 2]]


def test_what_a_trial_measured_before_it_failed_is_kept() -> None:
    polls: list[int] = []
    outside = Outside(poll=lambda n: "failed" if n == 1 else "completed")
    study = looped(outside, Value(lambda n: (len(polls), 0.5)), trials=2)
    assert len(study.measurements(1)) == 1


@pytest.mark.parametrize(("objective", "told"), [("n", "given: 'm'"), ("m, -other", "No metric fetches 'other'")])
def test_what_no_metric_fetches_is_told_before_anything_is_launched(objective: str, told: str) -> None:
    outside = Outside()
    study = meristem.Study("s", space={"x": {"float": [0, 1]}}, objective=objective, controller="random")
    with pytest.raises(InputError, match=told):
        study.run(executor=RunnerExecutor(outside, [Value()]), trials=2, handlers=[])
    assert outside.launched == []


def test_ours_are_what_the_protocols_say() -> None:
    assert isinstance(Outside(), Runner)
    assert isinstance(Value(), Metric)
