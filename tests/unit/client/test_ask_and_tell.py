"""The client's ask and tell: Ax's calls and their meanings on a study of Meristem."""

from __future__ import annotations

import math

import numpy as np
import pytest

from meristem.client import Client, TrialStatus
from meristem.errors import InputError, NothingToTry, ParameterError, StudyError

from .problems import client_of, hartmann6, numbers, random_client, run_by_hand, sphere


def test_axs_ask_and_tell_tutorial_finds_a_low_value_of_hartmann6() -> None:
    client = Client(random_seed=0)
    client.configure_experiment(parameters=numbers(6))
    client.configure_optimization(objective="-hartmann6")
    for _ in range(8):
        for trial_index, parameters in client.get_next_trials(max_trials=3).items():
            assert client.complete_trial(trial_index, {"hartmann6": hartmann6(**parameters)}) is TrialStatus.COMPLETED
    parameters, prediction, index, name = client.get_best_parameterization()
    mean, variance = prediction["hartmann6"]
    assert hartmann6(**parameters) < -2
    assert mean == pytest.approx(hartmann6(**parameters), abs=0.3)
    assert variance >= 0
    assert (name, parameters) == (f"{index}_0", dict(client.study.get_trial(index + 1).parameters))


def test_indices_count_from_0_and_several_trials_are_given_at_once() -> None:
    client = random_client()
    assert list(client.get_next_trials(max_trials=3)) == [0, 1, 2]
    assert next(iter(client.get_next_trials(max_trials=1, fixed_parameters={"x1": 0.25}).values()))["x1"] == 0.25


def test_the_same_seed_gives_the_same_trials() -> None:
    assert client_of().get_next_trials(4) == client_of().get_next_trials(4)


def test_a_space_that_is_used_up_gives_fewer_trials_and_then_says_so() -> None:
    from meristem.client import ChoiceParameterConfig

    client = Client(random_seed=1)
    client.configure_experiment([ChoiceParameterConfig(name="x", values=["a", "b"], parameter_type="str")])
    client.configure_optimization("loss")
    given = client.get_next_trials(max_trials=5)
    assert len(given) == 2
    assert client.get_next_trials(max_trials=1) == {}
    for index in given:
        client.complete_trial(index, {"loss": 1.0})
    with pytest.raises(NothingToTry):
        client.get_next_trials(max_trials=1)


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.int64(3), (0.5, 0.1), [0.5, None], (0.5, math.nan)])
def test_numbers_of_all_kinds_and_pairs_are_data(value: object) -> None:
    client = random_client()
    client.get_next_trials(1)
    assert client.complete_trial(0, {"loss": value}) is TrialStatus.COMPLETED  # type: ignore[dict-item]
    assert client.study.trials[0].sems == ({"loss": 0.1} if isinstance(value, tuple) and value[1] == 0.1 else {})


def test_nan_is_a_failed_trial_whose_value_is_kept() -> None:
    client = random_client()
    client.get_next_trials(1)
    assert client.complete_trial(0, {"loss": math.nan}) is TrialStatus.FAILED
    assert math.isnan(client.study.trials[0].metrics["loss"])


def test_metrics_that_no_goal_names_are_tracked() -> None:
    client = random_client()
    client.configure_tracking_metrics(["seconds"])
    client.get_next_trials(1)
    client.complete_trial(0, {"loss": 1.0, "seconds": 7.0})
    assert client.study.trials[0].metrics == {"loss": 1.0, "seconds": 7.0}


@pytest.mark.parametrize(
    ("raw_data", "words"),
    [
        ({"los": 1.0}, "Did you mean 'los'"),
        ({}, "empty"),
        (0.5, "mapping of metrics"),
        ({"loss": "high"}, "neither a number nor a pair"),
        ({"loss": True}, "neither a number nor a pair"),
        ({"loss": (1.0, -1.0)}, "standard error from 0"),
        (None, "loss"),
    ],
)
def test_data_that_is_none_is_refused_and_the_trial_goes_on(raw_data: object, words: str) -> None:
    client = random_client()
    client.get_next_trials(1)
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        client.complete_trial(0, raw_data)  # type: ignore[arg-type]
    assert client.complete_trial(0, {"loss": 1.0}) is TrialStatus.COMPLETED


def test_a_trial_that_has_ended_cannot_be_completed_again() -> None:
    client = random_client()
    client.get_next_trials(1)
    client.complete_trial(0, {"loss": 1.0})
    for act in (
        lambda: client.complete_trial(0, {"loss": 2.0}),
        lambda: client.attach_data(0, {"loss": 2.0}),
        lambda: client.mark_trial_failed(0),
        lambda: client.mark_trial_abandoned(0),
        lambda: client.mark_trial_early_stopped(0),
    ):
        with pytest.raises(StudyError, match=r"Trial 0 is completed already.*attach_trial"):
            act()


