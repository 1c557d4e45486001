"""Leave-one-out predictions, and what they say of a Gaussian process."""

from __future__ import annotations

import math

import numpy as np
import pytest

from meristem.bayesopt.cross_validation import CrossValidation, leave_one_out, leave_one_out_of
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Hyperparameters, Kinds, Points, covariance, distances

KINDS = Kinds(categorical=np.array([False, False, True]), conditional=np.array([False, True, False]))


def process(count: int, noise: float, *, copies: int = 0) -> GaussianProcess:
    rng = np.random.default_rng(count)
    unit = rng.random((count, 3))
    unit[:, 2] = rng.integers(0, 3, count) / 3
    active = np.ones((count, 3), dtype=bool)
    active[::4, 1] = False
    rows = [*range(count), *range(copies)]
    points = Points(unit=unit, active=active).pick(np.array(rows))
    outcomes = np.sin(4 * points.unit[:, 0]) + points.unit[:, 2] + 0.1 * rng.standard_normal(len(rows)) + 0.7
    hyper = Hyperparameters(scales=np.array([0.5, 0.8, 1.5]), signal=1.3, noise=noise)
    return GaussianProcess(points, outcomes, KINDS, hyper)


@pytest.mark.parametrize(("count", "noise", "copies"), [(12, 0.05, 0), (12, 1e-4, 0), (8, 0.02, 4), (2, 0.1, 0)])
def test_it_is_as_if_each_point_had_been_left_out_and_the_process_conditioned_anew(
    count: int, noise: float, copies: int
) -> None:
    whole = process(count, noise, copies=copies)
    found = leave_one_out(whole)
    for place in range(len(whole.points)):
        rest = np.delete(np.arange(len(whole.points)), place)
        refit = GaussianProcess(whole.points.pick(rest), whole.outcomes[rest], KINDS, whole.hyper)
        expected = refit.predict(whole.points.pick(np.array([place])))
        np.testing.assert_allclose(found.mean[place], expected.mean[0], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found.std[place] ** 2, expected.std[0] ** 2 + noise, rtol=1e-6)
    np.testing.assert_array_equal(found.observed, whole.outcomes)


def test_each_point_may_have_its_own_noise() -> None:
    whole = process(10, 0.1)
    kernel = covariance(distances(whole.points, whole.points, KINDS), KINDS, whole.hyper).value
    noise = np.linspace(0.01, 0.5, 10)
    found = leave_one_out_of(kernel, noise, whole.outcomes, mean_precision=math.inf)
    rest = np.arange(1, 10)
    solved = np.linalg.solve(kernel[np.ix_(rest, rest)] + np.diag(noise[rest]), kernel[rest, 0])
    np.testing.assert_allclose(found.mean[0], solved @ whole.outcomes[rest], rtol=1e-8)
    np.testing.assert_allclose(found.std[0] ** 2, kernel[0, 0] + noise[0] - solved @ kernel[rest, 0], rtol=1e-8)


def test_one_point_alone_is_predicted_by_the_prior() -> None:
    found = leave_one_out(process(1, 0.1))
    np.testing.assert_allclose([found.mean[0], found.std[0] ** 2], [0.0, 1.4], atol=1e-12)


def test_many_equal_points_without_noise_are_no_obstacle() -> None:
    points = Points.all_active(np.full((20, 1), 0.5))
    hyper = Hyperparameters(scales=np.array([0.5]), signal=1.0, noise=1e-12)
    found = leave_one_out(GaussianProcess(points, np.ones(20), Kinds.numeric(1), hyper))
    assert np.isfinite(found.mean).all()
    assert (found.std > 0).all()
    assert math.isnan(found.r2)


def test_a_process_that_knows_its_errors_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    std = rng.uniform(0.1, 2.0, 4000)
    mean = rng.normal(0.0, 3.0, 4000)
    observed = mean + std * rng.standard_normal(4000)
    found = CrossValidation(observed=observed, mean=mean, std=std)
    for level, share in found.calibration().items():
        assert share == pytest.approx(level, abs=0.02)
    assert found.r2 == pytest.approx(1.0 - np.mean(std**2) / np.var(observed), abs=0.03)
    too_sure = CrossValidation(observed=observed, mean=mean, std=0.5 * std)
    assert too_sure.coverage(0.9) < 0.7
    assert too_sure.log_density < found.log_density
    assert np.std(too_sure.standardized) == pytest.approx(2.0, abs=0.1)


def test_predicting_the_mean_of_all_explains_nothing() -> None:
    observed = np.array([1.0, 2.0, 3.0])
    found = CrossValidation(observed=observed, mean=np.full(3, 2.0), std=np.ones(3))
    assert found.r2 == 0.0
