"""The reference point and the scales of losses for several objectives."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from meristem.bayesopt.ambition import Scale, infer_reference

ANY = st.floats(allow_nan=False, allow_infinity=False)
TABLES = st.tuples(st.integers(1, 15), st.integers(2, 4)).flatmap(lambda shape: arrays(float, shape, elements=ANY))


def test_the_reference_is_a_little_worse_than_the_worst_on_the_front() -> None:
    losses = np.array([[0.0, 10.0], [1.0, 5.0], [2.0, 0.0], [9.0, 99.0]])
    np.testing.assert_allclose(infer_reference(losses), [2.2, 11.0])


def test_thresholds_come_first() -> None:
    losses = np.array([[0.0, 10.0], [2.0, 0.0]])
    np.testing.assert_allclose(infer_reference(losses, [7.0, None]), [7.0, 11.0])


def test_a_point_that_gives_up_much_for_next_to_nothing_does_not_set_it() -> None:
    losses = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0], [-1e-4, 50.0]])
    assert infer_reference(losses)[1] < 2.0


@settings(max_examples=40)
@given(TABLES)
def test_any_losses_give_a_finite_reference_that_the_best_of_each_objective_does_not_exceed(losses: np.ndarray) -> None:
    found = infer_reference(losses)
    assert np.isfinite(found).all()
    assert (found >= np.clip(losses, -1e150, 1e150).min(axis=0)).all()


@settings(max_examples=40)
@given(arrays(float, st.integers(1, 20), elements=ANY), ANY)
def test_scaled_losses_are_finite_and_keep_their_order(losses: np.ndarray, reference: float) -> None:
    found = Scale.of(losses, reference).apply(losses)
    assert np.isfinite(found).all()
    assert (np.diff(found[np.argsort(losses, kind="stable")]) >= -1e-12).all()


def test_up_to_the_reference_a_scale_only_moves_and_stretches() -> None:
    losses = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 1e12])
    found = Scale.of(losses, 4.0).apply(losses)
    np.testing.assert_allclose(np.diff(found[:5]), np.diff(found)[0])
    assert found[5] - found[4] < 3 * (found[4] - found[0])


def test_moving_and_stretching_losses_changes_nothing() -> None:
    losses = np.random.default_rng(0).normal(size=(30, 2))
    for factor, shift in ((1e-6, 0.0), (1e6, -1e7)):
        for column in range(2):
            one = Scale.of(losses[:, column], 1.0).apply(losses[:, column])
            other = Scale.of(factor * losses[:, column] + shift, factor + shift).apply(
                factor * losses[:, column] + shift
            )
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_small_errors_of_losses_are_carried_over_by_the_slope() -> None:
    losses = np.array([0.0, 1.0, 2.0, 3.0, 9.0, 50.0])
    scale = Scale.of(losses, 4.0)
    step = 1e-6
    slopes = (scale.apply(losses + step) - scale.apply(losses - step)) / (2 * step)
    np.testing.assert_allclose(scale.errors(losses, np.full(6, 0.01)), 0.01 * slopes, rtol=1e-5)
    assert np.isfinite(scale.errors(losses, np.array([0.0, 1e300, 1e-300, 1.0, 2.0, 3.0]))).all()


def test_a_reference_of_another_world_keeps_scaled_losses_finite() -> None:
    for losses in (np.array([1e-310, 3e-310]), np.array([1e-170, 3e-170])):
        scale = Scale.of(losses, 1e200)
        assert np.isfinite(scale.apply(np.append(losses, 1e200))).all()