@pytest.mark.parametrize("index", [1, -1, 10**12])
def test_an_index_without_a_trial_is_told_with_those_that_there_are(index: int) -> None:
    client = random_client()
    client.get_next_trials(1)
    with pytest.raises(InputError, match=r"There is no trial .* from 0 to 0"):
        client.complete_trial(index, {"loss": 1.0})


def test_an_index_may_be_numpys_and_not_text() -> None:
    client = random_client()
    client.get_next_trials(1)
    with pytest.raises(InputError, match="whole number"):
        client.complete_trial("0", {"loss": 1.0})  # type: ignore[arg-type]
    assert client.complete_trial(np.int64(0), {"loss": 1.0}) is TrialStatus.COMPLETED  # type: ignore[arg-type]


def test_trials_are_marked_by_hand() -> None:
    client = random_client()
    client.get_next_trials(4)
    client.mark_trial_failed(0, "no oven")
    client.mark_trial_abandoned(1)
    client.attach_data(2, {"loss": 3.0}, progression=1)
    client.mark_trial_early_stopped(2)
    with pytest.raises(StudyError, match="mark_trial_abandoned"):
        client.mark_trial_early_stopped(3)
    assert [str(trial.status) for trial in client.study.trials] == ["failed", "abandoned", "stopped", "running"]
    assert client.study.trials[0].error == "no oven"
    assert client.study.trials[2].metrics == {"loss": 3.0}


def test_attached_trials_teach_the_search_and_keep_their_names() -> None:
    client = random_client()
    index = client.attach_trial({"x1": 0.3, "x2": 0.3}, arm_name="mine")
    client.complete_trial(index, {"loss": 0.0})
    run_by_hand(client, 3)
    assert client.get_best_parameterization(use_model_predictions=False)[2:] == (0, "mine")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"x1": 0.3, "x3": 0.3}, "'x3' is not a parameter"),
        ({"x1": 0.3}, "x2: is missing"),
        ({"x1": 3, "x2": 0}, "from 0.0 to 1.0"),
    ],
)
def test_an_attached_trial_lies_in_the_space(parameters: dict[str, float], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        random_client().attach_trial(parameters)


def test_the_baseline_is_what_relative_limits_refer_to() -> None:
    client = random_client("-loss", "cost <= 0.5 * baseline")
    baseline = client.attach_baseline({"x1": 1.0, "x2": 1.0})
    client.complete_trial(baseline, {"loss": 0.1, "cost": 2.0})
    for index, cost in zip(client.get_next_trials(2), (1.0, 1.5), strict=True):
        client.complete_trial(index, {"loss": 1.0 - cost / 2, "cost": cost})
    _, observed, index, _ = client.get_best_parameterization(use_model_predictions=False)
    assert (index, observed["cost"][0]) == (1, 1.0)
    assert client.summarize()["arm_name"][0] == "baseline"
    with pytest.raises(StudyError, match="Trial 0 is the baseline already"):
        client.attach_baseline({"x1": 0.5, "x2": 1.0})


def test_progressions_are_a_curve_by_which_hopeless_trials_are_stopped() -> None:
    client = random_client()
    client.set_early_stopping_strategy({"name": "median", "args": {"min_curves": 2}})
    for index in client.get_next_trials(3):
        for step in range(3):
            client.attach_data(index, {"loss": 1.0 / (1 + step)}, progression=step)
        client.complete_trial(index)
    (good,), (bad,) = client.get_next_trials(1), client.get_next_trials(1)
    client.attach_data(good, {"loss": 0.1}, progression=1)
    client.attach_data(bad, {"loss": 9.0}, progression=1)
    assert not client.should_stop_trial_early(good)
    assert client.should_stop_trial_early(bad)
    client.mark_trial_early_stopped(bad)
    assert client.complete_trial(good, {"loss": 0.05}, progression=2) is TrialStatus.COMPLETED
    assert client.study.get_trial(good + 1).value == 0.05


def test_a_progression_is_a_whole_number() -> None:
    client = random_client()
    client.get_next_trials(1)
    with pytest.raises(InputError, match=r"progression=0\.5"):
        client.attach_data(0, {"loss": 1.0}, progression=0.5)  # type: ignore[arg-type]


def test_parameters_of_best_trial_are_those_that_the_model_expects_to_be_best() -> None:
    client = client_of()
    run_by_hand(client, 9)
    parameters, prediction, _, _ = client.get_best_parameterization()
    assert sphere(parameters) == pytest.approx(prediction["loss"][0], abs=0.05)
    (expected,) = client.predict([parameters])
    mean, sem = expected["loss"]
    assert (mean, sem**2) == pytest.approx(prediction["loss"])


def test_without_enough_for_a_model_the_best_is_as_measured() -> None:
    client = random_client()
    run_by_hand(client, 2)
    _, observed, index, _ = client.get_best_parameterization()
    assert observed["loss"][0] == client.study.best.value
    assert math.isnan(observed["loss"][1])
    assert index == client.study.best.number - 1
    with pytest.raises(InputError, match="too little"):
        client.predict([{"x1": 0.1, "x2": 0.1}])
