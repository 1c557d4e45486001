"""Maximizing any acquisition: near the maximum, inside what is allowed, without idle moves."""

from dataclasses import replace

import numpy as np

from meristem.bayesopt.ascent import candidates, find_best
from meristem.bayesopt.kernel import Array, Kinds, Mask, Points
from meristem.bayesopt.optimize import Domain


class Bowl:
    """Highest at 0.3 in the first column, hardly rising along the second."""

    def values(self, points: Points) -> Array:
        return np.asarray(-30.0 * (points.unit[:, 0] - 0.3) ** 2 + 1e-4 * points.unit[:, 1], dtype=float)

    def slopes(self, points: Points) -> tuple[Array, Array]:
        slopes = np.stack([-60.0 * (points.unit[:, 0] - 0.3), np.full(len(points), 1e-4)], axis=1)
        return self.values(points), slopes


def anything(vector: Array) -> tuple[Array, Mask] | None:
    return np.clip(vector, 0, 1), np.ones(len(vector), dtype=bool)


DOMAIN = Domain(kinds=Kinds.numeric(2), smooth=np.ones(2, dtype=bool), repair=anything)


def find(domain: Domain, seed: int = 0) -> Array | None:
    return find_best(Bowl(), domain, candidates(domain, np.zeros((0, 2)), np.random.default_rng(seed)))


def test_it_finds_the_maximum_and_leaves_alone_what_gains_next_to_nothing() -> None:
    found = find(DOMAIN)
    assert found is not None
    assert abs(found[0] - 0.3) < 0.05
    assert 0.0 < found[1] < 1.0


def test_asking_twice_gives_the_same_answer() -> None:
    np.testing.assert_array_equal(find(DOMAIN, seed=3), find(DOMAIN, seed=3))


def test_what_is_not_allowed_or_not_admitted_is_not_given() -> None:
    found = find(replace(DOMAIN, repair=lambda v: anything(v) if v[0] > 0.6 else None, admits=lambda v: v[1] < 0.5))
    assert found is not None
    assert 0.6 < found[0] < 0.75
    assert found[1] < 0.5
    assert find(replace(DOMAIN, admits=lambda vector: False)) is None
    assert find(replace(DOMAIN, repair=lambda vector: None)) is None


def test_a_small_space_is_looked_through_whole() -> None:
    pool = Points.all_active([[0.1, 0.5], [0.35, 0.5], [0.9, 0.5]])
    np.testing.assert_array_equal(find(replace(DOMAIN, pool=pool)), [0.35, 0.5])
