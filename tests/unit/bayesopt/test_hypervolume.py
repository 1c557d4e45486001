"""Hypervolume and boxes: against counting cells, monotone, the same in any order and with duplicates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from meristem.bayesopt.hypervolume import dominated_boxes, hypervolume, undominated_boxes

SIDE = 4  # points lie on a grid of so many values an objective, so that cells can be counted
GRIDS = st.tuples(st.integers(0, 9), st.integers(1, 5)).flatmap(
    lambda shape: arrays(float, shape, elements=st.integers(0, SIDE).map(float))
)


def cells(width: int) -> np.ndarray:
    """The middles of all cells below the reference (SIDE, …), shape (SIDE**width, width)."""
    return np.stack(np.meshgrid(*[np.arange(SIDE) + 0.5] * width, indexing="ij"), axis=-1).reshape(-1, width)


def beaten(losses: np.ndarray) -> np.ndarray:
    middles = cells(losses.shape[1])
    return (losses[:, None, :] < middles).all(axis=2).any(axis=0)


def reference(width: int) -> np.ndarray:
    return np.full(width, float(SIDE))


@settings(max_examples=40)
@given(GRIDS)
def test_the_volume_is_the_number_of_cells_that_a_point_beats(losses: np.ndarray) -> None:
    assert hypervolume(losses, reference(losses.shape[1])) == pytest.approx(beaten(losses).sum())


@settings(max_examples=40)
@given(GRIDS)
def test_dominated_boxes_cover_what_is_beaten_exactly_once(losses: np.ndarray) -> None:
    boxes = dominated_boxes(losses, reference(losses.shape[1]))
    middles = cells(losses.shape[1])[:, None, :]
    covering = ((boxes.low < middles) & (middles < boxes.high)).all(axis=2).sum(axis=1)
    np.testing.assert_array_equal(covering, beaten(losses).astype(int))


@settings(max_examples=40)
@given(GRIDS)
def test_undominated_boxes_cover_the_rest_exactly_once(losses: np.ndarray) -> None:
    boxes = undominated_boxes(losses, reference(losses.shape[1]))
    middles = cells(losses.shape[1])[:, None, :]
    covering = ((boxes.low < middles) & (middles < boxes.high)).all(axis=2).sum(axis=1)
    np.testing.assert_array_equal(covering, 1 - beaten(losses).astype(int))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_neither_order_nor_duplicates_nor_dominated_points_change_it(width: int) -> None:
    rng = np.random.default_rng(width)
    losses, corner = rng.random((15, width)), np.full(width, 0.9)
    whole = hypervolume(losses, corner)
    more = np.concatenate([losses, losses[:4], losses[:4] + 0.01])
    assert hypervolume(more[rng.permutation(len(more))], corner) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_a_further_point_never_takes_volume_away(width: int) -> None:
    rng = np.random.default_rng(width)
    losses, corner = rng.random((20, width)), np.full(width, 0.95)
    volumes = [hypervolume(losses[:count], corner) for count in range(21)]
    assert volumes[0] == 0.0
    assert (np.diff(volumes) >= -1e-12).all()


def test_points_that_are_not_better_than_the_reference_everywhere_count_nothing() -> None:
    assert hypervolume([[0.0, 1.0], [-5.0, 3.0]], [1.0, 1.0]) == 0.0
    assert hypervolume([[0.0, 0.5], [-5.0, 3.0]], [1.0, 1.0]) == 0.5


def test_a_front_of_hundreds_in_five_objectives_is_the_sum_of_its_parts() -> None:
    rng = np.random.default_rng(0)
    losses = np.abs(rng.standard_normal((100, 5)))
    losses /= np.linalg.norm(losses, axis=1)[:, None]
    sampled = rng.random((20_000, 5)) * 1.1
    share = np.mean((losses[:, None, :] < sampled).all(axis=2).any(axis=0))
    assert hypervolume(losses, [1.1] * 5) == pytest.approx(share * 1.1**5, rel=0.03)
