"""The Gaussian process: gradients against finite differences, robustness, conditions, belief."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.bayesopt.fitting import Fitter
from meristem.bayesopt.gp import GaussianProcess, fit_hyperparameters
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Points, covariance, distances
from meristem.bayesopt.outcomes import BENT

MIXED = Kinds(categorical=np.array([False, True, False, True]), conditional=np.array([False, False, True, True]))


def standardized(losses: Sequence[float] | Array) -> Array:
    return BENT.apply(losses).values


def mixed_points(count: int, seed: int = 0) -> Points:
    rng = np.random.default_rng(seed)
    unit = rng.random((count, 4))
    unit[:, [1, 3]] = (rng.integers(0, 3, (count, 2)) + 0.5) / 3
    active = np.ones((count, 4), dtype=bool)
    active[:, 2] = unit[:, 1] < 0.5
    active[:, 3] = ~active[:, 2]
    return Points(unit=np.where(active, unit, 0.5), active=active)


def some_hyper(seed: int = 0) -> Hyperparameters:
    rng = np.random.default_rng(seed)
    return Hyperparameters(
        scales=rng.uniform(0.3, 1.5, 4),
        signal=1.3,
        noise=0.01,
        share=rng.uniform(0.2, 0.8),
        narrowing=rng.uniform(0.3, 1.0),
    )


def smooth(points: Points) -> np.ndarray:
    return standardized(np.sin(4 * points.unit[:, 0]) + points.unit[:, 1] + points.unit[:, 2] ** 2)


@pytest.mark.parametrize("additive", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_of_the_posterior_of_hyperparameters_is_right(seed: int, additive: bool) -> None:
    points = mixed_points(12, seed)
    fitter = Fitter(points, MIXED, additive=additive)
    outcomes, theta = smooth(points), some_hyper(seed).to_vector()
    errors = np.random.default_rng(seed).random(12) * 0.1
    _, gradient = fitter.negative_log_posterior(theta, outcomes, errors)
    for place in range(len(theta)):
        step = np.zeros_like(theta)
        step[place] = 1e-5
        above, _ = fitter.negative_log_posterior(theta + step, outcomes, errors)
        below, _ = fitter.negative_log_posterior(theta - step, outcomes, errors)
        assert gradient[place] == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-6)


def test_hyperparameters_survive_the_way_to_a_vector_and_back() -> None:
    before = some_hyper(3)
    after = Hyperparameters.from_vector(before.to_vector())
    np.testing.assert_allclose(after.scales, before.scales)
    assert (after.share, after.narrowing, after.noise) == pytest.approx((before.share, before.narrowing, before.noise))


def test_the_gradient_of_predictions_is_right_and_zero_where_nothing_can_move() -> None:
    data, asked = mixed_points(15), mixed_points(6, seed=9)
    process = GaussianProcess(data, smooth(data), MIXED, some_hyper())
    found = process.predict_slopes(asked)
    for column in range(4):
        moved = asked.unit.copy()
        moved[:, column] += 1e-6
        after = process.predict(Points(unit=moved, active=asked.active))
        moved[:, column] -= 2e-6
        before = process.predict(Points(unit=moved, active=asked.active))
        if MIXED.categorical[column]:
            assert not found.mean_slope[:, column].any()
            continue
        np.testing.assert_allclose(found.mean_slope[:, column], (after.mean - before.mean) / 2e-6, atol=1e-6)
        np.testing.assert_allclose(found.std_slope[:, column], (after.std - before.std) / 2e-6, atol=1e-6)
    assert not found.mean_slope[~asked.active].any()


def test_predictions_with_and_without_slopes_agree() -> None:
    data, asked = mixed_points(15), mixed_points(6, seed=9)
    process = GaussianProcess(data, smooth(data), MIXED, some_hyper())
    plain, sloped = process.predict(asked), process.predict_slopes(asked)
    np.testing.assert_allclose(plain.mean, sloped.mean, atol=1e-10)
    np.testing.assert_allclose(plain.std, sloped.std, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_kernel_is_positive_semidefinite_across_conditions(seed: int) -> None:
    points = mixed_points(25, seed)
    kernel = covariance(distances(points, points, MIXED), MIXED, some_hyper(seed)).value
    assert np.linalg.eigvalsh(kernel).min() > -1e-10


def test_values_of_inactive_parameters_never_count() -> None:
    data, asked = mixed_points(15), mixed_points(8, seed=3)
    process = GaussianProcess(data, smooth(data), MIXED, some_hyper())
    other = np.where(asked.active, asked.unit, 0.123)
    before, after = process.predict(asked), process.predict(Points(unit=other, active=asked.active))
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.std, after.std)


def test_points_of_which_one_lacks_a_parameter_are_a_constant_apart_in_it() -> None:
    kinds = Kinds(categorical=np.array([False]), conditional=np.array([True]))
    unit, active = np.array([[0.0], [1.0], [0.5]]), np.array([[True], [True], [False]])
    points = Points(unit=unit, active=active)
    apart = distances(points, points, kinds)[0]
    np.testing.assert_allclose(apart, [[0, 4 * np.sin(0.5) ** 2, 1], [4 * np.sin(0.5) ** 2, 0, 1], [1, 1, 0]])


def test_points_that_differ_in_a_category_are_apart_however_near_their_places() -> None:
    kinds = Kinds(categorical=np.array([True]), conditional=np.array([False]))
    apart = distances(Points.all_active([[0.1], [0.3]]), Points.all_active([[0.1], [0.3], [0.9]]), kinds)
    np.testing.assert_array_equal(apart[0], [[0, 1, 1], [1, 0, 1]])


def test_it_learns_a_smooth_function_and_is_sure_where_it_has_seen_it() -> None:
    rng = np.random.default_rng(4)
    seen, unseen = Points.all_active(rng.random((30, 2))), Points.all_active(rng.random((20, 2)))

    def truth(points: Points) -> np.ndarray:
        return np.sin(3 * points.unit[:, 0]) + points.unit[:, 1] ** 2

    process = GaussianProcess.fit(seen, truth(seen), Kinds.numeric(2))
    assert np.abs(process.predict(unseen).mean - truth(unseen)).max() < 0.1
    assert process.predict(seen).std.max() < process.predict(Points.all_active([[3.0, 3.0]])).std[0] / 5
    np.testing.assert_allclose(process.fitted, process.predict(seen).mean, atol=1e-6)


def test_a_parameter_without_influence_gets_a_longer_scale() -> None:
    rng = np.random.default_rng(5)
    points = Points.all_active(rng.random((30, 2)))
    hyper = fit_hyperparameters(points, standardized(np.sin(6 * points.unit[:, 0])), Kinds.numeric(2))
    assert hyper.scales[1] > 3 * hyper.scales[0]


def test_fitting_twice_gives_the_same() -> None:
    points = mixed_points(20)
    first, second = (fit_hyperparameters(points, smooth(points), MIXED) for _ in range(2))
    np.testing.assert_array_equal(first.to_vector(), second.to_vector())


@pytest.mark.parametrize(
    "losses",
    [
        [3.0],
        [1.0, 1.0],
        [2.0] * 12,
        [0.0, 1e12, 1.0, 2.0],
        [0.0, -1e12, 1.0],
        [1e308, -1e308, 0.0],
        [5e-324, 0.0],
    ],
)
def test_fits_survive_few_equal_and_absurd_losses(losses: list[float]) -> None:
    points = Points.all_active(np.full((len(losses), 2), 0.5))
    process = GaussianProcess.fit(points, standardized(losses), Kinds.numeric(2))
    found = process.predict(Points.all_active([[0.5, 0.5], [0.0, 1.0]]))
    assert np.isfinite(found.mean).all()
    assert (found.std > 0).all()


def test_believing_pending_points_keeps_the_means_and_removes_uncertainty_there() -> None:
    data, pending = mixed_points(12), mixed_points(3, seed=8)
    process = GaussianProcess(data, smooth(data), MIXED, some_hyper())
    believing = process.believing(pending)
    np.testing.assert_allclose(believing.predict(pending).mean, process.predict(pending).mean, atol=0.05)
    assert (believing.predict(pending).std < process.predict(pending).std).all()
    assert believing.predict(pending).std.max() < 0.12
    assert process.believing(pending.pick(slice(0, 0))) is process


def test_a_sum_of_effects_is_learned_from_few_points_in_many_columns() -> None:
    rng = np.random.default_rng(6)
    seen, unseen = Points.all_active(rng.random((60, 8))), Points.all_active(rng.random((40, 8)))

    def truth(points: Points) -> np.ndarray:
        return np.asarray(np.sin(6 * points.unit + np.arange(8)).sum(axis=1))

    outcomes = standardized(truth(seen))
    error = {}
    for additive in (True, False):
        hyper = Fitter(seen, Kinds.numeric(8), additive=additive).fit(outcomes)
        found = GaussianProcess(seen, outcomes, Kinds.numeric(8), hyper).predict(unseen).mean
        error[additive] = 1 - np.corrcoef(found, truth(unseen))[0, 1]
    assert error[True] < 0.05 < error[False]


def test_known_errors_of_outcomes_are_believed() -> None:
    points = Points.all_active([[0.1], [0.5], [0.9]])
    hyper = Hyperparameters(scales=np.array([0.2]), signal=1.0, noise=1e-6)
    errors = np.array([0.0, 1.0, 0.0])
    found = GaussianProcess(points, np.array([0.0, 2.0, 0.0]), Kinds.numeric(1), hyper, errors).predict(points)
    assert found.mean[1] < 1.2
    assert found.std[1] > 0.5 > 0.05 > found.std[0]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_neither_the_order_of_trials_nor_that_of_parameters_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    unit, asked, rows, columns = rng.random((12, 3)), rng.random((5, 3)), rng.permutation(12), rng.permutation(3)
    outcomes = standardized(np.sin(4 * unit.sum(axis=1)))
    hyper = Hyperparameters(scales=np.array([0.4, 0.8, 1.2]), signal=1.0, noise=1e-3, share=0.4, narrowing=0.5)
    turned = Hyperparameters(scales=hyper.scales[columns], signal=1.0, noise=1e-3, share=0.4, narrowing=0.5)
    first = GaussianProcess(Points.all_active(unit), outcomes, Kinds.numeric(3), hyper)
    other = GaussianProcess(Points.all_active(unit[rows][:, columns]), outcomes[rows], Kinds.numeric(3), turned)
    before, after = first.predict(Points.all_active(asked)), other.predict(Points.all_active(asked[:, columns]))
    np.testing.assert_allclose(before.mean, after.mean, atol=1e-8)
    np.testing.assert_allclose(before.std, after.std, atol=1e-8)


def test_predictions_do_not_depend_on_how_many_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    process = GaussianProcess(mixed_points(10), smooth(mixed_points(10)), MIXED, some_hyper())
    whole = process.predict(mixed_points(20, seed=5))
    monkeypatch.setattr("meristem.bayesopt.gp._PORTION", 120)
    parts = process.predict(mixed_points(20, seed=5))
    np.testing.assert_allclose(whole.mean, parts.mean, rtol=1e-12)
    np.testing.assert_allclose(whole.std, parts.std, rtol=1e-9)
