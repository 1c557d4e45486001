"""Standardizing losses and choosing which trials to fit to."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meristem.bayesopt.outcomes import choose_subset, standardize

ANY = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


@given(ANY)
def test_any_losses_become_finite_and_keep_their_order(losses: list[float]) -> None:
    found = standardize(losses)
    assert np.isfinite(found).all()
    assert (np.diff(found[np.argsort(losses, kind="stable")]) >= -1e-12).all()


def test_one_diverged_training_does_not_flatten_the_others() -> None:
    ordinary = np.linspace(0, 1, 20)
    found = standardize([*ordinary, 1e12])
    assert found[:20].std() > 0.5
    assert found[20] == found.max() > found[19]


def test_the_best_stays_distinguishable_when_nearly_all_losses_are_alike() -> None:
    found = standardize([*np.linspace(0.0, 1e-9, 30), -0.9, -1.0])
    assert found[-2] - found[-1] > 0.1


def test_equal_losses_become_zeros_and_none_stay_none() -> None:
    np.testing.assert_array_equal(standardize([7.0] * 3), np.zeros(3))
    assert len(standardize([])) == 0


@given(count=st.integers(1, 400), limit=st.integers(3, 100), seed=st.integers(0, 99))
def test_a_subset_has_the_best_and_the_latest_and_keeps_to_its_limit(count: int, limit: int, seed: int) -> None:
    losses = np.random.default_rng(seed).random(count)
    chosen = choose_subset(losses, limit)
    assert len(chosen) <= limit or count <= limit
    assert (np.diff(chosen) > 0).all()
    assert int(np.argmin(losses)) in chosen
    assert count - 1 in chosen


def test_a_subset_covers_losses_of_every_quality() -> None:
    losses = np.arange(1000.0)[::-1]
    quality = losses[choose_subset(losses, 90)]
    assert np.diff(np.sort(quality)).max() < 40
