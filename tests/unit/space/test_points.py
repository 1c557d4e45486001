"""Points of a space: encoding, conditions, identity, listing, sampling."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import spaces

from meristem.errors import ParameterError, SpaceError
from meristem.space import Choice, Fixed, Float, Int, Space

few = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32)


@pytest.fixture
def nested() -> Space:
    return Space(
        {
            "units": Int(1, 4, when={"layers": [2, 3], "on": True}),
            "model": Choice(["mlp", "forest"]),
            "lr": Float(1e-4, 1.0, log=True, when={"model": "mlp"}),
            "layers": Int(1, 3, when={"model": "mlp"}),
            "on": Choice([True, 1]),
            "seed": 7,
        }
    )


def same(one: Any, two: Any) -> bool:
    """Equal, floats nearly so."""
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9)
    return type(one) is type(two) and bool(one == two)


@few
@given(spaces(), seeds)
def test_decoding_what_was_encoded_gives_the_same_point(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for point in (space.sample(rng), space.center()):
        unit = space.encode(point)
        assert unit.shape == (len(space.dimensions),)
        assert ((unit >= 0) & (unit <= 1)).all()
        assert (unit[~space.active_mask(point)] == 0.5).all()
        back = space.decode(unit)
        space.check(back)
        assert list(back) == list(point) == list(space.active(point))
        assert all(same(back[name], point[name]) for name in point)


@few
@given(spaces(), st.data())
def test_every_place_of_the_unit_cube_is_a_point(space: Space, data: st.DataObject) -> None:
    places = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, -1.0, 2.0]))
    unit = data.draw(st.lists(places, min_size=len(space.dimensions), max_size=len(space.dimensions)))
    point = space.decode(unit)
    space.check(point)
    assert space.normalize(point) == point
    assert space.normalize(json.loads(json.dumps(point))) == point
    assert space.key(json.loads(json.dumps(point))) == space.key(point)


@few
@given(spaces(finite=True))
def test_a_finite_space_lists_each_point_once_and_knows_how_many(space: Space) -> None:
    points = list(space.points())
    assert len(points) == space.size
    assert len({space.key(point) for point in points}) == len(points)
    for point in points[:200]:
        space.check(point)
        assert list(point) == list(space.active(point))
        assert space.decode(space.encode(point)) == point


@few
@given(spaces())
def test_a_space_survives_json(space: Space) -> None:
    again = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert hash(again) == hash(space)
    assert again.center() == space.center()


@pytest.mark.parametrize(
    "parameter",
    [
        Float(0, 1, step=0.1),
        Float(-0.3, 12.7, step=1 / 3),
        Int(-5, 40),
        Int(0, 40, step=7),
        Int(1, 300, log=True),
        Choice([True, 1, "1", None, [1], [True], {"a": [0.5]}]),
    ],
)
def test_grids_whole_numbers_and_categories_are_encoded_without_loss(parameter: Any) -> None:
    space = Space({"p": parameter})
    points = list(space.points())
    assert len(points) == parameter.cardinality == space.size
    for point in points:
        assert json.dumps(space.decode(space.encode(point))) == json.dumps(point)
    assert len({float(space.encode(p)[0]) for p in points}) == len(points)


@pytest.mark.parametrize(("low", "high"), [(1, 2**44), (2**44 - 9, 2**44), (1, 2)])
def test_large_whole_numbers_on_a_log_scale_are_encoded_without_loss(low: int, high: int) -> None:
    space = Space({"p": Int(low, high, log=True)})
    for value in (low, low + 1, high - 1, high):
        assert space.decode(space.encode({"p": value})) == {"p": value}


def test_the_middle_of_its_share_is_where_a_value_lies() -> None:
    space = Space({"c": ["a", "b", "c", "d"], "n": Int(1, 5), "x": Float(0, 10), "l": Float(1e-4, 1.0, log=True)})
    np.testing.assert_allclose(space.encode({"c": "b", "n": 1, "x": 2.5, "l": 1e-2}), [0.375, 0.1, 0.25, 0.5])


def test_whole_numbers_on_a_log_scale_share_it_from_half_below_to_half_above() -> None:
    units = [float(Space({"n": Int(1, 3, log=True)}).encode({"n": n})[0]) for n in (1, 3)]
    assert units == pytest.approx([math.log(n / 0.5) / math.log(3.5 / 0.5) for n in (1, 3)])


def test_grid_values_are_written_as_people_write_them() -> None:
    assert [p["x"] for p in Space({"x": Float(0.1, 0.5, step=0.1)}).points()] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_whole_numbers_on_a_log_scale_are_sampled_evenly_by_magnitude() -> None:
    space, rng = Space({"n": Int(1, 1000, log=True)}), np.random.default_rng(0)
    small = sum(space.sample(rng)["n"] <= 30 for _ in range(1000))
    assert 450 < small < 650


def test_conditions_hold_to_any_depth(nested: Space) -> None:
    assert nested.dimensions == ("units", "model", "lr", "layers", "on")
    assert nested.active({"model": "forest", "on": True, "layers": 3}) == ("model", "on", "seed")
    assert nested.active({"model": "mlp", "layers": 3, "on": True}) == tuple(nested.names)
    assert nested.active({"model": "mlp", "layers": 3, "on": 1}) == ("model", "lr", "layers", "on", "seed")
    mask = nested.active_mask({"model": "forest", "on": 1})
    assert mask.tolist() == [False, True, False, False, True]


def test_a_parent_may_be_a_float_a_whole_number_or_fixed() -> None:
    space = Space(
        {
            "x": Float(0, 1, step=0.1),
            "f": Fixed("on"),
            "n": Int(1, 3),
            "a": Int(0, 1, when={"x": 0.1 + 0.2, "f": "on", "n": [1.0, 2]}),
        }
    )
    assert "a" in space.active({"x": 0.3, "f": "on", "n": np.int64(1)})
    assert "a" not in space.active({"x": 0.3, "f": "on", "n": 3})
    assert space.size == 11 * 3 + 2  # x is 0.3 and n is 1 or 2: two values of a instead of none


def test_a_deep_chain_of_conditions_is_walked_through_counted_and_listed() -> None:
    chain = {f"p{i}": Int(0, 1, when={f"p{i - 1}": 1} if i else None) for i in reversed(range(300))}
    space = Space(chain)
    assert space.size == 301
    assert sum(1 for _ in space.points()) == 301


def test_counting_many_independent_conditions_does_not_build_their_product() -> None:
    pairs = {f"p{i}": Int(0, 1) for i in range(40)}
    children = {f"c{i}": Int(0, 1, when={f"p{i}": 1}) for i in range(40)}
    assert Space({**pairs, **children}).size == 3**40


def test_size_leaves_out_constraints_only_in_large_spaces() -> None:
    small = {"a": Int(1, 4), "b": Int(1, 4)}
    assert Space(small, ["a <= b"]).size == 10
    assert Space({"a": Int(1, 400), "b": Int(1, 400)}, ["a <= b"]).size == 160_000
    assert Space({"a": Int(1, 4), "x": Float(0, 1)}).size is None
    assert Space({f"c{i}": [0, 1] for i in range(200)}).size == 2**200


def test_points_go_from_end_to_end_lazily_and_respect_constraints() -> None:
    space = Space({"x": Float(0, 1), "l": Float(1e-2, 1, log=True)}, ["x <= 0.5"])
    points = list(space.points(levels=3))
    assert [p["x"] for p in points] == [0.0] * 3 + [0.5] * 3
    assert [p["l"] for p in points[:3]] == pytest.approx([0.01, 0.1, 1.0])
    assert next(Space({f"x{i}": Float(0, 1) for i in range(50)}).points()) == {f"x{i}": 0.0 for i in range(50)}
    assert list(Space({"x": Float(0, 1)}).points(1)) == [{"x": 0.5}]
    with pytest.raises(ParameterError, match="levels"):
        next(space.points(0))


def test_the_order_of_points_is_stable(nested: Space) -> None:
    assert list(nested.points(2)) == list(nested.points(2))


def test_the_center_takes_defaults_then_middles_then_first_choices() -> None:
    space = Space(
        {
            "d": Float(0, 10, default=1),
            "x": Float(0, 10),
            "l": Float(1e-4, 1.0, log=True),
            "n": Int(1, 9),
            "c": ["b", "a"],
            "o": Choice(["s", "m", "l"], default="m"),
            "f": 3,
            "child": Int(5, 5, when={"c": "b"}),
        }
    )
    expected = {"d": 1.0, "x": 5.0, "l": pytest.approx(1e-2), "n": 5, "c": "b", "o": "m", "f": 3, "child": 5}
    assert space.center() == expected


def test_check_lists_every_mistake(nested: Space) -> None:
    with pytest.raises(ParameterError) as caught:
        nested.check({"model": "mlp", "lr": 2.0, "layers": "2", "on": 0, "units": 3, "sede": 1})
    assert [problem.split(" ")[0] for problem in caught.value.problems] == [
        "'sede'", "units:", "lr:", "layers:", "on:", "seed:",
    ]  # fmt: skip
    assert "Did you mean 'seed'?" in caught.value.problems[0]
    assert "does not exist here" in caught.value.problems[1]
    assert caught.value.problems[-1] == "seed: is missing"
    with pytest.raises(ParameterError, match="map names"):
        nested.check([1])  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", True, None, [0.5], 1.1, 10**400])
def test_check_refuses_what_is_no_value_of_a_float(value: Any) -> None:
    with pytest.raises(ParameterError, match="x: must"):
        Space({"x": Float(0, 1)}).check({"x": value})


@pytest.mark.parametrize("value", [True, 1.5, "1", 2**60, 9])
def test_check_refuses_what_is_no_value_of_an_int(value: Any) -> None:
    with pytest.raises(ParameterError, match="n: must"):
        Space({"n": Int(0, 8)}).check({"n": value})


def test_check_tells_true_from_one_in_choices_and_fixed() -> None:
    space = Space({"c": [1, "a"], "f": True})
    space.check({"c": 1.0, "f": np.True_})
    with pytest.raises(ParameterError) as caught:
        space.check({"c": True, "f": 1})
    assert len(caught.value.problems) == 2


def test_complete_fills_defaults_where_active_and_drops_nothing() -> None:
    space = Space(
        {
            "depth": Int(1, 8, default=4, when={"model": "forest"}),
            "model": Choice(["mlp", "forest"], default="forest"),
            "lr": Float(0, 1, default=0.5, when={"model": "mlp"}),
            "x": Float(0, 1),
            "f": 3,
        }
    )
    assert space.complete({}) == {"depth": 4, "model": "forest", "f": 3}
    assert space.complete({}, middle=True) == {"depth": 4, "model": "forest", "x": 0.5, "f": 3}
    assert space.complete({"model": "mlp", "odd": 1}) == {"model": "mlp", "lr": 0.5, "f": 3, "odd": 1}
    assert space.complete({"x": 0.1, "depth": 2}) == {"depth": 2, "model": "forest", "x": 0.1, "f": 3}


def test_normalize_gives_plain_python_in_the_order_of_the_space(nested: Space) -> None:
    space = Space({"x": Float(0, 1), "n": Int(0, 9), "c": [True, "a", [1, 2]], "g": Float(0, 1, step=0.1)})
    given = {"c": (1, 2), "n": np.uint8(3), "x": np.float32(0.5), "g": 0.1 + 0.2, "odd": np.int64(1)}
    plain = space.normalize(given)
    assert json.dumps(plain) == '{"x": 0.5, "n": 3, "c": [1, 2], "g": 0.3, "odd": 1}'
    assert type(space.normalize({"n": 3.0})["n"]) is int
    assert type(space.normalize({"x": 1})["x"]) is float
    assert space.normalize({"x": "?", "n": None, "c": 7, "g": 0.33}) == {
        "x": "?",
        "n": None,
        "c": 7,
        "g": 0.33,
    }


def test_the_key_is_sorted_json_of_the_active_values() -> None:
    space = Space({"b": Int(0, 9), "a": Float(0, 1), "ü": [True, 1, None, [1]], "z": Int(0, 1, when={"b": 1})})
    key = space.key({"ü": [1], "a": 1, "b": np.int64(2), "z": 1})
    assert key == '{"a":1.0,"b":2,"ü":[1]}'
    assert space.key({"b": 2.0, "a": np.float64(1), "ü": (1,)}) == key
    assert space.key({"a": -0.0, "b": 0, "ü": 1}) == space.key({"a": 0, "b": 0, "ü": 1})
    assert space.key({"a": 0, "b": 0, "ü": 1}) != space.key({"a": 0, "b": 0, "ü": True})
    assert json.loads(space.key({"a": "?", "b": 1.5, "ü": {1: object}}))["b"] == 1.5


def test_the_key_of_an_unfinished_point_leaves_out_what_is_missing() -> None:
    space = Space({"m": ["a", "b"], "x": Int(0, 9, when={"m": "a"})})
    assert space.key({"m": "a"}) == '{"m":"a"}'


def test_decode_refuses_what_is_no_place_in_the_cube() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    for wrong in ([0.5], [[0.1, 0.2]], [0.5, math.nan], [math.inf, 0.5]):
        with pytest.raises(ParameterError, match="2 finite numbers"):
            space.decode(wrong)


@pytest.mark.parametrize("wrong", [{"x": "0.5", "c": 1}, {"x": 0.5, "c": 3}, {"x": 0.5}, {"x": [], "c": 1}])
def test_encode_refuses_what_is_no_point(wrong: Any) -> None:
    with pytest.raises(ParameterError):
        Space({"x": Float(0, 1), "c": [1, 2]}).encode(wrong)


def test_values_handed_out_can_be_changed_without_changing_the_space() -> None:
    space = Space({"c": [[1, 2]], "f": Fixed({"a": 1})})
    point = space.decode([0.5])
    point["c"].append(3)
    point["f"]["a"] = 2
    assert space.center() == {"c": [1, 2], "f": {"a": 1}}


def test_sampling_is_repeatable_and_says_when_constraints_leave_no_room() -> None:
    space = Space({"x": Float(0, 1), "y": Float(0, 1)}, ["x + y <= 0.5"])
    points = [space.sample(np.random.default_rng(3)) for _ in range(2)]
    assert points[0] == points[1]
    assert all(sum(space.sample(np.random.default_rng(i)).values()) <= 0.5 for i in range(20))
    with pytest.raises(SpaceError, match=r"\(almost\) no room"):
        Space({"x": Float(0, 1)}, [lambda p: p["x"] <= 1e-9]).sample(np.random.default_rng(0))
