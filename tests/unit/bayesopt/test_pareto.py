"""Pareto fronts, ranks, crowding: against brute force, in any order, with duplicates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from meristem.bayesopt.pareto import crowding, fittest, non_dominated

# Few distinct values, so that ties and duplicates are common.
TABLES = st.tuples(st.integers(0, 12), st.integers(1, 4)).flatmap(
    lambda shape: arrays(float, shape, elements=st.sampled_from([-1e300, -1.0, 0.0, 0.5, 2.0, 1e300]))
)


def ranks_of(losses: np.ndarray) -> np.ndarray:
    """By point how many fronts must be taken away until it is on the front."""
    order, found, _room = fittest(losses, len(losses))
    placed = np.empty(len(losses), dtype=int)
    placed[order] = found
    return placed


def beats(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


@settings(max_examples=40)
@given(TABLES)
def test_the_front_is_what_no_point_beats(losses: np.ndarray) -> None:
    wanted = [not any(beats(other, one) for other in losses) for one in losses]
    assert non_dominated(losses).tolist() == wanted


@settings(max_examples=40)
@given(TABLES)
def test_the_order_of_points_does_not_matter(losses: np.ndarray) -> None:
    order = np.random.default_rng(len(losses)).permutation(len(losses))
    np.testing.assert_array_equal(non_dominated(losses)[order], non_dominated(losses[order]))
    np.testing.assert_array_equal(ranks_of(losses)[order], ranks_of(losses[order]))


@settings(max_examples=40)
@given(TABLES)
def test_ranks_are_fronts_taken_away_one_after_the_other(losses: np.ndarray) -> None:
    found = ranks_of(losses)
    for rank in set(found.tolist()):
        assert (found[found >= rank][non_dominated(losses[found >= rank])] == rank).all()
    for one, rank in zip(losses, found, strict=True):
        assert all(found[i] < rank for i, other in enumerate(losses) if beats(other, one))


def test_the_ends_of_a_front_have_infinite_room_and_the_rest_by_distance() -> None:
    room = crowding([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0], [3.9, 0.1]])
    assert np.isinf(room[[0, 2]]).all()
    assert room[1] == pytest.approx(3.9 / 4 + 3.9 / 4)
    assert room[3] < room[1]


def test_equal_points_crowd_without_dividing_by_zero() -> None:
    assert np.isfinite(crowding([[1.0, 1.0]] * 5)[1:-1]).all()
    assert len(crowding(np.zeros((0, 2)))) == 0


def test_the_fittest_are_whole_fronts_and_then_the_loneliest() -> None:
    losses = np.array([[0.0, 4.0], [1.0, 3.0], [1.01, 2.99], [4.0, 0.0], [5.0, 5.0], [9.0, 9.0]])
    chosen, rank, _ = fittest(losses, 3)
    assert set(chosen.tolist()) < {0, 1, 2, 3}
    assert {0, 3} < set(chosen.tolist())
    assert rank.tolist() == [0, 0, 0]
    chosen, rank, _ = fittest(losses, 5)
    assert rank.tolist() == [0, 0, 0, 0, 1]
    assert chosen[-1] == 4


@settings(max_examples=40)
@given(TABLES, st.integers(0, 15))
def test_as_many_are_chosen_as_asked_for_and_none_that_a_left_out_one_beats(losses: np.ndarray, count: int) -> None:
    chosen, rank, room = fittest(losses, count)
    assert len(chosen) == len(rank) == len(room) == min(count, len(losses))
    assert len(set(chosen.tolist())) == len(chosen)
    left = set(range(len(losses))) - set(chosen.tolist())
    assert not any(beats(losses[i], losses[j]) for i in left for j in chosen)
