"""Combinations of choices, and which of them is tried next."""

from __future__ import annotations

import numpy as np
import pytest

from meristem.controllers.combinations import Combinations
from meristem.controllers.threshold_ascent import upper_bounds
from meristem.errors import SpaceError
from meristem.space import Choice, Float, Int, Space


def test_all_combinations_that_of_the_defaults_first() -> None:
    space = Space({"a": Choice(["x", "y"], default="y"), "f": Float(0, 1), "b": Choice([1, 2])})
    found = Combinations(space, 4).all
    assert found[0] == {"a": "y", "b": 1}
    assert len(found) == 4
    assert {(c["a"], c["b"]) for c in found} == {("x", 1), ("x", 2), ("y", 1), ("y", 2)}


def test_without_choices_there_is_one_empty_combination() -> None:
    found = Combinations(Space({"f": Float(0, 1)}), 1)
    assert found.all == [{}]
    assert found.agreeing({"f": 0.5}) == [0]


def test_conditions_on_choices_count_those_on_numbers_do_not() -> None:
    space = Space(
        {
            "model": Choice(["mlp", "forest"]),
            "solver": Choice(["adam", "sgd"], when={"model": "mlp"}),
            "layers": Int(1, 2),
            "second": Choice(["relu", "tanh"], when={"layers": 2}),
        }
    )
    combinations = Combinations(space, 10)
    assert len(combinations.all) == 6
    forests = [c for c in combinations.all if c["model"] == "forest"]
    assert [set(c) for c in forests] == [{"model", "second"}] * 2
    assert len(combinations.agreeing({"model": "forest", "layers": 1})) == 2
    assert len(combinations.agreeing({"model": "forest", "layers": 2, "second": "relu"})) == 1


def test_ordered_choices_are_numbers() -> None:
    space = Space({"size": Choice(["s", "m", "l"], ordered=True), "kind": Choice(["a", "b"])})
    assert Combinations(space, 2).names == ("kind",)


def test_true_and_one_are_different_values() -> None:
    combinations = Combinations(Space({"a": Choice([True, 1, "1"])}), 3)
    assert [combinations.agreeing({"a": value}) for value in (True, 1, "1")] == [[0], [1], [2]]


def test_too_many_combinations_are_refused_with_what_to_do() -> None:
    space = Space({f"c{i}": Choice(list(range(10))) for i in range(4)})
    with pytest.raises(SpaceError, match=r"10,000 combinations.*at most 200.*most_combinations: 10000"):
        Combinations(space, 200)


def test_what_was_never_tried_comes_first() -> None:
    bounds = upper_bounds(np.array([8.0, 0.0]), np.array([8.0, 0.0]))
    assert bounds.argmax() == 1


def test_the_lead_is_lost_when_good_results_stop_coming() -> None:
    leads = [
        bool(np.argmax(upper_bounds(np.array([8.0, 0.0]), np.array([tries, 4.0]))) == 0) for tries in (8, 16, 32, 200)
    ]
    assert leads == [True, True, True, False]


def test_the_more_tries_without_a_good_result_the_less_hope() -> None:
    bounds = upper_bounds(np.zeros(5), np.arange(1.0, 6.0))
    assert (np.diff(bounds) < 0).all()
