"""What a client is told of its experiment, and how it says what cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from meristem.client import (
    ChoiceParameterConfig,
    Client,
    DerivedParameterConfig,
    RangeParameterConfig,
    StorageConfig,
)
from meristem.client.goals import goals_of
from meristem.client.spaces import space_of
from meristem.client.strategies import SobolFirst, controller_of
from meristem.controllers.protocol import History, Observation, Snapshot
from meristem.errors import InputError, MeristemError, StudyError
from meristem.space import Choice, Float, Int

from .problems import client_of, numbers, random_client


def test_ranges_and_choices_become_parameters() -> None:
    space = space_of(
        [
            RangeParameterConfig(name="lr", bounds=(1e-4, 1), parameter_type="float", scaling="log"),
            RangeParameterConfig(name="layers", bounds=(2, 8), parameter_type="int", step_size=2),
            ChoiceParameterConfig(name="size", values=[3, 1, 2], parameter_type="float"),
            ChoiceParameterConfig(name="kind", values=["b", "a", "c"], parameter_type="str"),
            ChoiceParameterConfig(name="on", values=[True, False], parameter_type="bool", is_ordered=True),
        ],
        ["layers <= 6"],
    )
    assert dict(space.parameters) == {
        "lr": Float(1e-4, 1, log=True),
        "layers": Int(2, 8, step=2),
        "size": Choice([1.0, 2.0, 3.0], ordered=True),
        "kind": Choice(["b", "a", "c"]),
        "on": Choice([True, False], ordered=True),
    }
    assert [constraint.label for constraint in space.constraints] == ["'layers <= 6'"]


def test_dependent_parameters_exist_only_with_their_values() -> None:
    space = space_of(
        [
            ChoiceParameterConfig(
                name="kind", values=["tree", "net", "line"], parameter_type="str",
                dependent_parameters={"tree": ["depth"], "net": ["width", "depth"]},
            ),
            RangeParameterConfig(name="depth", bounds=(1, 9), parameter_type="int"),
            RangeParameterConfig(name="width", bounds=(1, 9), parameter_type="int"),
        ]
    )  # fmt: skip
    assert space.active({"kind": "tree"}) == ("kind", "depth")
    assert space.active({"kind": "net"}) == ("kind", "depth", "width")
    assert space.active({"kind": "line"}) == ("kind",)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (RangeParameterConfig(name="x", bounds=(0, 1), parameter_type="str"), "'float' or 'int'"),  # type: ignore[arg-type]
        (RangeParameterConfig(name="x", bounds=3, parameter_type="int"), "bounds must be"),  # type: ignore[arg-type]
        (RangeParameterConfig(name="x", bounds=(2, 1), parameter_type="float"), "swap them"),
        (RangeParameterConfig(name="x", bounds=(0, 1), parameter_type="float", scaling="log"), "low above 0"),
        (RangeParameterConfig(name="x", bounds=(1, 2), parameter_type="float", scaling="ln"), "scaling"),  # type: ignore[arg-type]
        (ChoiceParameterConfig(name="x", values=[], parameter_type="int"), "at least one"),
        (ChoiceParameterConfig(name="x", values=[1, "a"], parameter_type="int"), "'a' is no int"),  # type: ignore[list-item]
        (ChoiceParameterConfig(name="x", values=[1], parameter_type="number"), "parameter_type"),  # type: ignore[arg-type]
        (
            ChoiceParameterConfig(name="x", values=["a"], parameter_type="str", dependent_parameters={"a": ["y"]}),
            "'y' depends on it, but is no parameter",
        ),
        (DerivedParameterConfig(name="x", expression_str="2*y", parameter_type="float"), "compute it where"),
        ("x", "neither a RangeParameterConfig"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_told_with_its_fix(config: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Client().configure_experiment([config])


def test_parameters_are_told_apart_by_their_names() -> None:
    with pytest.raises(InputError, match="x1: is there 2 times"):
        Client().configure_experiment([*numbers(2), *numbers(1)])


def test_limits_on_one_of_several_objectives_are_thresholds() -> None:
    goals = goals_of("-ne, qps", ["qps >= 100", "ne <= 2", "cost <= 3", "ne >= 0"])
    assert dict(goals.thresholds) == {"qps": 100.0, "ne": 2.0}
    assert [str(limit) for limit in goals.constraints] == ["cost <= 3", "ne >= 0"]


def test_limits_on_a_single_objective_stay_limits() -> None:
    goals = goals_of("-ne", ["ne <= 2"])
    assert [str(limit) for limit in goals.constraints] == ["ne <= 2"]


def test_what_is_missing_is_told_with_the_call_that_gives_it() -> None:
    client = Client()
    with pytest.raises(StudyError, match="configure_experiment"):
        client.get_next_trials(1)
    client.configure_experiment(numbers())
    with pytest.raises(StudyError, match="configure_optimization"):
        client.attach_trial({"x1": 0.0, "x2": 0.0})
    client.configure_optimization("-loss")
    assert len(client.get_next_trials(1)) == 1


def test_an_experiment_is_configured_once_and_its_goals_until_there_are_trials() -> None:
    client = client_of("-loss")
    assert client.study.goals.metrics == ("loss",)
    client.configure_optimization("accuracy")
    assert client.study.goals.metrics == ("accuracy",)
    client.get_next_trials(1)
    client.configure_optimization("accuracy")  # says nothing new
    with pytest.raises(StudyError, match="cannot be changed once there are trials"):
        client.configure_optimization("-loss")
    with pytest.raises(StudyError, match="configured already"):
        client.configure_experiment(numbers())


@pytest.mark.parametrize("method", ["fast", "quality"])
def test_the_default_search_begins_at_the_centre(method: Any) -> None:
    client = client_of()
    client.configure_generation_strategy(method)
    first, second = client.get_next_trials(2).values()
    assert first == {"x1": 0.5, "x2": 0.5}
    assert second != first


def test_the_budget_of_the_start_is_kept_with_and_without_a_centre() -> None:
    for centre, nodes in ((True, ["center", "sobol", "sobol", "gp"]), (False, ["sobol", "sobol", "sobol", "gp"])):
        client = client_of()
        client.configure_generation_strategy(initialization_budget=3, initialize_with_center=centre)
        for _ in range(4):
            for index in client.get_next_trials(1):
                client.complete_trial(index, {"loss": float(index)})
        assert [trial.origin["by"] for trial in client.study.trials] == nodes


def test_a_budget_is_data_from_which_the_controller_is_built_again() -> None:
    spec = controller_of(initialization_budget=4, initialize_with_center=False)
    assert spec == {"path": "meristem.client.strategies.SobolFirst", "args": {"budget": 4, "observed": 2}}
    assert controller_of("random_search", initialization_budget=4) == {"name": "sobol"}


def test_trials_that_are_pending_count_in_the_budget_and_those_without_a_value_do_not() -> None:
    client = client_of()
    client.configure_generation_strategy(initialization_budget=4)
    given = list(client.get_next_trials(6))
    assert [t.origin["by"] for t in client.study.trials] == ["center"] + ["sobol"] * 5  # two values are missing
    client.complete_trial(given[0], {"loss": 1.0})
    client.complete_trial(given[1], {"loss": 2.0})
    client.get_next_trials(1)
    assert client.study.trials[-1].origin["by"] == "gp"


def test_several_trials_at_once_are_as_many_one_by_one() -> None:
    controller = SobolFirst(budget=3, observed=1)
    space = space_of(numbers())
    history = History(space)
    for number, loss in enumerate((3.0, 1.0), start=1):
        history.add(Observation(number=number, parameters=space.decode([loss / 4, 0.5]), status="completed", loss=loss))
    snapshot = Snapshot(space=space, goals=goals_of("-loss", None), history=history, created=2, seed=1)
    found = controller.recommend(snapshot, 3)
    assert [r.origin["by"] for r in found] == ["sobol", "gp", "gp"]
    assert controller.recommend(snapshot, 1) == found[:1]
    assert controller.recommend(snapshot, 0) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_observed_initialization_trials": True}, "min_observed"),
        ({"method": "fastest"}, "Did you mean 'fast'"),
        ({"initialization_budget": -1}, "initialization_budget=-1"),
        ({"simplify_parameter_changes": True}, "Leave it out"),
        ({"use_existing_trials_for_initialization": False}, "Leave it out"),
        ({"initialization_random_seed": "x"}, "seed"),
    ],
)
def test_what_the_search_does_not_have_is_refused_with_what_to_do(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        client_of().configure_generation_strategy(**options)


def test_escape_hatches_of_ax_name_what_stands_in_their_place() -> None:
    client = random_client()
    for call, words in (
        (lambda: client.set_experiment(object()), "configure_experiment"),
        (lambda: client.set_optimization_config(object()), "configure_optimization"),
        (lambda: client.set_generation_strategy(object()), "controller of Meristem"),
        (lambda: client.set_early_stopping_strategy(object()), "rule"),
        (lambda: client.configure_optimization("loss", pruning_target_parameterization={"x1": 0.0}), "importance"),
    ):
        with pytest.raises(MeristemError, match=words):
            call()


def test_any_controller_of_meristem_generates_trials() -> None:
    client = client_of()
    client.set_generation_strategy("grid")
    assert list(client.get_next_trials(1).values()) == [{"x1": 0.0, "x2": 0.0}]
    other = client_of()
    other.set_generation_strategy(lambda history: [{"x1": 0.1, "x2": 0.2}])
    with pytest.raises(StudyError):
        Client(StorageConfig(url="sqlite://")).study  # noqa: B018  it has no experiment


@pytest.mark.parametrize(
    "config",
    [
        StorageConfig(),
        StorageConfig(url="sqlite://", creator=print),
        StorageConfig(url="sqlite://", registry_bundle=1),
        "x.db",
    ],
)
def test_a_storage_config_is_a_url(config: Any) -> None:
    with pytest.raises(InputError, match="url"):
        Client(config)


def test_a_store_needs_a_name() -> None:
    client = Client(StorageConfig(url="sqlite://"))
    client.configure_experiment(numbers())
    client.configure_optimization("-loss")
    with pytest.raises(InputError, match="needs a name"):
        client.get_next_trials(1)
