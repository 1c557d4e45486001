"""Descent in a box: reaches minima, keeps to the bounds, never ends above its starts."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.bayesopt.descent import Box, Rows, descend
from meristem.bayesopt.kernel import Array

BOX = Box(low=np.zeros(3), high=np.ones(3), longest=0.3, steps=60, decrease=1e-12)


def bowl(point: Array, _: Rows) -> tuple[Array, Array]:
    """Steep in one direction, flat in another, with its minimum outside the box in the third coordinate."""
    away, weight = point - np.array([0.3, 0.6, 1.5]), np.array([1.0, 100.0, 5.0])
    return (weight * away**2).sum(axis=1), 2 * weight * away


def test_all_ways_end_at_the_minimum_inside_the_box() -> None:
    ends, values = descend(bowl, np.random.default_rng(0).random((5, 3)), BOX)
    np.testing.assert_allclose(ends, np.tile([0.3, 0.6, 1.0], (5, 1)), atol=1e-4)
    np.testing.assert_allclose(values, bowl(ends, np.arange(5))[0])


def test_each_way_is_its_own() -> None:
    starts = np.random.default_rng(1).random((4, 3))
    together, _ = descend(bowl, starts, BOX)
    for row in range(4):
        alone, _ = descend(bowl, starts[row : row + 1], BOX)
        np.testing.assert_allclose(alone[0], together[row], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_way_never_ends_above_its_start_nor_outside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wave = rng.normal(0, 8, (3, 3))

    def rugged(point: Array, _: Rows) -> tuple[Array, Array]:
        return np.sin(point @ wave).sum(axis=1), np.cos(point @ wave) @ wave.T

    starts = rng.random((4, 3))
    ends, values = descend(rugged, starts, BOX)
    assert (values <= rugged(starts, np.arange(4))[0] + 1e-12).all()
    assert ((ends >= 0) & (ends <= 1)).all()


def test_starts_where_the_function_is_infinite_stay_where_they_are() -> None:
    def walled(point: Array, rows: Rows) -> tuple[Array, Array]:
        values, slopes = bowl(point, rows)
        return np.where(point[:, 0] > 0.5, np.inf, values), slopes

    starts = np.array([[0.9, 0.5, 0.5], [0.1, 0.5, 0.5]])
    ends, values = descend(walled, starts, BOX)
    np.testing.assert_array_equal(ends[0], starts[0])
    assert np.isinf(values[0])
    np.testing.assert_allclose(ends[1], [0.3, 0.6, 1.0], atol=1e-4)
