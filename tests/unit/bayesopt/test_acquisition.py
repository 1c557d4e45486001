"""Log expected improvement: against the plain formula, far tails, gradients."""

import numpy as np
import pytest
from scipy.stats import norm

from meristem.bayesopt.acquisition import (
    Improvement,
    log_expected_improvement,
    log_expected_improvement_slopes,
    log_probability_below,
    log_probability_below_slopes,
)
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Hyperparameters, Kinds, Points


def process_for(count: int = 12) -> GaussianProcess:
    points = Points.all_active(np.random.default_rng(0).random((count, 3)))
    hyper = Hyperparameters(scales=np.array([0.4, 0.8, 1.2]), signal=1.0, noise=1e-4, share=0.3)
    return GaussianProcess(points, np.sin(5 * points.unit.sum(axis=1)), Kinds.numeric(3), hyper)


def test_it_is_the_log_of_expected_improvement_where_that_can_be_computed() -> None:
    mean, std, best = np.linspace(-3, 5, 60), np.linspace(0.3, 2, 60), 0.2
    z = (best - mean) / std
    plain = std * (norm.pdf(z) + z * norm.cdf(z))
    np.testing.assert_allclose(log_expected_improvement(mean, std, best), np.log(plain), rtol=1e-9, atol=1e-12)


def test_it_is_finite_and_falls_steadily_where_the_improvement_underflows() -> None:
    means = np.concatenate([np.linspace(0, 50, 2000), np.geomspace(51, 1e8, 2000)])
    found = log_expected_improvement(means, np.ones_like(means), 0.0)
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize("border", [1.0, 1e4])
def test_its_pieces_meet_without_a_step(border: float) -> None:
    means = np.array([border * (1 - 1e-12), border * (1 + 1e-12)])
    left, right = log_expected_improvement(means, np.ones(2), 0.0)
    assert left == pytest.approx(right, rel=1e-9)


@pytest.mark.parametrize("best", [-1.0, -30.0, 3.0])
def test_its_gradient_is_right(best: float) -> None:
    process, unit = process_for(), np.random.default_rng(1).random((5, 3))
    values, slopes = log_expected_improvement_slopes(process, Points.all_active(unit), best)
    found = process.predict(Points.all_active(unit))
    np.testing.assert_allclose(values, log_expected_improvement(found.mean, found.std, best), rtol=1e-6)
    for column in range(3):
        step = np.eye(3)[column] * 1e-6
        above, _ = log_expected_improvement_slopes(process, Points.all_active(unit + step), best)
        below, _ = log_expected_improvement_slopes(process, Points.all_active(unit - step), best)
        np.testing.assert_allclose(slopes[:, column], (above - below) / 2e-6, rtol=1e-3, atol=1e-4)


def test_its_gradient_is_finite_at_points_that_were_measured() -> None:
    process = process_for()
    values, slopes = log_expected_improvement_slopes(process, process.points, -1e6)
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()


def test_the_probability_of_keeping_a_limit_is_that_of_the_normal_distribution() -> None:
    mean, std = np.linspace(-3, 5, 30), np.linspace(0.3, 2, 30)
    np.testing.assert_allclose(log_probability_below(mean, std, 0.5), norm.logcdf(0.5, mean, std), rtol=1e-9)
    assert np.isfinite(log_probability_below(np.array([1e8]), np.ones(1))).all()


@pytest.mark.parametrize("bound", [0.0, -20.0, 3.0])
def test_the_gradient_of_that_probability_is_right(bound: float) -> None:
    process, unit = process_for(), np.random.default_rng(2).random((5, 3))
    _, slopes = log_probability_below_slopes(process, Points.all_active(unit), bound)
    for column in range(3):
        step = np.eye(3)[column] * 1e-6
        above, _ = log_probability_below_slopes(process, Points.all_active(unit + step), bound)
        below, _ = log_probability_below_slopes(process, Points.all_active(unit - step), bound)
        np.testing.assert_allclose(slopes[:, column], (above - below) / 2e-6, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("best", [None, 0.0])
def test_improvement_under_limits_adds_up_and_so_do_its_gradients(best: float | None) -> None:
    process, points = process_for(), Points.all_active(np.random.default_rng(3).random((4, 3)))
    limited = Improvement(process=process, best=best, limits=(process, process))
    values, slopes = limited.slopes(points)
    np.testing.assert_allclose(values, limited.values(points), rtol=1e-6)
    single, steep = log_probability_below_slopes(process, points)
    free = Improvement(process=process, best=best)
    np.testing.assert_allclose(values, free.values(points) + 2 * single, rtol=1e-6)
    np.testing.assert_allclose(slopes, free.slopes(points)[1] + 2 * steep, rtol=1e-6)
