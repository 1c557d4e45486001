"""Trials' own configurations, and parameters as values and as indices."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.bundles import SearchedConfig, Variables, read_bundle_search, read_search, takes_argument
from meristem.errors import InputError, ParameterError

few = settings(max_examples=60, deadline=None, derandomize=True)


def item(kind: str, args: list[str], targets: list[Any], domain: str = "net") -> dict[str, Any]:
    return {"domain": domain, "type": kind, "args": args, "targets": targets}


SEGMENTATION: dict[str, Any] = {
    "epochs": 100,
    "learning_rate": 2e-4,
    "lr_search": [1e-5, 1e-3],
    "search": [item("enum", ["noDice", "noFocal"], [[True, False], [False, True]], "transform")],
    "_parked": {"name": "Old", "search": "later"},
    "train": {
        "loss": [
            {"name": "Dice", "apply": {"@disabled": "noDice"}, "args": {"smooth": 1}},
            {"name": "Focal", "apply": {"@disabled": "noFocal"}, "disabled": True},
        ],
        "optimizer": {"name": "Adam", "args": {"lr": "{learning_rate}"}},
        "model": {
            "name": "UNet",
            "args": {"channels": [16, 32], "norm": "batch"},
            "search": [item("enum", ["channels", "norm"], [[[16, 32], "batch"], [[8, 16], None]])],
        },
        "pre_transforms": [
            {"name": "Load#Image"},
            {"name": "Noise", "args": {"prob": 0.1}, "search": [item("float", ["prob#p"], [0, 0.8], "transform")]},
            {"name": "Shift", "args": {"prob": 0.1}, "apply": {"prob": "p"}},
        ],
    },
    "validate": {
        "pre_transforms": [{"ref": "Image"}],
        "metrics": [{"name": "MeanDice", "log_label": "val_dice", "is_key_metric": True}],
    },
}
LOSS = "transform.enum.$0:noDice,noFocal"
RATE = "lr.float.$1:learning_rate"
NET = "net.enum.train.model$0:channels,norm"
PROB = "transform.float.train.pre_transforms.1$0:prob"
POINT = {LOSS: [True, False], RATE: 1e-4, NET: [[8, 16], None], PROB: 0.5}


@pytest.fixture
def searched() -> SearchedConfig:
    return read_search(SEGMENTATION)


def test_values_go_where_they_are_searched_and_where_aliases_are_applied(searched: SearchedConfig) -> None:
    config = searched.applied(POINT)
    assert config["learning_rate"] == 1e-4
    assert [loss["disabled"] for loss in config["train"]["loss"]] == [True, False]
    assert config["train"]["model"]["args"] == {"channels": [8, 16], "norm": None}
    assert [t["args"]["prob"] for t in config["train"]["pre_transforms"][1:]] == [0.5, 0.5]


def test_a_trial_s_configuration_has_all_the_rest_as_it_was_and_no_notation(searched: SearchedConfig) -> None:
    config = searched.applied(POINT)
    assert config["train"]["optimizer"] == {"name": "Adam", "args": {"lr": "{learning_rate}"}}
    assert config["_parked"] == SEGMENTATION["_parked"]
    assert set(config) == {"epochs", "learning_rate", "_parked", "train", "validate"}
    assert config["train"]["loss"][0] == {"name": "Dice", "args": {"smooth": 1}, "disabled": True}
    assert config["validate"] == SEGMENTATION["validate"]


def test_changing_a_trial_s_configuration_changes_nothing_else(searched: SearchedConfig) -> None:
    before = copy.deepcopy(SEGMENTATION)
    config = searched.applied(POINT)
    config["train"]["model"]["args"]["channels"].append(0)
    config["train"]["loss"].clear()
    assert searched.applied(POINT)["train"]["model"]["args"]["channels"] == [8, 16]
    assert len(searched.applied(POINT)["train"]["loss"]) == 2
    assert before == SEGMENTATION


def test_the_defaults_are_the_configuration_as_it_stands(searched: SearchedConfig) -> None:
    assert searched.defaults == {LOSS: [False, True], RATE: 2e-4, NET: [[16, 32], "batch"], PROB: 0.1}
    first_loss_enabled = {"name": "Dice", "args": {"smooth": 1}, "disabled": False}
    assert searched.applied(searched.defaults)["train"]["loss"][0] == first_loss_enabled


def test_no_defaults_where_an_alias_s_places_differ() -> None:
    config = copy.deepcopy(SEGMENTATION)
    config["train"]["pre_transforms"][2]["args"]["prob"] = 0.2
    searched = read_search(config)
    assert searched.defaults is None
    assert set(searched.shipped) == {LOSS, RATE, NET}


def test_a_search_starts_at_what_is_shipped_and_else_in_the_middle() -> None:
    config = copy.deepcopy(SEGMENTATION)
    config["train"]["pre_transforms"][2]["args"]["prob"] = 0.2
    center = read_search(config).space.complete({}, middle=True)
    assert (center[RATE], center[PROB]) == (2e-4, 0.4)


def test_a_shipped_null_is_found_among_the_choices() -> None:
    component = {"name": "M", "args": {"norm": None}, "search": [item("enum", ["norm"], [["batch"], [None]])]}
    searched = read_search({"m": component})
    assert searched.defaults == {"net.enum.m$0:norm": None}
    assert searched.applied({"net.enum.m$0:norm": "batch"})["m"]["args"] == {"norm": "batch"}


def test_values_are_one_for_each_argument(searched: SearchedConfig) -> None:
    assert searched.values_of(POINT) == {
        LOSS: [True, False],
        RATE: [1e-4],
        NET: [[8, 16], None],
        PROB: [0.5],
    }


def test_indices_are_positions_of_choices_and_numbers_of_floats(searched: SearchedConfig) -> None:
    assert searched.indices_of(POINT) == {LOSS: 0, RATE: 1e-4, NET: 1, PROB: 0.5}
    assert searched.parameters_of({LOSS: 0, RATE: 1e-4, NET: 1, PROB: 0.5}) == POINT


@pytest.mark.parametrize("wrong", [2, -1, True, 0.0, "0"])
def test_an_index_that_is_none_is_told(searched: SearchedConfig, wrong: Any) -> None:
    with pytest.raises(ParameterError, match="there is no choice"):
        searched.parameters_of({LOSS: wrong, RATE: 1e-4, NET: 1, PROB: 0.5})


def test_indices_must_name_every_parameter_and_no_other(searched: SearchedConfig) -> None:
    with pytest.raises(ParameterError) as caught:
        searched.parameters_of({LOSS: 0, RATE: 1e-4, NET: 1, "prob": 0.5})
    assert len(caught.value.problems) == 2


def test_parameters_outside_the_space_are_refused(searched: SearchedConfig) -> None:
    for wrong in ({**POINT, RATE: 1.0}, {LOSS: [True, False]}, {**POINT, "x": 1}):
        for ask in (searched.applied, searched.values_of, searched.indices_of):
            with pytest.raises(ParameterError):
                ask(wrong)


def test_numbers_of_numpy_come_out_as_plain_ones(searched: SearchedConfig) -> None:
    config = searched.applied({**POINT, LOSS: np.array([True, False]).tolist(), PROB: np.float32(0.25)})
    assert type(config["train"]["pre_transforms"][1]["args"]["prob"]) is float
    assert type(searched.values_of({**POINT, RATE: np.float64(1e-4)})[RATE][0]) is float


def test_a_shipped_whole_number_is_one_however_it_is_written() -> None:
    searched = read_search({"depth": 3.0, "search": [item("int", ["depth"], [1, 9])]})
    assert json.dumps(searched.defaults) == '{"net.int.$0:depth": 3}'


def test_lists_that_an_alias_puts_in_several_places_are_not_one() -> None:
    sizes = item("enum", ["size#s"], [[[64, 64]], [[96, 96]]])
    config = {"a": {"name": "A", "args": {"size": [64, 64]}, "search": [sizes]},
              "b": {"name": "B", "args": {"size": [64, 64]}, "apply": {"size": "s"}}}  # fmt: skip
    searched = read_search(config)
    point = {"net.enum.a$0:size": [96, 96]}
    applied, values = searched.applied(point), searched.values_of(point)
    applied["a"]["args"]["size"].clear()
    values["net.enum.a$0:size"][0].clear()
    assert applied["b"]["args"]["size"] == searched.values_of(point)["net.enum.a$0:size"][0] == [96, 96]


@pytest.mark.parametrize(
    ("metrics", "name"),
    [
        ([{"name": "MeanDice", "log_label": "val_dice", "is_key_metric": True}], "val_dice"),
        ([{"name": "ComputeAverage", "args": {"name": "mean_dice", "is_key_metric": True}}], "mean_dice"),
        ([{"name": "A", "log_label": "a", "is_key_metric": True, "args": {"name": "dice"}}], "dice"),
        ([{"name": "A"}, {"name": "B", "is_key_metric": True}], "B"),
        ([{"name": "A", "is_key_metric": True, "disabled": True}, {"path": "m.B", "is_key_metric": "{yes}"}], "m.B"),
        ({"name": "A", "is_key_metric": True}, "A"),
        ([{"name": "A", "is_key_metric": False}], "train_acc"),
        (None, "train_acc"),
    ],
)
def test_the_key_metric_is_the_validation_s_else_the_training_s(metrics: Any, name: str) -> None:
    train = {"metrics": [{"name": "Accuracy", "log_label": "train_acc", "is_key_metric": True}]}
    config = {"lr": 1, "yes": True, "search": [item("float", ["lr"], [0, 1])], "train": train}
    assert read_search({**config, "validate": {"metrics": metrics}}).key_metric == name


def test_a_section_may_name_its_key_metric() -> None:
    validate = {"key_metric": {"name": "MeanDice", "log_label": "val_dice"}, "metrics": [{"name": "Accuracy"}]}
    config = {"lr": 1, "search": [item("float", ["lr"], [0, 1])], "validate": validate}
    assert read_search(config).key_metric == "val_dice"


def test_no_metric_is_marked() -> None:
    assert read_search({"lr": 1, "search": [item("float", ["lr"], [0, 1])]}).key_metric is None


@pytest.mark.parametrize(
    ("environment", "given", "told"),
    [
        ({"learning_rate": 1}, {}, "environment.json gives learning_rate a value"),
        ({}, {"learning_rate": 1}, "learning_rate is set by --set"),
    ],
)
def test_what_counts_more_than_the_configuration_cannot_be_searched(environment: Any, given: Any, told: str) -> None:
    variables = Variables.of(SEGMENTATION, environment, given)
    with pytest.raises(InputError, match=told):
        read_search(SEGMENTATION, variables=variables)


def test_an_argument_that_is_not_written_may_be_searched_where_the_class_takes_it() -> None:
    taken = {"path": "decimal.Context", "search": [item("int", ["prec"], [1, 9])]}
    searched = read_search({"c": taken}, has_argument=takes_argument)
    assert searched.defaults is None
    assert searched.applied({"net.int.c$0:prec": 3}) == {"c": {"path": "decimal.Context", "args": {"prec": 3}}}


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("fractions.Fraction", "takes no argument prec"),
        ("fractions.Nothing", "has no prec among its arguments"),
        ("no.such.Module", "has no prec among its arguments"),
    ],
)
def test_an_argument_that_the_class_does_not_take_is_a_mistake(path: str, problem: str) -> None:
    config = {"c": {"path": path, "search": [item("int", ["prec"], [1, 9])]}}
    with pytest.raises(InputError, match=problem):
        read_search(config, has_argument=takes_argument)


def test_args_that_are_no_mapping_are_told() -> None:
    config = {"c": {"name": "C", "args": [1], "search": [item("int", ["prec"], [1, 9])]}}
    with pytest.raises(InputError, match="args of C is no mapping of names to values"):
        read_search(config)


VALUES = st.one_of(st.integers(-9, 9), st.text("ab", max_size=3), st.booleans(), st.none(), st.lists(st.integers(0, 3)))


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Configurations with components in sections and lists, aliases, switches, and parked notation."""
    components = [draw(components_of(f"alias{k}")) for k in range(draw(st.integers(1, 3)))]
    aliased = [k for k, component in enumerate(components) if "#" in json.dumps(component["search"])]
    users = [{"name": "User", "args": {"u": 0}, "apply": {"u": f"alias{k}"}} for k in aliased]
    switch = item("enum", ["off"], [[True], [False]], "transform")
    first = {"search": [switch], "apply": {"lr": "alias0"}} if 0 in aliased else {"search": [switch]}
    extra = {"name": "Switched", "apply": {"@disabled": "off"}, "__search": [{"targets": 1}]}
    return {**first, "lr": 1, "train": {"model": components[0], "pre": [*components[1:], *users, extra]}}


