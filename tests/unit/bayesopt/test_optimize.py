"""Maximizing the acquisition: near the true maximum, inside what is allowed, deterministic."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from meristem.bayesopt.acquisition import Improvement, log_expected_improvement
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Mask, Points
from meristem.bayesopt.optimize import Domain, candidates, maximize_acquisition


def anything(vector: Array) -> tuple[Array, Mask] | None:
    return np.clip(vector, 0, 1), np.ones(len(vector), dtype=bool)


DOMAIN = Domain(kinds=Kinds.numeric(2), smooth=np.ones(2, dtype=bool), levels=(None, None), repair=anything)


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
    return maximize_acquisition(acquisition, domain, candidates(domain, near, np.random.default_rng(seed)))


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
        from_pool = maximize_acquisition(acquisition, domain, candidates(domain, seen, np.random.default_rng(seed)))
        found = maximize_acquisition(acquisition, DOMAIN, candidates(DOMAIN, seen, np.random.default_rng(seed)))
        assert found is not None
        assert from_pool is not None
        assert value_at(found) >= value_at(from_pool) - 1e-9


@dataclass
class Ridge:
    """Highest where the float fits the integer, and there where the integer is 30 of 100 and the letter the second."""

    letters: bool = False

    def _parts(self, unit: Array) -> tuple[Array, Array]:
        return unit[:, 0] - 0.305, unit[:, 1] - 0.2 - 0.5 * unit[:, 0]

    def values(self, points: Points) -> Array:
        along, across = self._parts(points.unit)
        right = (np.abs(points.unit[:, 2] - 0.5) < 0.1) if self.letters else np.zeros(len(points))
        return np.asarray(-2.0 * np.abs(along) - 5e4 * across**2 + right, dtype=float)

    def slopes(self, points: Points) -> tuple[Array, Array]:
        along, across = self._parts(points.unit)
        slopes = np.zeros(points.unit.shape)
        slopes[:, 0] = -2.0 * np.sign(along) + 5e4 * across
        slopes[:, 1] = -1e5 * across
        return self.values(points), slopes


def snapped(levels: tuple[Array | None, ...]) -> Callable[[Array], tuple[Array, Mask]]:
    def repair(vector: Array) -> tuple[Array, Mask]:
        found = np.clip(vector, 0, 1)
        for column, places in enumerate(levels):
            if places is not None:
                found[column] = places[np.argmin(np.abs(places - found[column]))]
        return found, np.ones(len(vector), dtype=bool)

    return repair


INTEGERS = (np.arange(100) + 0.5) / 100
LETTERS = (np.arange(3) + 0.5) / 3


def test_floats_fit_the_integers_they_go_with() -> None:
    levels = (INTEGERS, None)
    domain = replace(DOMAIN, levels=levels, repair=snapped(levels))
    for seed in range(5):
        points = candidates(domain, np.zeros((0, 2)), np.random.default_rng(seed))
        found = maximize_acquisition(Ridge(), domain, points)
        assert found is not None
        assert abs(found[1] - 0.2 - 0.5 * found[0]) < 1e-3
        # The climb alone ends between two integers and off the ridge.
        without = maximize_acquisition(Ridge(), replace(domain, levels=(None, None)), points)
        assert without is not None
        assert Ridge().values(Points.all_active(found)) >= Ridge().values(Points.all_active(without))


def test_integers_are_left_for_their_neighbours_and_letters_for_any_other() -> None:
    levels = (INTEGERS, None, LETTERS)
    kinds = Kinds(categorical=np.array([False, False, True]), conditional=np.zeros(3, dtype=bool))
    domain = Domain(kinds=kinds, smooth=np.array([True, True, False]), levels=levels, repair=snapped(levels))
    start = Points.all_active([[0.335, 0.2 + 0.5 * 0.335, LETTERS[2]]])
    found = maximize_acquisition(Ridge(letters=True), domain, start)
    assert found is not None
    assert found[2] == LETTERS[1]
    assert abs(found[0] - 0.305) < 0.011 + 0.02
    assert abs(found[1] - 0.2 - 0.5 * found[0]) < 1e-3
