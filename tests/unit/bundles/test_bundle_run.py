"""How a MONAI bundle is run: files put together, the added handler, outputs, the command line."""

from __future__ import annotations

import ast
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.bundles.bundle_run import (
    flag,
    merged,
    metric_name,
    output_ids,
    override_problems,
    relative_macros,
    with_handler,
)
from meristem.bundles.places import Problems

HANDLER = {"_target_": "Report"}
KEY = "validate::key_metric"
BUNDLE: dict[str, Any] = {
    "ckpt_dir": "$@bundle_root + '/models'",
    "validate": {
        "handlers": [{"_target_": "CheckpointSaver", "save_dir": "@ckpt_dir"}],
        "key_metric": {"val_dice": {"_target_": "MeanDice"}},
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "key_val_metric": "@validate#key_metric",
            "val_handlers": "@validate#handlers",
        },
    },
}


def changed(**evaluator: Any) -> dict[str, Any]:
    config = copy.deepcopy(BUNDLE)
    config["validate"]["evaluator"] |= evaluator
    return config


def put_together(*files: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    problems = Problems()
    return merged([(f"{n}.json", file) for n, file in enumerate(files, 1)], problems), problems.found


def test_a_later_file_replaces_and_adds_by_id() -> None:
    config, problems = put_together(
        {"a": {"x": 1, "y": [1, {"z": 2}]}, "b": 1},
        {"a#x": 5, "a::y::1::z": 6, "+a::y": [7], "+a": {"w": 8}, "b": [9], "c::d": 10},
    )
    assert config == {"a": {"x": 5, "y": [1, {"z": 6}, 7], "w": 8}, "b": [9], "c": {"d": 10}}
    assert problems == []


def test_nothing_is_shared_with_the_files() -> None:
    first = {"a": [1]}
    put_together(first, {"+a": [2]})
    assert first == {"a": [1]}


def test_what_cannot_be_put_together_is_told() -> None:
    _, problems = put_together({"a": [1], "b": 2}, {"+a": {"x": 1}, "b::x": 3, "a::7::x": 1})
    assert problems == [
        "2.json: +a: {'x': 1} (dict) cannot be added to [1] (list)",
        "2.json: b::x: leads into a value that is no mapping",
        "2.json: a::7::x: leads into a value that is no mapping",
    ]


HANDLERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the list that is referred to": (BUNDLE, {"+validate::handlers": [HANDLER]}),
    "a list of the evaluator's own": (
        changed(val_handlers=[{"_target_": "StatsHandler"}]),
        {"+validate::evaluator::val_handlers": [HANDLER]},
    ),
    "no handlers so far": (changed(val_handlers=None), {"validate::evaluator::val_handlers": [HANDLER]}),
    "a list behind two references": (
        {**changed(val_handlers="@mine"), "mine": "@validate::handlers"},
        {"+validate::handlers": [HANDLER]},
    ),
}


@pytest.mark.parametrize("case", HANDLERS)
def test_a_handler_is_added_where_the_evaluator_has_its_handlers(case: str) -> None:
    config, added = HANDLERS[case]
    problems = Problems()
    assert with_handler(config, KEY, HANDLER, problems) == added
    assert problems.found == []


def test_a_key_metric_within_the_evaluator_is_found_by_its_id() -> None:
    config = {"evaluator": {"_target_": "E", "key_val_metric": {"dice": {"_target_": "MeanDice"}}, "val_handlers": []}}
    problems = Problems()
    assert metric_name(config, "evaluator::key_val_metric", problems) == "dice"
    added = with_handler(config, "evaluator#key_val_metric", HANDLER, problems)
    assert added == {"+evaluator::val_handlers": [HANDLER]}
    assert problems.found == []


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (changed(key_val_metric="@other"), "no component takes it as its key metric"),
        (changed(val_handlers="$make_handlers()"), "must be a list of handlers, or refer to one"),
        (changed(val_handlers="@a") | {"a": "@b", "b": "@a"}, "must be a list of handlers"),
    ],
)
def test_where_no_handler_can_be_added_it_is_told(config: dict[str, Any], problem: str) -> None:
    problems = Problems()
    assert with_handler(config, KEY, HANDLER, problems) == {}
    assert problem in problems.found[0]


@pytest.mark.parametrize(
    ("key_metric", "problem"),
    [
        (None, "there is no validate::key_metric, by which trials are compared"),
        ("$metric()", "must be a mapping such as"),
        ({"_target_": "MeanDice"}, "must be a mapping such as"),
        ({}, "must be a mapping such as"),
    ],
)
def test_a_key_metric_without_a_name_is_told(key_metric: Any, problem: str) -> None:
    config = copy.deepcopy(BUNDLE)
    config["validate"]["key_metric"] = key_metric
    if key_metric is None:
        del config["validate"]["key_metric"]
    problems = Problems()
    assert metric_name(config, KEY, problems) == ""
    assert problem in problems.found[0]


def test_outputs_are_known_by_name_and_what_refers_to_one_follows_it() -> None:
    config = {
        **BUNDLE,
        "output_dir": "$@bundle_root + '/eval'",
        "train": [{"_target_": "TensorBoard", "log_dir": "@output_dir"}, {"_target_": "Saver", "save_dir": "/m"}],
        "_old": {"output_dir": "x"},
        "callback": {"_target_": "C", "output_dir": None},
    }
    assert output_ids(config) == {"ckpt_dir": "models", "output_dir": "eval", "train::1::save_dir": "models"}


def test_macros_with_a_relative_path_are_found() -> None:
    config = {"net": "%configs/net.json::unet", "a": ["%b.yaml", "%/c.json::d", "%net::x", "50%"]}
    assert relative_macros(config) == {"net": ("configs/net.json", "::unet"), "a::0": ("b.yaml", "")}


def test_ids_that_cannot_be_set_are_told() -> None:
    problems = override_problems(BUNDLE, ["validate::evaluator::amp", "new", "train::x", "tracking"])
    assert problems == [
        "there is no train in the configuration, in which train::x could be set",
        "tracking is an option of monai.bundle run, so that no id of this name can be set",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(JSON)
def test_what_the_command_line_carries_is_read_back_as_it_was(value: Any) -> None:
    said = flag("net::width", value)
    if said is None:
        assert value is None
        return
    assert said.startswith("--net::width=")
    text = said.removeprefix("--net::width=")
    try:
        read = ast.literal_eval(text)  # as python-fire does
    except (ValueError, SyntaxError):
        read = text
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [("@dice", "--loss=@dice"), (0.001, "--loss=0.001"), ("True", "--loss='True'"), ("@a#b", "--loss='@a#b'")],
)
def test_references_and_numbers_are_readable(value: Any, said: str) -> None:
    assert flag("loss", value) == said


def test_the_command_line_does_not_carry_what_it_would_change() -> None:
    assert flag("my-net::width", 3) is None
    assert flag("width", None) is None
