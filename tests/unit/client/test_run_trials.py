"""The client's closed loop: what it asks for before it starts, and how runners and metrics are spoken to."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from examples.ax_tutorial import optimize

from meristem.client import Client, IMetric, IRunner, TParameterization, TrialStatus
from meristem.client.adapters import MetricAdapter, adapt_runner
from meristem.errors import InputError, StudyError, TooManyFailures
from meristem.executors.file_metric import FileMetric
from meristem.executors.runner_answers import read_status
from meristem.executors.slurm import SlurmRunner

from .problems import hartmann6, random_client, sphere


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


def ready(runner: Any = None, *metrics: Any, **options: Any) -> Client:
    client = random_client(**options)
    client.configure_runner(runner or OvenRunner())
    client.configure_metrics(metrics or [Loss("loss")])
    return client


def run(client: Client, max_trials: int | None = None, **options: Any) -> None:
    client.run_trials(max_trials, **{"initial_seconds_between_polls": 0, **options})


def test_trials_are_deployed_polled_and_fetched() -> None:
    runner = OvenRunner()
    client = ready(runner)
    run(client, 6, parallelism=3)
    assert client.study.counts() == {"completed": 6}
    assert sorted(runner.run) == list(range(6))
    parameters, observed, _, _ = client.get_best_parameterization(use_model_predictions=False)
    assert observed["loss"][0] == pytest.approx(sphere(parameters))


def test_the_tutorial_of_ax_completes_its_trials_and_finds_a_low_value(tmp_path: Path) -> None:
    client = optimize(tmp_path, seconds=0, seed=5, polls=0)
    parameters, prediction, index, name = client.get_best_parameterization()
    assert client.study.counts() == {"completed": 30}
    assert [trial.metrics["hartmann6"] for trial in client.study.trials] == pytest.approx(
        [hartmann6(**trial.parameters) for trial in client.study.trials]
    )
    assert hartmann6(**parameters) < -2
    assert name == f"{index}_0"
    assert list(prediction) == ["hartmann6"]


def test_a_loop_that_is_started_again_goes_on_with_what_is_deployed(tmp_path: Path) -> None:
    client = ready(OvenRunner(broken=range(5)), url=f"sqlite:///{tmp_path}/s.db")
    with pytest.raises(TooManyFailures):
        run(client, 50, parallelism=2, tolerated_trial_failure_rate=0.1)
    runner = OvenRunner()
    again = ready(runner, url=f"sqlite:///{tmp_path}/s.db")
    run(again, total_trials=8)
    launched = [trial.number - 1 for trial in again.study.trials if trial.status == "completed"]
    assert sum(again.study.counts().values()) == 8
    assert set(runner.run) <= set(launched)


def test_hopeless_trials_are_stopped_through_the_runner() -> None:
    class Slow(StoppableRunner):
        def poll_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> TrialStatus:
            self.polls[trial_index] = self.polls.get(trial_index, 0) + 1
            if trial_index in getattr(self, "stopped", []):
                return TrialStatus.EARLY_STOPPED
            return TrialStatus.COMPLETED if trial_index < 3 and self.polls[trial_index] > 3 else TrialStatus.RUNNING

    class Curve(IMetric):
        def fetch(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> tuple[int, float]:
            return runner.polls[trial_index], 1.0 + (trial_index == 3)

    runner = Slow()
    client = ready(runner, Curve("loss"))
    client.set_early_stopping_strategy({"name": "median", "args": {"min_curves": 2}})
    run(client, 4)
    assert runner.stopped == [3]
    assert list(client.summarize()["trial_status"]) == ["COMPLETED"] * 3 + ["EARLY_STOPPED"]


def test_max_trials_are_so_many_more_and_total_trials_so_many_in_all() -> None:
    client = ready()
    run(client, 3)
    run(client, 2)
    assert client.study.counts() == {"completed": 5}
    run(client, total_trials=6)
    run(client, total_trials=6)
    assert client.study.counts() == {"completed": 6}


def test_trials_told_by_hand_and_trials_of_the_loop_are_of_one_study() -> None:
    client = ready()
    client.complete_trial(client.attach_trial({"x1": 0.3, "x2": 0.3}), {"loss": 0.0})
    run(client, 2)
    assert list(client.get_next_trials(1)) == [3]
    assert client.get_best_parameterization(False)[2] == 0


def test_more_failures_than_tolerated_are_told_at_the_end_in_both_vocabularies() -> None:
    client = ready(OvenRunner(broken=[1, 2]))
    run(client, 4, tolerated_trial_failure_rate=0.5)
    other = ready(OvenRunner(broken=[1, 2]))
    with pytest.raises(TooManyFailures, match="2 of 4 trials failed") as caught:
        run(other, 4, tolerated_trial_failure_rate=0.4)
    assert "trial 1 is trial_index 0" in caught.value.__notes__[0]
    assert other.study.counts() == {"completed": 2, "failed": 2}


def test_a_run_with_too_many_failures_ends_early() -> None:
    client = ready(OvenRunner(broken=range(100)))
    with pytest.raises(TooManyFailures):
        run(client, 50, tolerated_trial_failure_rate=0.1)
    assert client.study.counts() == {"failed": 5}


def test_what_is_missing_is_told_before_anything_is_launched() -> None:
    client = random_client()
    with pytest.raises(StudyError, match="configure_runner"):
        run(client, 1)
    runner = OvenRunner()
    client.configure_runner(runner)
    with pytest.raises(StudyError, match=r"No metric fetches 'loss' \(configured: none\).*configure_metrics"):
        run(client, 1)
    client.configure_metrics([Loss("los")])
    with pytest.raises(StudyError, match=r"Did you mean 'los'.*of name 'loss'"):
        run(client, 1)
    client.configure_metrics([Loss("loss")])
    client.set_early_stopping_strategy("median")
    with pytest.raises(StudyError, match="stop_trial"):
        run(client, 1)
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
        run(ready(), **options)


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


def test_statuses_of_ax_are_understood() -> None:
    understood = {status.name: read_status(status)[0].value for status in TrialStatus}
    assert understood == {
        "CANDIDATE": "waiting", "STAGED": "waiting", "DISPATCHED": "waiting", "RUNNING": "running",
        "COMPLETED": "completed", "FAILED": "failed", "ABANDONED": "abandoned", "STALE": "abandoned",
        "EARLY_STOPPED": "stopped",
    }  # fmt: skip
    assert read_status((TrialStatus.FAILED, "cold")) == ("failed", "cold")
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
    assert adapter.poll_trials({1: {}, 4: {}}) == {1: TrialStatus.COMPLETED, 4: TrialStatus.COMPLETED}
    assert not hasattr(adapt_runner(OvenRunner()), "find_trial")


class Bench:
    """A runner in Meristem's own words, as the one for Slurm; counts from 1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys: dict[int, str] = {}
        self.poll_seconds = 0.001

    def run_trial(self, number: int, parameters: Any, *, key: str) -> dict[str, Any]:
        self.keys[number] = key
        (self.folder / str(number)).mkdir()
        (self.folder / str(number) / "report.jsonl").write_text(json.dumps({"loss": sphere(parameters)}) + "\n")
        return {"folder": str(self.folder / str(number))}

    def poll_trials(self, metadata_by_number: Mapping[int, Any]) -> dict[int, str]:
        return dict.fromkeys(metadata_by_number, "completed")


