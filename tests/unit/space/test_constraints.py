"""Constraints, and the JSON form of spaces with them."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.errors import ParameterError, SpaceError
from meristem.space import Choice, Float, Int, Space

UNIT = {"x": Float(0, 1), "y": Float(0, 1)}


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("x + 2*y <= 1", (0.5, 0.25), (0.5, 0.3)),
        ("x*2 + y <= 1", (0.25, 0.5), (0.3, 0.5)),
        ("x <= y", (0.5, 0.5), (0.6, 0.5)),
        ("x < y", (0.4, 0.5), (0.5, 0.5)),
        ("-x >= -0.5", (0.5, 0.0), (0.6, 0.0)),
        ("0.5 * x - y >= -0.25", (0.5, 0.5), (0.5, 0.6)),
        ("x + 1 <= y + 1.5 - 0.25", (0.25, 0.0), (0.3, 0.0)),
        ("2 * (x - y) / 4 > .1e0", (0.5, 0.2), (0.5, 0.3)),
        ("x - -y ≤ 1", (0.5, 0.5), (0.6, 0.5)),
        ("`x` + `y` => 1", (0.5, 0.5), (0.4, 0.5)),
        ("x + y <= 0.3", (0.1, 0.2), (0.1, 0.21)),  # 0.1 + 0.2 is a little more than 0.3
    ],
)
def test_a_linear_constraint_means_what_it_says(text: str, inside: Any, outside: Any) -> None:
    space = Space(UNIT, [text])
    assert space.is_feasible(dict(zip("xy", inside, strict=True)))
    assert not space.is_feasible(dict(zip("xy", outside, strict=True)))
    with pytest.raises(ParameterError, match="does not hold"):
        space.check(dict(zip("xy", outside, strict=True)))


def test_any_name_can_stand_between_backticks() -> None:
    space = Space({"model.lr": Float(0, 1), "größe": Int(0, 9), "a`b": Int(0, 9)}, ["`model.lr` + größe <= `a``b`"])
    assert space.is_feasible({"model.lr": 0.5, "größe": 1, "a`b": 2})
    assert not space.is_feasible({"model.lr": 0.5, "größe": 2, "a`b": 2})


def test_choices_of_numbers_and_fixed_numbers_can_be_constrained() -> None:
    space = Space({"batch": [16, 32, 64], "limit": 40, "x": Float(0, 1)}, ["batch <= limit"])
    assert sorted({p["batch"] for p in space.points()}) == [16, 32]


def test_a_constraint_counts_only_when_all_its_parameters_are_active() -> None:
    space = Space({"m": ["a", "b"], "x": Int(0, 9, when={"m": "a"}), "y": Int(0, 9)}, ["x <= y"])
    assert not space.is_feasible({"m": "a", "x": 5, "y": 1})
    assert space.is_feasible({"m": "b", "y": 1})
    assert space.is_feasible({"m": "b", "y": 1, "x": 5})  # given, but inactive


def test_feasibility_of_what_is_no_number_is_an_error() -> None:
    with pytest.raises(ParameterError, match="x: must be a number"):
        Space(UNIT, ["x <= y"]).is_feasible({"x": "a", "y": 1})


@given(st.text("xy01+-*/()<>=.` e", max_size=25))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_text_is_a_constraint_or_a_space_error(text: str) -> None:
    with suppress(SpaceError):
        assert Space(UNIT, [text]).constraints[0].to_json() == text.strip()


def test_a_callable_is_asked_with_the_active_parameters() -> None:
    seen: list[dict[str, Any]] = []

    def note(parameters: Mapping[str, Any]) -> bool:
        seen.append(dict(parameters))
        return parameters["m"] == "b"

    space = Space({"m": ["a", "b"], "x": Int(0, 9, when={"m": "a"}), "f": 1}, [note])
    assert space.is_feasible({"m": "b", "x": 3, "f": 1})
    assert not space.is_feasible({"m": "a", "x": 3, "f": 1})
    assert seen == [{"m": "b", "f": 1}, {"m": "a", "x": 3, "f": 1}]


@pytest.mark.parametrize(("function", "what"), [(lambda p: p["no"], "KeyError"), (lambda p: None, "returned None")])
def test_a_callable_that_fails_is_named(function: Any, what: str) -> None:
    space = Space(UNIT, [function])
    with pytest.raises(SpaceError, match=r"<lambda> raised") as caught:
        space.is_feasible({"x": 1.0, "y": 0.0})
    assert what in str(caught.value)


def test_callables_are_stored_by_their_place_and_imported_again() -> None:
    space = Space({"n": Int(1, 3)}, ["n <= 2", math.isfinite])
    assert space.to_json()["constraints"] == ["n <= 2", {"python": "math:isfinite"}]
    again = Space.from_json(space.to_json())
    assert again == space
    assert again.constraints == space.constraints


def test_callables_that_cannot_be_imported_must_be_passed_again() -> None:
    space = Space(UNIT, [lambda p: p["x"] < 0.5, lambda p: p["y"] < 0.5])
    with pytest.raises(SpaceError, match="pass the space again"):
        Space.from_json(space.to_json())
    functions = [c.function for c in space.constraints]  # type: ignore[attr-defined]
    assert Space.from_json(space.to_json(), functions).constraints == space.constraints


@pytest.mark.parametrize("data", [None, [], {}, {"params": {}}, {"parameters": {"x": 1}, "more": 1}])
def test_json_of_another_form_is_refused(data: Any) -> None:
    with pytest.raises(SpaceError, match="A space in JSON"):
        Space.from_json(data)


def test_spaces_differ_where_their_values_do() -> None:
    assert Space({"c": [True]}) != Space({"c": [1]})
    assert Choice([True]) != Choice([1])
    assert Space({"c": [True]}) != {"c": [True]}
    assert Space({"x": Float(0, 1)}) == Space({"x": {"float": [0.0, 1.0]}})
    assert Space(UNIT, ["x <= y"]) != Space(UNIT)


def test_a_space_is_pickled_with_its_constraints() -> None:
    space = Space({"n": Int(1, 3), "m": Int(1, 3, when={"n": [2, 3]})}, ["n <= 2", math.isfinite])
    assert pickle.loads(pickle.dumps(space)) == space


def test_a_space_can_be_built_from_the_parts_of_another() -> None:
    space = Space(UNIT, ["x <= y", math.isfinite])
    assert Space(space.parameters, space.constraints) == space


def test_a_space_can_be_read_in_its_representation() -> None:
    shown = repr(Space({"lr": Float(0, 1)}, ["lr <= 0.5"]))
    assert shown.startswith("Space({'lr': Float(low=0.0, high=1.0")
    assert shown.endswith("constraints=['lr <= 0.5'])")


def test_parameters_cannot_be_changed() -> None:
    space = Space(UNIT)
    with pytest.raises(TypeError):
        space.parameters["z"] = Int(0, 1)  # type: ignore[index]
    with pytest.raises(AttributeError):
        space.parameters["x"].low = 3  # type: ignore[misc,attr-defined]


def test_kinds_of_dimension_are_told() -> None:
    space = Space({"f": Float(0, 1), "i": Int(0, 3), "o": Choice([1, 2], ordered=True), "c": [1, 2], "k": 3})
    assert [p.ordinal for p in space.parameters.values()] == [True, True, True, False, False]
    assert [p.cardinality for p in space.parameters.values()] == [None, 4, 2, 2, 1]
    assert space.dimensions == ("f", "i", "o", "c")


names = st.sampled_from(["a", "b", "n"])
inequalities = st.builds(
    lambda terms, operator, bound: " + ".join(f"{w}*{n}" for n, w in terms.items()) + f" {operator} {bound}",
    st.dictionaries(names, st.integers(-2, 2).filter(bool), min_size=1),
    st.sampled_from(["<=", "<", ">=", ">"]),
    st.integers(-6, 8),
)


@settings(max_examples=150)
@given(
    st.lists(inequalities, min_size=1, max_size=3),
    st.fixed_dictionaries({}, optional={"a": st.integers(0, 3), "b": st.integers(0, 3), "k": st.sampled_from("pq")}),
)
def test_what_is_called_contradictory_to_fixed_values_has_no_point(constraints: list[str], fixed: Any) -> None:
    parameters = {"a": Int(0, 3), "b": Int(0, 3), "k": Choice(["p", "q"]), "n": Int(1, 3, when={"k": "q"})}
    with suppress(SpaceError):
        space = Space(parameters, constraints)
        points = list(space.points(fixed=fixed))
        assert points == [p for p in space.points() if all(p.get(name, v) == v for name, v in fixed.items())]
        if space.contradictions(fixed):
            assert points == []
        elif {"a", "b", "k"} <= set(fixed) and (fixed["k"] == "p" or not any("n" in text for text in constraints)):
            assert points != []
