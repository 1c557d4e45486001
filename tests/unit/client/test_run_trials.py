"""The client's closed loop: what it asks for before it starts, and how runners and metrics are spoken to."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from meristem.client import Client, IMetric, IRunner, TParameterization, TrialStatus, loop
from meristem.client.adapters import MetricAdapter, RunnerAdapter, adapt_runner
from meristem.errors import InputError, StudyError, TooManyFailures
from meristem.spool import Measurement
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report

from .problems import random_client, sphere


class OvenRunner(IRunner):
    """Computes at once and is done at the second poll; trials in `broken` fail."""

    def __init__(self, broken: Sequence[int] = ()) -> None:
        self.broken = broken
        self.run: list[int] = []
        self.polls: dict[int, int] = {}

    def run_trial(self, trial_index: int, parameterization: TParameterization) -> dict[str, Any]:
        self.run.append(trial_index)
        return {"loss": sphere(parameterization)}

    def poll_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> TrialStatus:
        self.polls[trial_index] = self.polls.get(trial_index, 0) + 1
        if self.polls[trial_index] < 2:
            return TrialStatus.STAGED
        return TrialStatus.FAILED if trial_index in self.broken else TrialStatus.COMPLETED


class StoppableRunner(OvenRunner):
    stopped: list[int]

    def stop_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> dict[str, Any]:
        self.stopped = [*getattr(self, "stopped", []), trial_index]
        return {}


class Loss(IMetric):
    def fetch(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> tuple[int, float | tuple[float, float]]:
        return 0, trial_metadata["loss"]


class OneThreadExecutor:
    """The least that runs trials through a runner: one after the other, in the engine's thread."""

    slots = None

    def __init__(self, runner: Any, metrics: Sequence[Any], poll_seconds: float) -> None:
        self.runner, self.metrics, self.poll_seconds = runner, metrics, poll_seconds
        self.deployed: dict[int, Any] = {}

    def open(self, slots: int) -> None:
        pass

    def start(self, attempt: Attempt) -> None:
        self.deployed[attempt.number] = self.runner.run_trial(attempt.number, attempt.parameters)

    def adopt(self, attempt: Attempt) -> bool:
        return False

    def poll(self, timeout: timedelta) -> list[Report]:
        return [report for number in list(self.deployed) if (report := self._report(number)) is not None]

    def stop(self, number: int, grace: timedelta) -> None:
        self.runner.stop_trial(number, self.deployed[number])

    def close(self) -> None:
        self.deployed.clear()

    def _report(self, number: int) -> Report | None:
        status = self.runner.poll_trial(number, self.deployed[number])
        if status == "running":
            return None
        metadata = self.deployed.pop(number)
        if status != "completed":
            return Report(number=number, outcome=Outcome(status=OutcomeStatus(status), error="the oven is cold"))
        found = [(metric.name, *metric.fetch(number, metadata)) for metric in self.metrics]
        measured = [Measurement(metric=name, step=step, value=value) for name, step, value in found]
        return Report(number=number, measurements=measured, outcome=Outcome(status=OutcomeStatus.COMPLETED))


@pytest.fixture(autouse=True)
def _executor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "make_executor", OneThreadExecutor)


def ready(runner: Any = None, *metrics: Any, **options: Any) -> Client:
    client = random_client(**options)
    client.configure_runner(runner or OvenRunner())
    client.configure_metrics(metrics or [Loss("loss")])
    return client


def test_trials_are_deployed_polled_and_fetched() -> None:
    runner = OvenRunner()
    client = ready(runner)
    client.run_trials(max_trials=6, parallelism=3, initial_seconds_between_polls=0)
    assert client.study.counts() == {"completed": 6}
    assert sorted(runner.run) == list(range(6))
    parameters, observed, _, _ = client.get_best_parameterization(use_model_predictions=False)
    assert observed["loss"][0] == pytest.approx(sphere(parameters))


def test_max_trials_are_so_many_more_and_total_trials_so_many_in_all() -> None:
    client = ready()
    client.run_trials(3)
    client.run_trials(max_trials=2)
    assert client.study.counts() == {"completed": 5}
    client.run_trials(total_trials=6)
    client.run_trials(total_trials=6)
    assert client.study.counts() == {"completed": 6}


def test_trials_told_by_hand_and_trials_of_the_loop_are_of_one_study() -> None:
    client = ready()
    client.complete_trial(client.attach_trial({"x1": 0.3, "x2": 0.3}), {"loss": 0.0})
    client.run_trials(max_trials=2)
    assert list(client.get_next_trials(1)) == [3]
    assert client.get_best_parameterization(False)[2] == 0


def test_more_failures_than_tolerated_are_told_at_the_end_in_both_vocabularies() -> None:
    client = ready(OvenRunner(broken=[1, 2]))
    client.run_trials(max_trials=4, tolerated_trial_failure_rate=0.5)
    other = ready(OvenRunner(broken=[1, 2]))
    with pytest.raises(TooManyFailures, match="2 of 4 trials failed") as caught:
        other.run_trials(max_trials=4, tolerated_trial_failure_rate=0.4)
    assert "trial 1 is trial_index 0" in caught.value.__notes__[0]
    assert other.study.counts() == {"completed": 2, "failed": 2}


def test_a_run_with_too_many_failures_ends_early() -> None:
    client = ready(OvenRunner(broken=range(100)))
    with pytest.raises(TooManyFailures):
        client.run_trials(max_trials=50, tolerated_trial_failure_rate=0.1)
    assert client.study.counts() == {"failed": 5}


