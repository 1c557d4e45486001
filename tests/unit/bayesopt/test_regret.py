"""By how much the best may still be beaten."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Mask, Points
from meristem.bayesopt.optimize import Domain
from meristem.bayesopt.regret import Optimism, confidence_width, lowest_lower_bound, lowest_upper_bound


def anything(vector: Array) -> tuple[Array, Mask] | None:
    return np.clip(vector, 0.0, 1.0), np.ones(len(vector), dtype=bool)


def domain_of(count: int) -> Domain:
    smooth = np.ones(count, dtype=bool)
    return Domain(kinds=Kinds.numeric(count), smooth=smooth, levels=(None,) * count, repair=anything)


def process_of(count: int, columns: int = 2, seed: int = 0) -> GaussianProcess:
    unit = np.random.default_rng(seed).random((count, columns))
    hyper = Hyperparameters(scales=np.full(columns, 0.4), signal=1.0, noise=1e-4, share=0.3, narrowing=0.7)
    return GaussianProcess(Points.all_active(unit), np.sin(5 * unit).sum(axis=1), Kinds.numeric(columns), hyper)


@pytest.mark.parametrize("seed", range(5))
def test_the_lowest_of_a_whole_space_is_found(seed: int) -> None:
    process = process_of(12, seed=seed)
    axis = np.linspace(0.0, 1.0, 101)
    grid = Points.all_active(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))
    found = lowest_lower_bound(process, domain_of(2), process.points, 2.0, np.random.default_rng(0))
    assert found <= -Optimism(process=process, width=2.0).values(grid).max() + 1e-3


def test_forbidden_points_are_no_bound() -> None:
    process, rng = process_of(12), np.random.default_rng(0)
    left = replace(domain_of(2), repair=lambda vector: anything(vector) if vector[0] <= 0.5 else None)
    tried = process.points.pick(process.points.unit[:, 0] <= 0.5)
    axis = np.linspace(0.0, 1.0, 101)
    grid = Points.all_active(np.stack(np.meshgrid(axis / 2, axis), axis=-1).reshape(-1, 2))
    found = lowest_lower_bound(process, left, tried, 2.0, rng)
    best = -Optimism(process=process, width=2.0).values(grid).max()
    assert best - 0.02 <= found <= best + 0.01
    nothing = replace(domain_of(2), repair=lambda vector: None)
    assert lowest_lower_bound(process, nothing, tried, 2.0, rng) == -math.inf


def test_without_a_point_that_counts_nothing_is_reached() -> None:
    process = process_of(6)
    assert lowest_upper_bound(process, Points.stack([], 2), 1.0) == math.inf
    assert lowest_upper_bound(process, process.points, 0.0) == pytest.approx(process.fitted.min(), abs=1e-9)


def test_slopes_are_those_of_the_values() -> None:
    bound, unit = Optimism(process=process_of(9, 3), width=1.7), np.random.default_rng(1).random((4, 3))
    values, slopes = bound.slopes(Points.all_active(unit))
    np.testing.assert_allclose(values, bound.values(Points.all_active(unit)), atol=1e-9)
    for column in range(3):
        step = np.zeros(3)
        step[column] = 1e-5
        ahead, behind = (bound.values(Points.all_active(unit + sign * step)) for sign in (1, -1))
        np.testing.assert_allclose(slopes[:, column], (ahead - behind) / 2e-5, atol=1e-4)


def test_the_bound_falls_as_a_process_learns_and_holds_for_the_true_regret() -> None:
    hyper = Hyperparameters(scales=np.array([0.15]), signal=1.0, noise=1e-6)
    bounds = []
    for count in (3, 7, 13):
        points = Points.all_active(np.linspace(0.0, 1.0, count)[:, None])
        outcomes = np.sin(6 * points.unit[:, 0])
        process, width = GaussianProcess(points, outcomes, Kinds.numeric(1), hyper), confidence_width(1, count)
        lower = lowest_lower_bound(process, domain_of(1), points, width, np.random.default_rng(0))
        bounds.append(lowest_upper_bound(process, points, width) - lower)
        assert bounds[-1] >= outcomes.min() - (-1.0) - 1e-9
    assert bounds[0] > bounds[1] > bounds[2]
    assert confidence_width(10, 100) > confidence_width(1, 100) > confidence_width(1, 10)