@st.composite
def components_of(draw: st.DrawFn, alias: str) -> dict[str, Any]:
    first = draw(st.sampled_from(["a", f"a#{alias}"]))
    rows = draw(st.lists(st.tuples(VALUES, VALUES).map(list), min_size=1, max_size=4, unique_by=json.dumps))
    numbers = item(draw(st.sampled_from(["float", "int"])), [first, "b"], [draw(st.integers(-3, 0)), 4])
    return {"name": "C", "args": {"a": 1, "b": 1, "c": 2, "d": 3}, "search": [numbers, item("enum", ["c", "d"], rows)]}


@few
@given(config=configs(), seed=st.integers(0, 2**32))
def test_what_is_applied_is_what_values_of_says(config: dict[str, Any], seed: int) -> None:
    before = copy.deepcopy(config)
    searched = read_search(config)
    parameters = searched.space.sample(np.random.default_rng(seed))
    applied, values = searched.applied(parameters), searched.values_of(parameters)
    for searched_item in searched.items:
        for value, sites in zip(values[searched_item.name], searched_item.sites, strict=True):
            assert sites
            for site in sites:
                found = applied
                for part in site:
                    found = found[part]  # type: ignore[index]
                assert json.dumps(found) == json.dumps(value)
    assert not {"search", "apply"} & keys_of(applied)
    assert searched.parameters_of(searched.indices_of(parameters)) == parameters
    assert config == before


