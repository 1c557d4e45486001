"""Log expected hypervolume improvement: against sampling, far tails, gradients, limits."""

import numpy as np
import pytest

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.hypervolume import undominated_boxes
from meristem.bayesopt.hypervolume_improvement import HypervolumeImprovement, RayRegion, region_to_win
from meristem.bayesopt.kernel import Hyperparameters, Kinds, Points


def some_front(width: int) -> np.ndarray:
    return np.random.default_rng(width).random((7, width))


@pytest.mark.parametrize(("width", "tolerance"), [(1, 0.05), (2, 0.05), (3, 0.05), (4, 0.2), (5, 0.2)])
def test_it_is_the_mean_volume_won_by_sampled_outcomes(width: int, tolerance: float) -> None:
    front, corner, rng = some_front(width), np.full(width, 0.95), np.random.default_rng(1)
    mean, std = np.full((1, width), 0.25), np.full((1, width), 0.2)
    boxes = undominated_boxes(front, corner)
    drawn = mean + std * rng.standard_normal((10_000, width))
    sides = np.maximum(boxes.high[:, None, :] - np.maximum(boxes.low[:, None, :], drawn), 0.0)
    won = sides.prod(axis=2).sum(axis=0).mean()
    assert np.exp(region_to_win(front, corner).hope(mean, std).log[0]) == pytest.approx(won, rel=tolerance)


@pytest.mark.parametrize("width", [2, 3])
def test_rays_come_close_to_what_boxes_give_exactly(width: int) -> None:
    front, corner = some_front(width), np.full(width, 0.95)
    mean, std = np.random.default_rng(2).uniform(0, 0.7, (20, width)), np.full((20, width), 0.15)
    exact, rays = region_to_win(front, corner).hope(mean, std).log, RayRegion(front, corner).hope(mean, std).log
    assert np.abs(exact - rays)[exact > -6].max() < 0.4
    assert np.corrcoef(exact, rays)[0, 1] > 0.99


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("centre", [0.3, 2.0, 60.0])
def test_its_derivatives_by_predictions_are_right_also_where_it_underflows(width: int, centre: float) -> None:
    region = region_to_win(some_front(width), np.full(width, 0.95))
    rng = np.random.default_rng(3)
    mean, std = centre + rng.random((4, width)), rng.uniform(0.1, 0.5, (4, width))
    found = region.hope(mean, std)
    assert np.isfinite(found.log).all()
    for column in range(width):
        step = np.eye(width)[column] * 1e-6
        by_mean = (region.hope(mean + step, std).log - region.hope(mean - step, std).log) / 2e-6
        by_std = (region.hope(mean, std + step).log - region.hope(mean, std - step).log) / 2e-6
        np.testing.assert_allclose(found.by_mean[:, column], by_mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found.by_std[:, column], by_std, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("width", [2, 4])
def test_without_any_point_it_leads_below_the_reference(width: int) -> None:
    region = region_to_win(np.zeros((0, width)), np.zeros(width))
    better, worse = (region.hope(np.full((1, width), m), np.ones((1, width))).log[0] for m in (-0.5, 5.0))
    assert better > worse


def process_of(seed: int, shift: float = 0.0) -> GaussianProcess:
    points = Points.all_active(np.random.default_rng(0).random((12, 3)))
    hyper = Hyperparameters(scales=np.array([0.4, 0.8, 1.2]), signal=1.0, noise=1e-4)
    return GaussianProcess(points, shift + np.sin((4 + seed) * points.unit.sum(axis=1)), Kinds.numeric(3), hyper)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_its_gradient_over_the_space_is_right_with_limits(count: int) -> None:
    processes = [process_of(seed) for seed in range(count)]
    fitted = np.stack([process.fitted for process in processes], axis=1)
    region = region_to_win(fitted, fitted.max(axis=0))
    limits = [process_of(9, shift=0.2)]
    acquisition = HypervolumeImprovement(processes=processes, region=region, limits=limits)
    unit = np.random.default_rng(4).random((4, 3))
    values, slopes = acquisition.slopes(Points.all_active(unit))
    np.testing.assert_allclose(values, acquisition.values(Points.all_active(unit)), rtol=1e-6)
    for column in range(3):
        step = np.eye(3)[column] * 1e-6
        above, below = (acquisition.values(Points.all_active(unit + way * step)) for way in (1, -1))
        np.testing.assert_allclose(slopes[:, column], (above - below) / 2e-6, rtol=2e-3, atol=1e-3)


def test_a_limit_that_cannot_be_kept_makes_a_point_hopeless_and_one_that_is_kept_changes_nothing() -> None:
    processes = [process_of(0), process_of(1)]
    region, points = region_to_win(np.zeros((1, 2)), np.ones(2)), Points.all_active([[0.5, 0.5, 0.5]])
    free, kept, broken = (
        HypervolumeImprovement(processes=processes, region=region, limits=limits).values(points)[0]
        for limits in ([], [process_of(9, shift=-50.0)], [process_of(9, shift=50.0)])
    )
    assert kept == pytest.approx(free)
    assert broken < free - 100
