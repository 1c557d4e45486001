"""Standardizing losses and choosing which trials to fit to."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.bayesopt.kernel import Array
from meristem.bayesopt.outcomes import (
    BENT,
    STRAIGHT,
    TRANSFORMS,
    ExcessScale,
    Transform,
    choose_subset,
    likely_normal,
)

ANY = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


def standardized(losses: Sequence[float] | Array) -> Array:
    return BENT.apply(losses).values


@given(ANY)
def test_any_losses_become_finite_and_keep_their_order(losses: list[float]) -> None:
    found = standardized(losses)
    assert np.isfinite(found).all()
    assert (np.diff(found[np.argsort(losses, kind="stable")]) >= -1e-12).all()


def test_one_diverged_training_does_not_flatten_the_others() -> None:
    ordinary = np.linspace(0, 1, 20)
    found = standardized([*ordinary, 1e12])
    assert found[:20].std() > 0.5
    assert found[20] == found.max() > found[19]


def test_the_best_stays_distinguishable_when_nearly_all_losses_are_alike() -> None:
    found = standardized([*np.linspace(0.0, 1e-9, 30), -0.9, -1.0])
    assert found[-2] - found[-1] > 0.1


def test_equal_losses_become_zeros_and_none_stay_none() -> None:
    np.testing.assert_array_equal(standardized([7.0] * 3), np.zeros(3))
    assert len(standardized([])) == 0


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


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: t.name)
@given(losses=ANY)
def test_every_transform_keeps_the_order_and_stays_finite(transform: Transform, losses: list[float]) -> None:
    found = transform.apply(losses)
    assert np.isfinite(found.values).all()
    assert np.isfinite(found.slopes).all()
    assert (np.diff(found.values[np.argsort(losses, kind="stable")]) >= -1e-9).all()


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: t.name)
def test_scale_and_shift_of_the_losses_do_not_matter(transform: Transform) -> None:
    losses = np.random.default_rng(0).lognormal(0, 2, 25)
    first, second = transform.apply(losses), transform.apply(1000 * losses - 7)
    np.testing.assert_allclose(first.values, second.values, atol=1e-9)
    np.testing.assert_allclose(first.slopes, 1000 * second.slopes, rtol=1e-6)
    assert first.log_jacobian - second.log_jacobian == pytest.approx(25 * np.log(1000))


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: t.name)
def test_slopes_are_those_of_the_curve(transform: Transform) -> None:
    raised = np.linspace(-1.9, 9.0, 40)
    values, log_slopes = transform.curve(raised)
    fine = np.sort(np.concatenate([raised, raised[1:-1] - 1e-6, raised[1:-1] + 1e-6]))
    # Where the curve depends on the whole sample, that is kept the same by the two ends and the middle.
    curve = transform.curve(fine)[0]
    up, down = (np.interp(raised + step, fine, curve) for step in (1e-6, -1e-6))
    np.testing.assert_allclose((up - down)[1:-1] / 2e-6, np.exp(log_slopes)[1:-1], rtol=1e-3)
    assert (np.diff(values) > 0).all()


def test_losses_of_many_magnitudes_ask_for_a_bending_transform() -> None:
    rng = np.random.default_rng(1)
    assert likely_normal(rng.lognormal(0, 2, 50)).name == "power -0.5"
    assert likely_normal(rng.normal(0, 1, 50)) is STRAIGHT


@given(ANY)
def test_excesses_keep_their_sign_and_order(excesses: list[float]) -> None:
    found = ExcessScale.of(excesses).apply(excesses)
    assert np.isfinite(found).all()
    assert (np.sign(found) * np.sign(excesses) >= 0).all()
    assert (np.diff(found[np.argsort(excesses, kind="stable")]) >= 0).all()