def test_runners_and_metrics_of_meristem_itself_do_as_well(tmp_path: Path) -> None:
    runner = Bench(tmp_path)
    client = ready(runner, FileMetric("loss"))
    run(client, 3)
    assert client.study.counts() == {"completed": 3}
    assert sorted(runner.keys) == [1, 2, 3]
    assert len(set(runner.keys.values())) == 3
    assert client.study.get_trial(3).value == pytest.approx(sphere(client.study.get_trial(3).parameters))
    client.set_early_stopping_strategy("median")
    with pytest.raises(StudyError, match="Bench cannot stop trials early"):
        run(client, 1)


def test_a_runner_for_slurm_is_taken_as_it_is(tmp_path: Path) -> None:
    runner = SlurmRunner("train {x1} {x2}", folder=tmp_path)
    assert adapt_runner(runner) is runner
    random_client().configure_runner(runner)


def test_a_runner_or_metric_that_takes_neither_is_refused_before_it_is_launched() -> None:
    class Slip(OvenRunner):
        def run_trial(self, index: int, parameters: Any) -> dict[str, Any]:  # type: ignore[override]
            return {}

    class Late(IMetric):
        def fetch(self, index: int, metadata: Any) -> tuple[int, float]:  # type: ignore[override]
            return 0, 1.0

    class Odd(Bench):
        def run_trial(self, parameters: Any) -> dict[str, Any]:  # type: ignore[override]
            return {}

    for runner in (Slip(), Odd(Path())):
        with pytest.raises(InputError, match=r"run_trial\(.*cannot be called.*meristem\.Runner"):
            random_client().configure_runner(runner)
    with pytest.raises(InputError, match=r"Late\.fetch\(.*cannot be called"):
        random_client().configure_metrics([Late("loss")])


def test_launches_can_be_kept_apart() -> None:
    at: list[float] = []

    class Watched(OvenRunner):
        def run_trial(self, trial_index: int, parameterization: TParameterization) -> dict[str, Any]:
            at.append(time.monotonic())
            return super().run_trial(trial_index, parameterization)

    run(ready(Watched()), 4, parallelism=4, seconds_between_launches=0.2)
    assert max(at) - min(at) > 0.3  # 0.6, less what the first may have been late


def test_trials_that_the_system_gives_up_count_as_failures() -> None:
    class GivingUp(OvenRunner):
        def poll_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> TrialStatus:
            return TrialStatus.ABANDONED

    client = ready(GivingUp())
    with pytest.raises(TooManyFailures):
        run(client, 4, parallelism=2, tolerated_trial_failure_rate=0.1)
    assert client.study.counts()["abandoned"] < 10


def test_a_trial_that_is_given_up_by_hand_meanwhile_frees_its_slot() -> None:
    class Stuck(OvenRunner):
        def poll_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> TrialStatus:
            if trial_index == 1 and not self.polls:
                self.polls[1] = 1
                client.mark_trial_abandoned(1)
            return TrialStatus.RUNNING if trial_index == 1 else TrialStatus.COMPLETED

    client = ready(Stuck())
    run(client, 4, parallelism=2)
    assert client.study.counts() == {"completed": 4, "abandoned": 1}


def test_trials_that_cannot_be_told_apart_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    adapter = adapt_runner(SimpleNamespace(run_trial=lambda trial_index, parameterization: {"file": trial_index // 2}))
    for number in (1, 3, 1):
        adapter.run_trial(number, {})
    assert caplog.messages == []
    for number in (2, 4):
        adapter.run_trial(number, {})
    (warning,) = caplog.messages
    assert "Trials 0 and 1 were launched with the same metadata, {'file': 0}" in warning


def test_a_runner_without_stop_says_so() -> None:
    with pytest.raises(NotImplementedError, match="OvenRunner cannot stop"):
        OvenRunner().stop_trial(0, {})
