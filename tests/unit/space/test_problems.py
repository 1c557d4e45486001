"""Every contradiction in a space is found, and all of them are listed in one error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from meristem.errors import SpaceError
from meristem.space import Choice, Fixed, Float, Int, Space

RECURSIVE: list[Any] = []
RECURSIVE.append(RECURSIVE)


def problems_of(parameters: Any, constraints: Any = ()) -> tuple[str, ...]:
    with pytest.raises(SpaceError) as caught:
        Space(parameters, constraints)
    return caught.value.problems


@pytest.mark.parametrize(
    ("parameter", "part"),
    [
        (Float("1", 2), "low must be a number, not the text '1'"),  # type: ignore[arg-type]
        ((1e-4, 1.0), "write Float(0.0001, 1.0) or [0.0001, 1.0]"),
        (Float("1e-4", 2), "write 0.0001"),  # type: ignore[arg-type]
        (Float(True, 2), "low must be a number, not True (bool)"),
        (Float(0, None), "high must be a number"),  # type: ignore[arg-type]
        (Float(math.nan, 1), "low must be finite, not nan"),
        (Float(0, math.inf), "high must be finite, not inf"),
        (Float(0, 10**400), "high must be small enough"),
        (Float(-1.7e308, 1.7e308), "too wide"),
        (Float(2, 1), "low (2.0) is above high (1.0)"),
        (Float(0, 1, log=True), "log needs low above 0, not 0.0"),
        (Float(0, 1, log="yes"), "log must be true or false"),  # type: ignore[arg-type]
        (Float(0, 1, step=0), "step must be above 0, not 0.0"),
        (Float(0, 1, step=-0.1), "step must be above 0"),
        (Float(0, 1, step=2), "step (2.0) is larger than the range (1.0)"),
        (Float(0, 1, step=math.nan), "step must be finite"),
        (Float(0, 1, step=1e-17), "too small"),
        (Float(0, 1, step=1e-15), None),
        (Float(0, 1e16, step=8.0), "2**50"),
        (Float(1, 2, log=True, step=0.1), "log and step cannot be combined"),
        (Float(0, 1, default=2), "default must lie from 0.0 to 1.0, not 2.0"),
        (Float(0, 1, step=0.5, default=0.3), "default must be 0.0 plus a multiple of 0.5"),
        (Float(0, 1, default="a"), "default must be a number"),  # type: ignore[arg-type]
        (Int(1.5, 2), "low must be an integer, not 1.5"),  # type: ignore[arg-type]
        (Int(0, math.inf), "high must be finite"),  # type: ignore[arg-type]
        (Int(False, 2), "low must be an integer, not False (bool)"),
        (Int(2, 1), "low (2) is above high (1)"),
        (Int(0, 2**53 + 1), "high must lie within ±2**53"),
        (Int(-(10**4000), 1), "low must lie within ±2**53"),
        (Int(-(2**52), 2**52), "2**50"),
        (Int(0, 8, log=True), "log needs low above 0"),
        (Int(1, 2**45, log=True), "2**44"),
        (Int(1, 8, log=True, step=2), "log and step cannot be combined"),
        (Int(1, 8, step=0), "step must be above 0"),
        (Int(1, 8, step=1.5), "step must be an integer"),  # type: ignore[arg-type]
        (Int(1, 8, step=9), "step (9) is larger"),
        (Int(1, 8, default=9), "default must lie from 1 to 8, not 9"),
        (Int(1, 8, step=2, default=2), "default must be 1 plus a multiple of 2"),
        (Choice([]), "choices is empty"),
        (Choice("abc"), "choices must be a list, not 'abc' (str)"),
        (Choice({"a": 1}), "choices must be a list"),  # type: ignore[arg-type]
        (Choice(["a", "b", "a"]), "duplicates: 'a'"),
        (Choice([1, 1.0]), "duplicates: 1.0"),
        (Choice([[1, 2], (1, 2)]), "duplicates: [1, 2]"),
        (Choice([math.nan]), "not a JSON value"),
        (Choice([{1, 2}]), "not a JSON value"),
        (Choice([{1: 2}]), "not a JSON value"),
        (Choice(["\ud800"]), "not a JSON value"),
        (Choice([RECURSIVE]), "not a JSON value"),
        (Choice([2**53 + 1]), "beyond ±2**53"),
        (Choice(["a"], ordered=1), "ordered must be true or false"),  # type: ignore[arg-type]
        (Choice(["a"], default="b"), "default must be one of 'a', not 'b'"),
        (Choice([1], default=True), "default must be one of 1, not True"),
        (Fixed(object), "value <class 'object'> (type) is not a JSON value"),
        (Fixed(2**60), "beyond ±2**53"),
        ({"float": 1}, "float must be [low, high], not 1"),
        (
            {"flaot": [0, 1]},
            "has no kind; give exactly one of float, int, choice, fixed. Did you mean 'float'?",
        ),
        ({"float": [0, 1], "int": [0, 1]}, "has several kinds (float, int)"),
        ({"int": [0, 1], "lgo": True}, "unknown key 'lgo'. Did you mean 'log'?"),
        (object(), "must be Float, Int, Choice, Fixed"),
        (Float, "must be Float, Int, Choice, Fixed"),
    ],
)
def test_a_contradictory_parameter_is_named_with_its_problem(parameter: Any, part: str | None) -> None:
    if part is None:
        assert Space({"p": parameter}).names == ("p",)
        return
    (problem,) = problems_of({"p": parameter})
    assert problem.startswith("p: ")
    assert part in problem


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        (3, "must be text"),
        (None, "must be text"),
        ("\ud800", "valid Unicode"),
    ],
)
def test_an_unusable_name_is_a_problem(name: Any, part: str) -> None:
    (problem,) = problems_of({name: Fixed(1)})
    assert part in problem


def test_duplicate_names_are_found_in_pairs_and_in_unicode_encodings() -> None:
    assert problems_of([("a", 1), ("a", 2)]) == ("a: duplicate name",)
    (problem,) = problems_of({"gr\u00f6sse": 1, "gro\u0308sse": 2})
    assert "Unicode encoding" in problem


@pytest.mark.parametrize("given", [{}, [], None, 3, "lr", ["lr"], [("a",)]])
def test_a_space_needs_a_mapping_with_parameters(given: Any) -> None:
    (problem,) = problems_of(given)
    assert "parameters" in problem


@pytest.mark.parametrize(
    ("when", "part"),
    [
        ({"modle": "a"}, "when names 'modle', which is not a parameter. Did you mean 'model'?"),
        ({3: "a"}, "when names 3, which is not a parameter"),
        ({"model": "z"}, "when can never hold: 'model' must be one of 'a', 'b', not 'z'"),
        ({"model": ["a", "z"]}, "not 'z'"),
        ({"model": []}, "leaves no value"),
        ({"n": 9}, "'n' must lie from 1 to 3, not 9"),
        ({"n": True}, "'n' must be an integer"),
        ({"f": 2}, "'f' is fixed to 1, not 2"),
        ({"x": 1.5}, "'x' must lie from 0.0 to 1.0"),
        ({}, "when must map"),
        ("model", "when must map"),
        (["model"], "when must map"),
        ({"p": 1}, "p -> p: cyclic"),
    ],
)
def test_a_condition_that_cannot_hold_is_a_problem(when: Any, part: str) -> None:
    parents = {"model": ["a", "b"], "n": Int(1, 3), "f": 1, "x": Float(0, 1)}
    (problem,) = problems_of({**parents, "p": Int(0, 1, when=when)})
    assert part in problem


def test_every_cycle_of_conditions_is_shown() -> None:
    first = {"a": Int(0, 1, when={"b": 1}), "b": Int(0, 1, when={"c": 1}), "c": Int(0, 1, when={"a": 1})}
    second = {"d": Int(0, 1, when={"e": 1}), "e": Int(0, 1, when={"d": 1})}
    assert problems_of({**first, **second, "z": Int(0, 1, when={"a": 1})}) == (
        "a -> b -> c -> a: cyclic conditions",
        "d -> e -> d: cyclic conditions",
    )


def test_a_parameter_that_can_never_be_active_is_a_problem() -> None:
    (problem,) = problems_of(
        {"m": ["x", "y"], "a": Int(0, 1, when={"m": "x"}), "b": Int(0, 1, when={"a": 1, "m": "y"})}
    )
    assert problem.startswith("b: can never be active")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x * y <= 1", "is not linear"),
        ("x ** 2 <= 1", "is not linear"),
        ("1 / x <= 1", "is not linear"),
        ("sin(x) <= 1", "it calls 'sin'"),
        ("x / 0 <= 1", "divides by zero"),
        ("x == 1", "uses '=='"),
        ("x = 1", "uses '='"),
        ("x != 1", "uses '!='"),
        ("x + y", "ends where a comparison"),
        ("2x <= 1", "write *x"),
        ("x <= ", "ends where a number"),
        ("", "ends where a number"),
        ("0 <= x <= 1", "split it into two"),
        ("(x <= 1", "parenthesis"),
        ("x <= 1)", "has ')'"),
        ("x <= 1 y", "has 'y'"),
        ("x ? 1", "has '?'"),
        ("x - x <= 1", "compares no parameters"),
        ("1e999 * x <= 1", "not finite"),
        ("(" * 5000 + "x" + ")" * 5000 + "<= 1", "parentheses"),
        ("x + yy <= 1", "names 'yy', which is not a parameter. Did you mean 'y'?"),
        ("x <= model", "names 'model', whose values are not numbers"),
        ("flag <= 0", "names 'flag', whose values are not numbers"),
        ("x >= 2", "can never hold within the ranges of x"),
        ("x < 0", "can never hold"),
        ("n + x >= 4.5", "can never hold"),
        (3, "must be text or a callable"),
        (None, "must be text or a callable"),
    ],
)
def test_an_unusable_constraint_is_named_with_its_problem(text: Any, part: str) -> None:
    parameters = {
        "x": Float(0, 1),
        "y": Float(0, 1),
        "n": Int(1, 3),
        "model": ["a", "b"],
        "flag": [True, False],
    }
    (problem,) = problems_of(parameters, [text])
    assert problem.startswith("constraint")
    assert part in problem


@pytest.mark.parametrize(
    "constraints",
    [
        ["x + y <= 0.5", "x + y >= 1.6"],
        ["x < y", "y < x"],
        ["x + y <= 1", "x + y >= 1.2"],
        ["n >= y + 1.2", "n <= 0.8*y + 1.1", "y >= 0.5"],  # room between the whole numbers only
    ],
)
def test_constraints_that_exclude_each_other_are_a_problem(constraints: list[str]) -> None:
    (problem,) = problems_of({"x": Float(0, 1), "y": Float(0, 1), "n": Int(1, 3)}, constraints)
    assert "can never hold together" in problem
    assert all(repr(constraint) in problem for constraint in constraints)


@pytest.mark.parametrize("constraints", [["x <= y", "y <= x"], ["x < y", "y <= 1e-7"], ["x + y >= 2"]])
def test_constraints_with_little_room_are_no_problem(constraints: list[str]) -> None:
    assert len(Space({"x": Float(0, 1), "y": Float(0, 1)}, constraints).constraints) == len(constraints)


def test_constraints_are_judged_where_their_parameters_are_active() -> None:
    parameters = {"m": Int(1, 3), "a": Float(0, 1, when={"m": 1}), "b": Float(0, 1, when={"m": 2})}
    Space(parameters, ["a + b >= 5"])  # never both active: never counts
    (problem,) = problems_of(parameters, ["a + m >= 2.5"])  # a exists only when m is 1
    assert "can never hold" in problem


@pytest.mark.parametrize("given", ["x <= 1", {"x": 1}, 3])
def test_constraints_must_be_a_list(given: Any) -> None:
    (problem,) = problems_of({"x": Float(0, 1)}, given)
    assert "constraints must be a list" in problem


def test_all_problems_are_listed_at_once() -> None:
    problems = problems_of(
        {
            "": 1,
            "lr": Float(2, 1, log=3),  # type: ignore[arg-type]
            "n": Int(0, 9, log=True, step=20),
            "c": Choice([]),
            "k": Int(0, 1, when={"nope": 1, "c": 2}),
        },
        ["lr <= 1 2", "k <= zz"],
    )
    assert [problem.split(":")[0].split(" ")[0] for problem in problems] == [
        "the", "lr", "lr", "n", "n", "n", "c", "k", "constraint", "constraint",
    ]  # fmt: skip


def test_wide_and_narrow_but_sound_ranges_are_accepted() -> None:
    space = Space({"a": Float(1, 1), "b": Int(5, 5, step=1), "c": Float(2, 2, log=True), "d": Int(1, 1, log=True)})
    assert space.size == 1
    assert list(space.points()) == [{"a": 1.0, "b": 5, "c": 2.0, "d": 1}]


def test_numpy_numbers_are_taken_as_bounds_and_choices() -> None:
    numpy_made = Space({"x": Float(np.float32(0.5), np.int64(2)), "c": Choice(np.array([1, 2]))})  # type: ignore[arg-type]
    assert numpy_made == Space({"x": Float(0.5, 2.0), "c": Choice([1, 2])})
