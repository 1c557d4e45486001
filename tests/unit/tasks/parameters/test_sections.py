"""Parameters leave the code as JSON and come back typed, in place, or are refused all at once."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.tasks.parameters.casting import UNKNOWN, CannotCast, cast
from meristem.tasks.parameters.json_values import to_json
from meristem.tasks.parameters.sections import flatten, parse_value, replace, unflatten

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
leaves = scalars | st.lists(scalars, max_size=4) | st.lists(scalars, max_size=4).map(tuple)
keys = st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=8)
nested = st.dictionaries(keys, st.recursive(leaves, lambda one: st.dictionaries(keys, one, max_size=4), max_leaves=8))


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Pair(NamedTuple):
    low: int
    high: int


@dataclass
class Optimizer:
    name: str = "adam"
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass
class Config:
    epochs: int = 3
    lr: float = 1
    fast: bool = False
    seed: int | None = None
    mode: Literal["a", "b"] = "a"
    color: Color = Color.RED
    folder: Path = Path("data")
    sizes: list[int] = field(default_factory=lambda: [1, 2])
    weights: dict[str, float] = field(default_factory=dict)
    optimizer: Optimizer = field(default_factory=Optimizer)
    steps: int = field(init=False, default=0)


@given(nested)
def test_what_is_flattened_and_stored_comes_back_as_it_was(values):
    stored = json.loads(json.dumps(flatten(values, "General"), allow_nan=False))
    before = to_json(values)

    done = replace(values, stored, "General")

    assert done.holder is values
    assert to_json(values) == before
    assert (done.unknown, done.added) == ([], {})


@given(nested.filter(lambda one: bool(one)))
def test_unflatten_is_the_inverse_of_flatten(values):
    assert unflatten(flatten(values)) == to_json(values)


@given(st.dictionaries(keys, st.integers() | st.text() | st.booleans(), min_size=1), st.data())
def test_edited_values_arrive_in_the_same_objects(values, data):
    edited = {name: data.draw(st.from_type(type(value))) for name, value in values.items()}
    inner = dict(values)
    holder = {"inner": inner}

    replace(holder, flatten({"inner": edited}, "S"), "S")

    assert holder["inner"] is inner
    assert inner == edited


def test_values_are_cast_to_annotations():
    stored = {
        "epochs": "7", "lr": 2, "fast": "true", "seed": 4, "mode": "b", "color": "BLUE", "folder": "/x",
        "sizes": ["3", 4.0], "weights/a": "0.5", "optimizer/name": "sgd", "optimizer/betas": ["0.1", 1],
    }  # fmt: skip
    config, optimizer = Config(), Config().optimizer
    config.optimizer = optimizer

    replace(config, {f"General/{name}": value for name, value in stored.items()}, "General")

    assert config == Config(
        7, 2.0, True, 4, "b", Color.BLUE, Path("/x"), [3, 4], {"a": 0.5}, Optimizer("sgd", (0.1, 1.0))
    )
    assert type(config.lr) is float
    assert config.optimizer is optimizer
    assert "General/steps" not in flatten(config, "General")


def test_all_mistakes_are_listed_and_nothing_is_changed():
    config = Config()
    with pytest.raises(InputError) as caught:
        replace(
            config, {"G/epochs": 2.5, "G/mode": "c", "G/optimizer/betas": [1], "G/lr": 0.5, "G/color": "green"}, "G"
        )
    assert sorted(problem.split()[0] for problem in caught.value.problems) == [
        "G/color", "G/epochs", "G/mode", "G/optimizer/betas",
    ]  # fmt: skip
    assert "G/epochs is 2.5; expected is a whole number" in caught.value.problems
    assert config == Config()


@pytest.mark.parametrize(
    ("value", "current", "wanted", "made"),
    [
        ("false", True, UNKNOWN, False),
        (0, True, UNKNOWN, False),
        ("3", 1, UNKNOWN, 3),
        (3.0, 1, UNKNOWN, 3),
        (3, 0.5, UNKNOWN, 3.0),
        ("nan", 0.5, UNKNOWN, math.nan),
        (3, "text", UNKNOWN, "3"),
        (None, 5, UNKNOWN, None),
        ([1, 2], None, UNKNOWN, [1, 2]),
        ([3, "4"], (1, 2), UNKNOWN, (3, 4)),
        ([3, 4], Pair(1, 2), UNKNOWN, Pair(3, 4)),
        (["b"], {"a"}, UNKNOWN, {"b"}),
        ("red", Color.BLUE, UNKNOWN, Color.RED),
        ("none", 3, int | None, None),
        ("none", "x", str | None, "none"),
        (0.5, 1, int | float, 0.5),
        ("a/b", Path("c"), UNKNOWN, Path("a/b")),
        ("2026-01-31", date(2025, 1, 1), UNKNOWN, date(2026, 1, 31)),
        (90, timedelta(0), UNKNOWN, timedelta(seconds=90)),
        ("0.1", Decimal(0), UNKNOWN, Decimal("0.1")),
        ("0" * 32, UUID(int=1), UNKNOWN, UUID(int=0)),
        ({"a": "1"}, {}, dict[str, int], {"a": 1}),
        ([{"name": "sgd", "betas": [1, 2]}], [], list[Optimizer], [Optimizer("sgd", (1.0, 2.0))]),
        (2, np.float32(1), UNKNOWN, np.float32(2)),
    ],
)
def test_a_value_becomes_what_the_code_expects(value: Any, current: Any, wanted: Any, made: Any):
    got = cast(value, current, wanted)
    assert got == made or (math.isnan(got) and math.isnan(made))
    assert type(got) is type(made)


@pytest.mark.parametrize(
    ("value", "current", "wanted", "expected"),
    [
        ("maybe", True, UNKNOWN, "true or false"),
        (0.5, 1, UNKNOWN, "whole number"),
        (True, 1, int, "whole number"),
        ("x", 0.5, UNKNOWN, "number"),
        (None, 3, int, "whole number"),
        ("x", 3, int | None, "whole number"),
        (3, [1], UNKNOWN, "list"),
        ("c", "a", Literal["a", "b"], "'a', 'b'"),
        ("other", object, type, "cannot be made"),
        ("yesterday", date(2025, 1, 1), UNKNOWN, "a date"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_is_expected(value, current, wanted, expected):
    with pytest.raises(CannotCast, match=expected):
        cast(value, current, wanted)


def test_objects_that_json_cannot_hold_are_told_as_the_same_text_in_each_run_and_kept():
    class Device:
        pass

    values = {"loss": math.sqrt, "device": Device(), "kind": Device, "array": np.arange(3), "none": np.int64(3)}
    stored = flatten(values)
    assert stored["loss"] == "math.sqrt"
    assert "0x" not in stored["device"]
    assert (stored["array"], stored["none"]) == ([0, 1, 2], 3)
    kept = dict(values)
    replace(values, stored)
    assert all(values[name] is kept[name] for name in kept)
    with pytest.raises(InputError, match="device"):
        replace(values, {"device": "cuda:1"})


def test_a_mapping_takes_new_names_and_an_object_does_not():
    holder = {"a": {"b": 1}}
    done = replace(holder, {"S/a/c": 2, "S/d/e": 3, "Other/f": 4}, "S")
    assert holder == {"a": {"b": 1, "c": 2}, "d": {"e": 3}}
    assert set(done.added) == {"S/a/c", "S/d/e"}
    assert replace(Config(), {"S/epoch": 2}, "S").unknown == ["S/epoch"]


def test_a_frozen_dataclass_has_a_successor_also_inside_of_others():
    @dataclass(frozen=True)
    class Frozen:
        lr: float = 0.1

    first = Frozen()
    holder = {"inner": first}
    replace(holder, {"inner/lr": 0.5})
    assert (first, holder) == (Frozen(0.1), {"inner": Frozen(0.5)})


def test_a_plain_object_and_a_class_are_seen_through_their_attributes():
    class Settings:
        lr: float = 0.1
        _hidden = 1

        def __init__(self) -> None:
            self.epochs = 3

        @property
        def double(self) -> float:
            return self.lr * 2

    one = Settings()
    assert flatten(one) == {"lr": 0.1, "epochs": 3}
    replace(one, {"lr": "0.5", "epochs": 4})
    assert (one.lr, one.epochs, Settings.lr) == (0.5, 4, 0.1)
    replace(Settings, {"lr": 0.7})
    assert Settings.lr == 0.7


def test_names_that_coincide_and_values_without_names_are_refused():
    with pytest.raises(InputError, match="a/b stands for two values"):
        flatten({"a/b": 1, "a": {"b": 2}})
    with pytest.raises(InputError, match="no named values"):
        flatten([1, 2])


def test_a_mapping_that_contains_itself_is_told_as_far_as_it_goes():
    holder: dict[str, Any] = {"lr": 1}
    holder["self"] = argparse.Namespace(back=holder)
    with pytest.raises(InputError, match="characters"):
        flatten({"long" * 200: 1})
    assert flatten(holder)["lr"] == 1


@pytest.mark.parametrize(
    ("text", "current", "value"),
    [
        ("0.2", 0.1, 0.2), ("2", 0.1, 2.0), ("0.2", "x", "0.2"), ("7", 3, 7), ("false", True, False),
        ("null", 3, None), ("none", "x", "none"), ("3", None, 3), ("abc", None, "abc"), ("[1, 2]", None, [1, 2]),
        ("1,2", [3], [1, 2]), ("a, b", ["c"], ["a", "b"]), ('["x"]', ["y"], ["x"]), ("0.5", 1, 0.5),
        ("nan", 0.1, "nan"), ('{"a": 1}', {"a": 2}, {"a": 1}), ("", "x", ""),
    ],
)  # fmt: skip
def test_what_is_typed_is_read_like_the_current_value(text, current, value):
    got = to_json(parse_value(text, current))
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(("text", "current"), [("x", 3), ("maybe", True), ("x", 0.1), ("3", {"a": 1})])
def test_what_is_typed_and_does_not_fit_is_refused(text, current):
    with pytest.raises(InputError, match="expected is"):
        parse_value(text, current, "General/lr")
