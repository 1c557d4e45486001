"""Points between linear constraints that leave next to no room."""

from __future__ import annotations

import numpy as np
import pytest

from meristem.errors import SpaceError
from meristem.space import Float, Int, Space


@pytest.mark.parametrize(
    ("parameters", "constraints"),
    [
        ({f"a{i}": Float(0, 1) for i in range(8)}, [" + ".join(f"a{i}" for i in range(8)) + " <= 0.05"]),
        ({"a": Float(0, 1), "b": Float(0, 1), "c": Float(0, 1)}, ["a + b <= 1e-9"]),
        ({"a": Float(-1e6, 1e6), "b": Float(0, 1)}, ["a <= 2", "a >= 1.999", "b + a <= 2.1"]),
        ({f"x{i}": Int(0, 100) for i in range(6)}, ["x0 >= 100", "x1 >= 99", "x2 >= 100"]),
        ({"a": Int(0, 10**6), "b": Int(0, 10**6), "c": Int(1, 9)}, ["a + b <= 3"]),
        ({"a": Float(0, 1, step=0.001), "b": Float(0, 1)}, ["a <= 0.002", "a + b <= 0.01"]),
    ],
)
def test_a_narrow_region_gives_different_feasible_points(parameters, constraints):
    space = Space(parameters, constraints)
    rng = np.random.default_rng(0)
    found = [space.sample(rng) for _ in range(12)]
    for point in found:
        space.check(point)
    assert len({space.key(point) for point in found}) > 3


def test_the_walk_covers_the_region_and_the_seed_decides_about_it():
    space = Space({"a": Float(0, 1), "b": Float(0, 1)}, ["a + b <= 1e-3"])
    points = np.array([[p["a"], p["b"]] for p in (space.sample(np.random.default_rng(s)) for s in range(300))])
    assert abs(points[:, 0].mean() - 1e-3 / 3) < 4e-5  # the middle of a triangle
    assert points[:, 0].max() > 8e-4
    again = space.sample(np.random.default_rng(7))
    assert [again["a"], again["b"]] == points[7].tolist()


def test_where_a_function_forbids_nearly_all_the_error_says_so():
    space = Space({"a": Float(0, 1), "b": Float(0, 1)}, [lambda p: p["a"] < 1e-9, "a + b <= 1"])
    with pytest.raises(SpaceError, match="almost"):
        space.sample(np.random.default_rng(0))
