"""The recurrent policy and its training: gradients, masks, rewards by rank, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.controllers.policy_gradient import (
    CLIP,
    WINDOW,
    Batch,
    Episode,
    Training,
    advantages,
    loss_and_gradient,
    shared_places,
)
from meristem.controllers.recurrent import FIRST, Read, RecurrentPolicy

FEATURES, NUMBERS, LENGTH, COUNT = 5, 3, 3, 6


def reading(rng: np.random.Generator, count: int) -> Read:
    there = rng.random((LENGTH, count)) < 0.6
    there[-1] = True
    return Read(
        features=rng.standard_normal((LENGTH, count, FEATURES)),
        strategies=rng.random((LENGTH, count, NUMBERS)),
        there=there,
    )


def some_batch(policy: RecurrentPolicy, weights: np.ndarray, seed: int) -> Batch:
    """Episodes drawn by about this policy, some a little, some far off, so that some are clipped."""
    rng = np.random.default_rng(seed)
    read = reading(rng, COUNT)
    counts = rng.random((COUNT, NUMBERS)) < 0.8
    draws = policy.draws(weights, read)
    strategies = draws.mean + np.exp(draws.log_spread) * rng.standard_normal((COUNT, NUMBERS))
    older = draws.log_density(strategies, counts) + rng.choice([-1.0, -0.1, 0.1, 1.0], COUNT)
    return Batch(
        read=read,
        strategies=strategies,
        counts=counts,
        log_densities=older,
        advantages=rng.standard_normal(COUNT),
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_that_of_finite_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    policy = RecurrentPolicy(FEATURES, NUMBERS, LENGTH, hidden=4)
    weights = policy.first_weights(rng) + 0.3 * rng.standard_normal(policy.size)
    batch = some_batch(policy, weights, seed)
    _, gradient = loss_and_gradient(policy, weights, batch)
    step = 1e-6
    expected = np.empty(policy.size)
    for place in range(policy.size):
        moved = np.zeros(policy.size)
        moved[place] = step
        above, below = (loss_and_gradient(policy, weights + sign * moved, batch)[0] for sign in (1, -1))
        expected[place] = (above - below) / (2 * step)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(gradient, expected, atol=1e-7, rtol=1e-5)


def test_what_is_clipped_does_not_pull() -> None:
    policy = RecurrentPolicy(FEATURES, NUMBERS, LENGTH)
    weights = policy.first_weights(np.random.default_rng(0))
    read = reading(np.random.default_rng(1), 1)
    draws, counts = policy.draws(weights, read), np.ones((1, NUMBERS), dtype=bool)
    now = draws.log_density(draws.mean + 0.01, counts)
    batch = Batch(
        read=read,
        strategies=draws.mean + 0.01,
        counts=counts,
        log_densities=now - np.log(1.0 + 2 * CLIP),
        advantages=np.ones(1),
    )
    rest = Batch(
        read=read,
        strategies=batch.strategies,
        counts=counts,
        log_densities=batch.log_densities,
        advantages=np.zeros(1),
    )
    np.testing.assert_array_equal(
        loss_and_gradient(policy, weights, batch)[1], loss_and_gradient(policy, weights, rest)[1]
    )


def test_first_draws_are_around_what_was_read_and_wide() -> None:
    policy = RecurrentPolicy(FEATURES, NUMBERS, LENGTH)
    read = reading(np.random.default_rng(1), 20)
    draws = policy.draws(policy.first_weights(np.random.default_rng(0)), read)
    np.testing.assert_allclose(np.exp(draws.log_spread), FIRST)
    alone = read.there.sum(axis=0) == 1
    assert alone.any()
    np.testing.assert_allclose(draws.mean[alone], read.strategies[-1][alone])


def test_what_does_not_exist_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    policy = RecurrentPolicy(FEATURES, NUMBERS, LENGTH)
    weights = policy.first_weights(rng) + 0.3 * rng.standard_normal(policy.size)
    read = reading(rng, 8)
    gone = ~read.there[..., None]
    other = Read(
        features=np.where(gone, 9.0, read.features),
        strategies=np.where(gone, 0.9, read.strategies),
        there=read.there,
    )
    np.testing.assert_array_equal(policy.draws(weights, read).mean, policy.draws(weights, other).mean)


def test_training_moves_draws_to_where_rewards_are_and_narrows_them() -> None:
    policy = RecurrentPolicy(FEATURES, NUMBERS, LENGTH)
    rng = np.random.default_rng(0)
    training = Training(policy, rng)
    read = reading(np.random.default_rng(1), 1)
    first = policy.draws(training.weights, read)
    wanted, losses = first.mean[0] + 0.15, list[float]()
    for number in range(60):
        draws = policy.draws(training.weights, read)
        strategy = draws.mean[0] + np.exp(draws.log_spread[0]) * rng.standard_normal(NUMBERS)
        counts = np.ones(NUMBERS, dtype=bool)
        density = float(draws.log_density(strategy[None], counts[None])[0])
        training.episodes.append(
            Episode(number=number, after=[], read=read, strategy=strategy, counts=counts, log_density=density)
        )
        losses.append(float(((strategy - wanted) ** 2).sum()))
        training.learn(shared_places(np.array(losses[-WINDOW:])))
    last = policy.draws(training.weights, read)
    assert np.abs(last.mean[0] - wanted).mean() < 0.5 * np.abs(first.mean[0] - wanted).mean()
    assert last.log_spread.mean() < first.log_spread.mean()
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:20])


LOSSES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=20)


@given(LOSSES)
def test_advantages_sum_to_nothing_and_follow_the_order_alone(losses: list[float]) -> None:
    places = shared_places(np.array(losses))
    found = advantages(places)
    assert abs(found.sum()) < 1e-9 * len(losses)
    np.testing.assert_array_equal(found, advantages(shared_places(np.exp(np.array(losses)) * 1e200)))
    order = np.argsort(losses, kind="stable")
    assert (np.diff(found[order]) <= 1e-12).all()


@given(LOSSES)
def test_equal_losses_share_a_place(losses: list[float]) -> None:
    places = shared_places(np.array(losses))
    for loss, place in zip(losses, places, strict=True):
        below, equal = sum(other < loss for other in losses), losses.count(loss)
        assert place == below + (equal - 1) / 2


def test_the_first_key_counts_most() -> None:
    missing, losses = np.array([True, False, False, True]), np.array([0.0, 5.0, 3.0, 0.0])
    np.testing.assert_array_equal(shared_places(missing, losses), [2.5, 1.0, 0.0, 2.5])
