"""Usual losses stay as they are, those that are far too bad are drawn in, and the way back leads to the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.bayesopt.bending import Bend

LOSSES = st.lists(st.one_of(st.floats(-10, 10), st.floats(-1e100, 1e100)), min_size=1, max_size=30)


def test_usual_losses_are_standardized_and_nothing_else() -> None:
    losses = np.random.default_rng(0).normal(5.0, 0.1, 50)
    bend = Bend.of(losses)
    np.testing.assert_allclose(bend.apply(losses), (losses - losses.mean()) / losses.std(), atol=1e-9)
    np.testing.assert_allclose(bend.errors(losses, np.full(50, 0.02)), 0.02 / losses.std())
    np.testing.assert_allclose(bend.losses(np.array([-30.0, 0.0])), losses.mean() + losses.std() * np.array([-30, 0]))
    assert bend.usual(losses).all()


@given(LOSSES)
def test_the_order_stays_and_the_way_back_leads_to_the_loss(given: list[float]) -> None:
    losses = np.array(given)
    bend = Bend.of(losses)
    values = bend.apply(losses)
    assert np.isfinite(values).all()
    assert (np.diff(values[np.argsort(losses, kind="stable")]) >= -1e-9).all()
    assert (np.diff(bend.losses(np.linspace(values.min() - 1, values.max() + 1, 50))) >= 0).all()
    near = np.abs(losses - bend.middle) < 100 * bend.scale
    np.testing.assert_allclose(bend.losses(values)[near], losses[near], rtol=1e-6, atol=1e-6 * bend.scale)
    assert np.isfinite(bend.errors(losses, np.full(len(losses), 1e300))).all()


@pytest.mark.parametrize("worst", [1e3, 1e12, 1e100])
def test_diverged_losses_leave_the_scale_of_the_others(worst: float) -> None:
    usual = np.random.default_rng(1).random(30)
    bend = Bend.of(np.append(usual, np.full(14, worst)))
    values = bend.apply(np.append(usual, worst))
    assert values[:30].std() == pytest.approx(1.0, abs=0.1)
    assert 2.0 < values[30] < 80.0
    assert not bend.usual(np.array([worst])).any()
    assert bend.errors(np.array([worst]), np.zeros(1))[0] > 0.5
    assert bend.losses(values[30:])[0] == pytest.approx(min(worst, 1e9 * bend.scale), rel=0.01)


def test_differences_keep_their_digits_far_from_zero() -> None:
    bend = Bend.of(1e9 + 1e-3 * np.arange(10.0))
    assert bend.difference(np.array([1.0]), np.array([1.0 - 1e-9]))[0] == pytest.approx(1e-9 * bend.unit, rel=1e-6)


def test_equal_losses_all_have_the_value_zero() -> None:
    bend = Bend.of(np.full(4, 7.0))
    assert not bend.apply(np.full(4, 7.0)).any()
    assert bend.losses(np.zeros(1))[0] == 7.0
