"""PED-ANOVA: which parameters make trials good."""

from __future__ import annotations

import math

import numpy as np
import pytest

from meristem.bayesopt.importance import Columns, ped_anova

RNG = np.random.default_rng(0)


def numeric(dimensions: int) -> Columns:
    return Columns(categorical=np.zeros(dimensions, dtype=bool), sizes=np.zeros(dimensions, dtype=np.int64))


@pytest.mark.parametrize("count", [60, 200, 1000])
def test_of_an_additive_function_the_weights_order_the_parameters(count: int) -> None:
    unit = np.random.default_rng(count).random((count, 4))
    losses = 10 * (unit[:, 0] - 0.3) ** 2 + 3 * (unit[:, 2] - 0.8) ** 2
    found = ped_anova(unit, losses)
    assert found.sum() == pytest.approx(1.0)
    assert found[0] > found[2] > max(found[1], found[3])
    assert max(found[1], found[3]) < 0.1


def test_parameters_of_equal_weight_are_equally_important() -> None:
    unit = np.random.default_rng(1).random((2000, 3))
    found = ped_anova(unit, unit[:, 0] + unit[:, 2], top=0.2)
    assert found[0] == pytest.approx(found[2], rel=0.2)
    assert found[1] < 0.02


def test_the_unit_of_the_loss_and_outliers_do_not_count() -> None:
    unit = np.random.default_rng(2).random((100, 2))
    losses = unit[:, 0]
    wild = np.exp(50 * losses)
    wild[np.argsort(losses)[-5:]] = [math.nan, math.inf, math.inf, 1e300, math.nan]
    np.testing.assert_array_equal(ped_anova(unit, losses), ped_anova(unit, wild))


def test_a_category_and_a_whole_number_are_seen() -> None:
    rng = np.random.default_rng(3)
    kinds, numbers = rng.integers(0, 3, 300), rng.integers(0, 4, 300)
    unit = np.column_stack([(kinds + 0.5) / 3, (numbers + 0.5) / 4, rng.random(300)])
    columns = Columns(categorical=np.array([True, False, False]), sizes=np.array([3, 4, 0]))
    by_kind = ped_anova(unit, np.where(kinds == 1, 0.0, 1.0) + 0.1 * rng.random(300), columns=columns)
    assert by_kind[0] > 0.95
    by_number = ped_anova(unit, numbers + 0.1 * rng.random(300), columns=columns)
    assert by_number[1] > 0.95


def test_a_conditional_parameter_counts_where_it_is_active_among_the_best() -> None:
    rng = np.random.default_rng(4)
    branch = rng.random(600)
    unit = np.column_stack([branch, rng.random(600), rng.random(600)])
    active = np.column_stack([np.ones(600, dtype=bool), branch < 0.5, branch >= 0.5])
    good, bad = 0.2 * unit[:, 1], 1.0 + unit[:, 2]  # the second branch never makes it to the best
    found = ped_anova(unit, np.where(active[:, 1], good, bad), active=active)
    assert found[2] == 0.0
    assert found[1] > 0.5
    assert found[0] > 0.05
    unit[~active] = 0.123  # what an inactive parameter carries says nothing
    np.testing.assert_array_equal(found, ped_anova(unit, np.where(active[:, 1], good, bad), active=active))


def test_a_conditional_parameter_counts_less_the_less_it_is_active_among_the_best() -> None:
    rng = np.random.default_rng(7)
    unit = rng.random((2000, 2))
    active = np.column_stack([np.ones(2000, dtype=bool), rng.random(2000) < 0.5])
    # Both say as much where they are active, but the second is active in half of the trials only.
    losses = np.where(rng.random(2000) < 0.5, unit[:, 0], np.where(active[:, 1], unit[:, 1], rng.random(2000)))
    whole, half = ped_anova(unit, losses, active=active)
    assert half == pytest.approx(0.5 * whole, rel=0.2)


def test_what_makes_the_best_out_of_the_good_may_be_another_parameter() -> None:
    unit = np.random.default_rng(5).random((2000, 2))
    coarse = np.where(unit[:, 0] < 0.5, 0.0, 10.0)
    losses = coarse + np.abs(unit[:, 1] - 0.5)
    among_all, among_good = ped_anova(unit, losses, top=0.4), ped_anova(unit, losses, top=0.1, region=0.45)
    assert among_all[0] > among_all[1]
    assert among_good[1] > 0.95


def test_against_the_space_what_an_optimizer_has_settled_is_still_important() -> None:
    rng = np.random.default_rng(8)
    kinds = np.where(rng.random(150) < 0.9, 2, rng.integers(0, 4, 150))
    unit = np.column_stack([rng.normal(0.3, 0.02, 150), rng.random(150), (kinds + 0.5) / 4])
    columns = Columns(categorical=np.array([False, False, True]), sizes=np.array([0, 0, 4]))
    losses = 50 * (unit[:, 0] - 0.3) ** 2 + 0.05 * rng.random(150) + (kinds != 2)
    found = ped_anova(unit, losses, columns=columns, against_space=True)
    assert found[0] > found[2] > 0.1
    assert found[1] < 0.03
    assert ped_anova(unit, losses, columns=columns)[0] < found[0]


def test_without_influence_or_with_equal_losses_nothing_is_important() -> None:
    unit = np.random.default_rng(6).random((50, 3))
    assert not ped_anova(unit, np.ones(50)).any()
    assert not ped_anova(unit, np.full(50, math.nan)).any()
    assert not ped_anova(unit[:1], np.ones(1)).any()
    assert not ped_anova(np.full((50, 1), 0.5), RNG.random(50)).any()


@pytest.mark.parametrize(("top", "region"), [(0.0, 1.0), (0.5, 0.5), (0.1, 1.1)])
def test_parts_that_make_no_sense_are_refused(top: float, region: float) -> None:
    with pytest.raises(ValueError, match="top and region"):
        ped_anova(np.zeros((5, 1)), np.zeros(5), top=top, region=region)
