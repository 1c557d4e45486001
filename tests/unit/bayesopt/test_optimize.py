"""Maximizing the acquisition: near the true maximum, inside what is allowed, deterministic."""

from dataclasses import replace

import numpy as np

from meristem.bayesopt.acquisition import Improvement, log_expected_improvement
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Mask, Points
from meristem.bayesopt.optimize import Domain, maximize_acquisition


def anything(vector: Array) -> tuple[Array, Mask] | None:
    return np.clip(vector, 0, 1), np.ones(len(vector), dtype=bool)


DOMAIN = Domain(kinds=Kinds.numeric(2), smooth=np.ones(2, dtype=bool), repair=anything)


def bowl() -> GaussianProcess:
    points = Points.all_active(np.random.default_rng(0).random((10, 2)))
    hyper = Hyperparameters(scales=np.array([0.5, 0.5]), signal=1.0, noise=1e-5)
    return GaussianProcess(points, ((points.unit - 0.7) ** 2).sum(axis=1) * 4 - 1, Kinds.numeric(2), hyper)


def value_at(vector: Array) -> float:
    process = bowl()
    found = process.predict(Points.all_active(vector))
    return float(log_expected_improvement(found.mean, found.std, process.fitted.min())[0])


def find(domain: Domain, seed: int = 0) -> Array | None:
    process = bowl()
    acquisition = Improvement(process=process, best=float(process.fitted.min()))
    near = process.points.unit[np.argsort(process.outcomes, kind="stable")[:4]]
    return maximize_acquisition(acquisition, domain, near=near, rng=np.random.default_rng(seed))


def test_it_beats_every_point_of_a_fine_grid() -> None:
    side = np.linspace(0, 1, 41)
    highest = max(value_at(np.array([x, y])) for x in side for y in side)
    found = find(DOMAIN)
    assert found is not None
    assert value_at(found) >= highest - 1e-6


def test_asking_twice_gives_the_same_answer() -> None:
    np.testing.assert_array_equal(find(DOMAIN, seed=3), find(DOMAIN, seed=3))


def test_constraints_hold_where_the_maximum_lies_outside() -> None:
    def left_only(vector: Array) -> tuple[Array, Mask] | None:
        return anything(vector) if vector[0] <= 0.3 else None

    found = find(replace(DOMAIN, repair=left_only))
    highest = max(value_at(np.array([x, y])) for x in np.linspace(0, 0.3, 13) for y in np.linspace(0, 1, 41))
    assert found is not None
    assert found[0] <= 0.3
    assert value_at(found) >= highest - 0.1


def test_what_is_not_admitted_gives_way_to_the_next_best() -> None:
    first = find(DOMAIN)
    assert first is not None
    second = find(replace(DOMAIN, admits=lambda vector: not np.array_equal(vector, first)))
    assert second is not None
    assert not np.array_equal(first, second)
    assert value_at(second) <= value_at(first)
    assert find(replace(DOMAIN, admits=lambda vector: False)) is None
    assert find(replace(DOMAIN, repair=lambda vector: None)) is None


def test_a_pool_is_searched_whole() -> None:
    pool = Points.all_active([[0.1, 0.1], [0.7, 0.65], [0.2, 0.9]])
    best = max(pool.unit, key=value_at)
    np.testing.assert_array_equal(find(replace(DOMAIN, pool=pool)), best)


def test_it_is_never_below_the_best_of_the_places_it_was_pointed_to() -> None:
    process, seen = bowl(), bowl().points.unit
    for seed in range(5):
        near = np.random.default_rng(seed).random((3, 2))
        acquisition = Improvement(process=process, best=float(process.fitted.min()))
        domain = replace(DOMAIN, pool=Points.all_active(near))
        from_pool = maximize_acquisition(acquisition, domain, near=seen, rng=np.random.default_rng(seed))
        found = maximize_acquisition(acquisition, DOMAIN, near=seen, rng=np.random.default_rng(seed))
        assert found is not None
        assert from_pool is not None
        assert value_at(found) >= value_at(from_pool) - 1e-9
