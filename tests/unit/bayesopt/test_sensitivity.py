"""Sobol indices against functions whose indices are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from meristem.bayesopt import exchanging
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Hyperparameters, Kinds, Points
from meristem.bayesopt.sensitivity import sobol_indices

A = np.array([0.0, 1.0, 4.5, 9.0, 99.0])


def ishigami(unit: np.ndarray) -> np.ndarray:
    x = np.pi * (2.0 * unit - 1.0)
    return np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def g_function(unit: np.ndarray) -> np.ndarray:
    return np.prod((np.abs(4.0 * unit - 2.0) + A) / (1.0 + A), axis=1)


def test_the_indices_of_the_ishigami_function_are_found() -> None:
    found = sobol_indices(ishigami, 3)
    variance = 0.5 + 49 / 8 + 0.1 * np.pi**4 / 5 + 0.01 * np.pi**8 / 18
    both = 0.01 * np.pi**8 * (1 / 18 - 1 / 50) / variance
    first = np.array([0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2, 49 / 8, 0.0]) / variance
    np.testing.assert_allclose(found.first, first, atol=0.015)
    np.testing.assert_allclose(found.total, first + np.array([both, 0.0, both]), atol=0.015)
    assert found.second is not None
    np.testing.assert_allclose(found.second, [[0, 0, both], [0, 0, 0], [both, 0, 0]], atol=0.02)
    assert found.mean == pytest.approx(3.5, abs=0.02)
    assert found.variance == pytest.approx(variance, rel=0.01)
    assert (found.first_error < 0.02).all()


def test_the_indices_of_the_g_function_are_found_also_without_second_order() -> None:
    parts = 1 / 3 / (1 + A) ** 2
    variance = np.prod(1 + parts) - 1
    found = sobol_indices(g_function, len(A), count=2048, second_order=False)
    assert found.second is None
    np.testing.assert_allclose(found.first, parts / variance, atol=0.015)
    np.testing.assert_allclose(found.total, parts * np.prod(1 + parts) / (1 + parts) / variance, atol=0.015)
    with_pairs = sobol_indices(g_function, len(A), count=2048)
    assert with_pairs.second is not None
    assert with_pairs.second[0, 1] == pytest.approx(parts[0] * parts[1] / variance, abs=0.015)


def test_whole_numbers_and_categories_are_sampled_as_what_they_are() -> None:
    asked: list[np.ndarray] = []

    def predict(points: np.ndarray) -> np.ndarray:
        asked.append(points)
        return np.array([0.0, 0.0, 6.0])[points[:, 0].astype(int)] + points[:, 1]  # a category, and 0 to 3

    def sample(unit: np.ndarray) -> np.ndarray:
        return np.floor(unit * [3, 4])

    found = sobol_indices(predict, 2, count=1024, sample=sample)
    assert set(np.concatenate(asked)[:, 0]) == {0.0, 1.0, 2.0}
    np.testing.assert_allclose(found.first, np.array([8.0, 1.25]) / 9.25, atol=0.01)
    np.testing.assert_allclose(found.total, found.first, atol=0.01)


@pytest.mark.parametrize("level", [0.0, 1e9])
def test_a_constant_function_depends_on_nothing(level: float) -> None:
    found = sobol_indices(lambda points: np.full(len(points), level), 2)
    assert not found.first.any()
    assert not found.total.any()
    assert found.second is not None
    assert not found.second.any()


def test_a_large_mean_costs_no_digits() -> None:
    near, far = (sobol_indices(lambda u, m=m: m + u[:, 0] + 2 * u[:, 1], 2, count=512) for m in (0.0, 1e6))
    np.testing.assert_allclose(near.first, [0.2, 0.8], atol=0.01)
    np.testing.assert_allclose(far.first, near.first, atol=1e-6)


def test_the_seed_decides_and_one_input_alone_has_it_all() -> None:
    one, again, other = (sobol_indices(lambda u: u[:, 0] ** 2, 1, count=64, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.first, again.first)
    assert one.first != other.first
    assert one.first[0] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("share", [0.0, 0.4])
@pytest.mark.parametrize("portion", [10, 1_000_000])
def test_exchanged_columns_give_what_the_process_predicts(
    share: float, portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanging, "_PORTION", portion)
    kinds = Kinds(categorical=np.array([False, True, False, False, False]), conditional=np.zeros(5, dtype=bool))
    rng = np.random.default_rng(0)
    unit, other, tried = (np.where(kinds.categorical, np.round(u), u) for u in rng.random((3, 7, 5)))
    hyper = Hyperparameters(scales=np.full(5, 0.6), signal=1.3, noise=1e-3, share=share, narrowing=0.5)
    process = GaussianProcess(Points.all_active(tried), rng.normal(size=7), kinds, hyper, rng.random(7))
    exchange = exchanging.Exchange(process)
    expected = []
    for column in range(5):
        mixed = unit.copy()
        mixed[:, column] = other[:, column]
        expected.append(process.predict(Points.all_active(mixed)).mean)
    np.testing.assert_allclose(exchange.exchanged(unit, other), expected, atol=1e-10)
    own, quick = (
        sobol_indices(
            exchange.means, 5, count=64, exchanged=way, sample=lambda u: np.where(kinds.categorical, u > 0.5, u)
        )
        for way in (None, exchange.exchanged)
    )
    np.testing.assert_allclose(quick.first, own.first, atol=1e-9)
    np.testing.assert_allclose(quick.total, own.total, atol=1e-9)
