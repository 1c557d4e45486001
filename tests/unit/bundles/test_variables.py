"""What stands for what in the strings of a configuration."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.bundles import Variables, read_set
from meristem.bundles.variables import split_set
from meristem.errors import InputError


def test_what_is_set_counts_more_than_the_environment_and_that_more_than_the_configuration() -> None:
    config = {"a": "config", "b": "config", "c": "config"}
    variables = Variables.of(config, {"b": "environment", "c": "environment"}, {"c": "set"})
    assert variables.resolve(["{a}", "{b}", "{c}"]) == ["config", "environment", "set"]
    assert [variables.overrides(name) for name in "abcd"] == [None, "environment.json", "--set", None]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{lr}", 0.1),
        ("{flag}", True),
        ("{shape}", [1, 2]),
        ("{nothing}", None),
        ("{ROOT}/data", "/mmar/data"),
        ("lr={lr}, {flag}", "lr=0.1, true"),
        ("{shape} {nothing} {train}", "{shape} {nothing} {train}"),
        ("{UNKNOWN}", "{UNKNOWN}"),
        ("{UNKNOWN}/x", "{UNKNOWN}/x"),
        ("{train}", "{train}"),
        ("{_parked}", "{_parked}"),
        ("lambda x: {'a': x}", "lambda x: {'a': x}"),
        ("{:.2f} {} { lr }", "{:.2f} {} { lr }"),
        ("no braces", "no braces"),
    ],
)
def test_references_in_text(text: str, value: Any) -> None:
    config = {"lr": 0.1, "flag": True, "shape": [1, 2], "nothing": None, "train": {"a": 1}, "_parked": 3}
    resolved = Variables.of(config, {"ROOT": "/mmar"}).resolve({"deep": [{"text": text}]})
    assert resolved == {"deep": [{"text": value}]}
    assert type(resolved["deep"][0]["text"]) is type(value)


def test_variables_may_stand_for_variables() -> None:
    config = {"CKPT": "{DIR}/model.pt", "both": ["{CKPT}", "{n}"], "n": 3}
    variables = Variables.of(config, {"DIR": "{ROOT}/models", "ROOT": "/mmar"})
    assert variables.resolve("{both}") == ["/mmar/models/model.pt", 3]


def test_a_name_that_another_place_gives_is_no_circle() -> None:
    assert Variables.of({"ROOT": "{ROOT}"}, {"ROOT": "/mmar"}).resolve("{ROOT}") == "/mmar"


def test_all_circles_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Variables.of({"a": "{b}", "b": "x{c}", "c": ["{a}"], "d": "{d}", "e": "{a}"})
    assert list(caught.value.problems) == [
        "these stand for each other in a circle: {a} -> {b} -> {c} -> {a}",
        "these stand for each other in a circle: {d} -> {d}",
    ]


def test_variables_that_grow_beyond_measure_are_told() -> None:
    doubled = {f"v{k}": f"{{v{k + 1}}}{{v{k + 1}}}" for k in range(64)}
    with pytest.raises(InputError, match="becomes a text of over"):
        Variables.of({**doubled, "v64": "xxxxxxxx"})


def test_a_long_chain_is_resolved() -> None:
    chain = {f"v{k}": f"{{v{k + 1}}}" for k in range(5000)}
    assert Variables.of({**chain, "v5000": 7}).resolve("{v0}") == 7


def test_parked_keys_are_left_alone() -> None:
    assert Variables.of({"a": 1}).resolve({"_x": "{a}", "y": "{a}"}) == {"_x": "{a}", "y": 1}


def test_names_in_capitals_that_nobody_gives_can_be_listed() -> None:
    config = {"train": {"a": "{DATA_ROOT}", "b": ["{KNOWN}", "{DATA_ROOT}"], "c": "{lower}", "_d": "{PARKED}"}}
    variables = Variables.of(config, {"KNOWN": 1})
    assert variables.unknown(config) == {"DATA_ROOT": ["train.a", "train.b[1]"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("1e-3", 1e-3), ("true", True), ("null", None), ("[1, 2]", [1, 2]), ('"3"', "3"), ("0:1", "0:1"),
     ("", ""), ("a=b", "a=b"), ("NaN", "NaN"), ("007", "007"), ("{x", "{x"), ("[" * 100_000, "[" * 100_000)],
)  # fmt: skip
def test_what_is_set_is_typed_as_json_where_it_is_json(text: str, value: Any) -> None:
    assert read_set([f"k={text}"]) == {"k": value}


def test_of_equal_names_the_last_counts_and_text_may_be_kept() -> None:
    assert read_set(["k=1", "k=2"]) == {"k": 2}
    assert split_set(["run_id=1e3"]) == {"run_id": "1e3"}


def test_what_is_not_name_and_value_is_told() -> None:
    with pytest.raises(InputError) as caught:
        read_set(["k", "=3", "a=1"])
    assert list(caught.value.problems) == ["'k' has no value after '='", "'=3' has no name before '='"]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.recursive(st.text("{}ab", max_size=6) | st.integers(), lambda inner: st.lists(inner, max_size=3)))
def test_without_variables_nothing_changes(value: Any) -> None:
    assert Variables().resolve(value) == value