def test_what_is_missing_is_told_before_anything_is_launched() -> None:
    client = random_client()
    with pytest.raises(StudyError, match="configure_runner"):
        client.run_trials(max_trials=1)
    runner = OvenRunner()
    client.configure_runner(runner)
    with pytest.raises(StudyError, match=r"No metric fetches 'loss' \(configured: none\).*configure_metrics"):
        client.run_trials(max_trials=1)
    client.configure_metrics([Loss("los")])
    with pytest.raises(StudyError, match=r"Did you mean 'los'.*of name 'loss'"):
        client.run_trials(max_trials=1)
    client.configure_metrics([Loss("loss")])
    client.set_early_stopping_strategy("median")
    with pytest.raises(StudyError, match="stop_trial"):
        client.run_trials(max_trials=1)
    assert runner.run == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either max_trials or total_trials"),
        ({"max_trials": 1, "total_trials": 1}, "either max_trials or total_trials"),
        ({"max_trials": 0}, "max_trials=0"),
        ({"max_trials": 1, "parallelism": 0}, "parallelism=0"),
        ({"max_trials": 1, "tolerated_trial_failure_rate": 2}, "tolerated_trial_failure_rate=2"),
        ({"max_trials": 1, "initial_seconds_between_polls": -1}, "initial_seconds_between_polls=-1"),
        ({"max_trials": 1, "seconds_between_launches": "1"}, "seconds_between_launches='1'"),
    ],
)
def test_settings_that_cannot_be_used_are_told_by_their_names(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ready().run_trials(**options)


@pytest.mark.parametrize("runner", [OvenRunner, object(), SimpleNamespace(run_trial=print)])
def test_what_is_no_runner_is_refused(runner: Any) -> None:
    with pytest.raises(InputError, match="runner"):
        random_client().configure_runner(runner)


@pytest.mark.parametrize("metrics", [Loss("loss"), [Loss], [object()], [Loss("loss"), Loss("loss")], [Loss(name="")]])
def test_what_is_no_list_of_metrics_is_refused(metrics: Any) -> None:
    with pytest.raises(InputError, match="metric"):
        random_client().configure_metrics(metrics)


def test_a_runner_hears_indices_and_names_of_ax() -> None:
    heard: list[Any] = []
    runner = SimpleNamespace(
        run_trial=lambda *, trial_index, parameterization: heard.append((trial_index, parameterization)) or {"id": 7},
        poll_trial=lambda *, trial_index, trial_metadata: (trial_index, trial_metadata),
        stop_trial=lambda *, trial_index, trial_metadata: heard.append((trial_index, trial_metadata)),
    )
    adapter = adapt_runner(runner)
    assert adapter.run_trial(1, {"x": 2}) == {"id": 7}
    assert adapter.poll_trial(1, {"id": 7}) == (0, {"id": 7})
    adapter.stop_trial(1, {"id": 7})
    assert heard == [(0, {"x": 2}), (0, {"id": 7})]
    assert MetricAdapter(Loss("loss")).fetch(1, {"loss": 3.0}) == (0, 3.0)


def test_statuses_are_told_in_words_of_meristem_and_nonsense_as_it_is() -> None:
    def told(status: Any) -> Any:
        return RunnerAdapter(SimpleNamespace(poll_trial=lambda **_: status)).poll_trial(1, {})

    known = {status.name: told(status) for status in TrialStatus}
    assert known == {
        "CANDIDATE": "running", "STAGED": "running", "DISPATCHED": "running", "RUNNING": "running",
        "COMPLETED": "completed", "FAILED": "failed", "ABANDONED": "abandoned", "STALE": "abandoned",
        "EARLY_STOPPED": "stopped",
    }  # fmt: skip
    assert told((TrialStatus.FAILED, "cold")) == ("failed", "cold")
    assert [told(None), told("done")] == [None, "done"]
    assert [status.is_terminal for status in (TrialStatus.RUNNING, TrialStatus.COMPLETED)] == [False, True]


def test_an_adapter_can_only_what_its_runner_can() -> None:
    assert not hasattr(adapt_runner(OvenRunner()), "stop_trial")
    assert hasattr(adapt_runner(StoppableRunner()), "stop_trial")
    rich = SimpleNamespace(
        run_trial=lambda trial_index, parameterization, key: {"key": key},
        poll_trial=None,
        find_trial=lambda key: {"key": key},
        poll_trials=lambda metadata: dict.fromkeys(metadata, TrialStatus.COMPLETED),
    )
    adapter: Any = adapt_runner(rich)
    assert adapter.run_trial(1, {}, key="k") == adapter.find_trial("k") == {"key": "k"}
    assert adapter.poll_trials({1: {}, 4: {}}) == {1: "completed", 4: "completed"}
    assert not hasattr(adapt_runner(OvenRunner()), "find_trial")


def test_launches_can_be_kept_apart() -> None:
    at: list[float] = []
    runner = SimpleNamespace(run_trial=lambda trial_index, parameterization: at.append(time.monotonic()) or {})
    adapter = adapt_runner(runner, seconds_between_launches=0.03)
    threads = [threading.Thread(target=adapter.run_trial, args=(number, {})) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(later - earlier >= 0.025 for earlier, later in itertools.pairwise(at))


def test_a_runner_without_stop_says_so() -> None:
    with pytest.raises(NotImplementedError, match="OvenRunner cannot stop"):
        OvenRunner().stop_trial(0, {})