def keys_of(node: Any) -> set[str]:
    if isinstance(node, dict):
        return set(node) | {key for value in node.values() for key in keys_of(value)}
    return {key for value in node for key in keys_of(value)} if isinstance(node, list) else set()


KEYS = st.sampled_from(
    ["name", "path", "args", "search", "apply", "disabled", "domain", "type", "targets", "scale", "lr_search", "lr",
     "ids", "id", "_target_", "train", "validate", "metrics", "is_key_metric", "@disabled", "_x", "a.b", ""]
)  # fmt: skip
LEAVES = st.sampled_from(
    ["lr", "lr#a", "a", "@disabled", "net", "float", "int", "enum", "log", "{lr}", "train::lr", "@train", "", True,
     None, 0, 1, 2.5, -1e308, 1e308, float("nan"), float("inf"), 2**80]
)  # fmt: skip
ANYTHING = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=5), max_leaves=25)
ITEMS = st.fixed_dictionaries(
    {},
    optional={"domain": st.just("net"), "type": LEAVES, "args": ANYTHING, "targets": ANYTHING, "id": LEAVES,
              "scale": LEAVES},
)  # fmt: skip
COMPONENTS = st.fixed_dictionaries(
    {"name": st.just("C"), "_target_": st.just("C")},
    optional={"args": ANYTHING, "search": st.lists(ITEMS, max_size=3), "apply": ANYTHING, "lr": LEAVES},
)
HOSTILE = st.fixed_dictionaries({}, optional={"lr": LEAVES, "search": st.lists(ITEMS), "train": COMPONENTS | ANYTHING})


@settings(max_examples=100, deadline=None, derandomize=True)
@given(config=HOSTILE)
def test_whatever_a_configuration_holds_it_is_read_or_its_mistakes_are_told(config: dict[str, Any]) -> None:
    for read in (read_search, read_bundle_search):
        try:
            searched = read(config)
        except InputError:
            continue
        point = searched.space.sample(np.random.default_rng(1))
        assert searched.parameters_of(searched.indices_of(point)) == point
        searched.applied(point)
