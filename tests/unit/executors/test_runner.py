"""Trials that run outside: what a runner and its metrics may do wrong, and what comes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import pytest

import meristem
from meristem.errors import InputError
from meristem.executors.pacing import Pace
from meristem.executors.runner import RunnerExecutor, read_status, read_value
from meristem.executors.runner_protocol import Metric, Runner

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
    settings = {"patience": 0.1, "late": 0.3, "launches": 3}
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
        (Outside(launch=raises(2, 9, None)), Value(), ONE_LOST, "could not be launched after 3 tries: OSError"),
        (Outside(poll=raises(2, 1, "completed")), Value(), FINE, ""),
        (Outside(poll=raises(2, 1e9, "completed")), Value(), ONE_LOST, "could not say how it stands for 0.1 s: OSErr"),
        (Outside(poll=lambda n: "dancing" if n == 2 else "completed"), Value(), ONE_LOST, "'dancing', which is no"),
        (Outside(poll=lambda n: ("failed", "no power") if n == 2 else "completed"), Value(), ONE_LOST, "no power"),
        (Outside(launch=lambda n: [1, 2] if n == 2 else None), Value(), ONE_LOST, "cannot be found again"),
        (Outside(), Value(raises(2, 1, (0, 0.5))), FINE, ""),
        (Outside(), Value(raises(2, 1e9, (0, 0.5))), ONE_LOST, "'m' could not be fetched for 0.3 s: OSError"),
        (Outside(), Value(lambda n: None if n == 2 else (0, 0.5)), ONE_LOST, "fetch() gave None"),
        (Outside(), Value(lambda n: (0, 1) if n == 2 else (0, 0.5)), FINE, ""),
        (Outside(), Value(lambda n: (0, (0.5, 0.1))), FINE, ""),
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
    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.since: dict[int, float] = {}

    def run_trial(self, number: int, parameters: Mapping[str, Any]) -> dict[str, int]:
        self.since[number] = time.monotonic()
        return {"job": number}

    def poll_trials(self, metadata: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
        self.asked.append(sorted(metadata))
        return {n: "completed" if time.monotonic() - self.since[n] > 0.2 else "running" for n in metadata}


def test_many_trials_are_polled_in_one_question() -> None:
    outside = Batched()
    assert statuses(looped(outside, trials=20, parallel=20, poll_seconds=0.05)) == ["completed"] * 20
    assert max(map(len, outside.asked)) == 20
    assert len(outside.asked) < 60  # of 20 trials for 0.2 s, every 0.05 s


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
    assert [Pace.retry_wait(n) for n in (1, 2, 3, 100)] == [0.05, 0.1, 0.2, 60.0]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"runner": object()}, "no run_trial"),
        ({"runner": Outside}, "Pass an object of it"),
        ({"runner": Outside(), "metrics": [object()]}, "no name and no fetch"),
        ({"runner": Outside(), "metrics": [Value(), Value()]}, "several metrics 'm'"),
        ({"runner": Outside(), "in_doubt": "hope"}, "in_doubt='hope' is not one of abandon, launch"),
        ({"runner": {"path": "nowhere.Runner"}}, "nowhere"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        RunnerExecutor(**given)


def test_ours_are_what_the_protocols_say() -> None:
    assert isinstance(Outside(), Runner)
    assert isinstance(Value(), Metric)
