"""The problems on which searches are compared are as stated."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.search.adapters import fits
from benchmarks.search.hypervolume import hypervolume
from benchmarks.search.problem import point_at
from benchmarks.search.problems import DEVELOPMENT, KEPT_ASIDE, PROBLEMS, STANDARD, check
from benchmarks.search.report import KINDS
from benchmarks.search.round_two import ROUND_TWO
from benchmarks.search.tables import load
from benchmarks.segmentation import SEGMENTATION

import meristem


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_stated_optimum_is_reached_and_neither_beaten_nor_at_the_centre(name):
    check(PROBLEMS[name], points=60)


@pytest.mark.parametrize("problem", SEGMENTATION, ids=lambda problem: problem.name)
def test_problems_like_segmentations_are_as_stated_and_what_is_shipped_is_a_point(problem):
    check(problem, points=60)
    space = meristem.Space(problem.space)
    space.check(problem.best)
    shipped = {name: spec["default"] for name, spec in problem.space.items()}
    assert space.center() == pytest.approx(shipped)


def test_a_wrong_optimum_is_found_out():
    from dataclasses import replace

    branin = PROBLEMS["branin"]
    for wrong in (replace(branin, optimum=0.1), replace(branin, best={"x1": 0.0, "x2": 0.0})):
        with pytest.raises(AssertionError, match="branin"):
            check(wrong, points=5)


def test_a_greatest_hypervolume_that_random_points_exceed_is_found_out():
    from dataclasses import replace

    with pytest.raises(AssertionError, match="kursawe3"):
        check(replace(PROBLEMS["kursawe3"], optimum=5.0), points=60)


@pytest.mark.parametrize("name", PROBLEMS)
def test_meristem_takes_the_space_and_the_points_that_peers_try(name):
    problem = PROBLEMS[name]
    space = meristem.Space(problem.space)
    for unit in np.random.default_rng(3).random((10, len(problem.space))):
        space.check(point_at(problem.space, unit))
    if problem.best is not None:
        space.check(problem.best)


def test_all_of_round_two_is_kept_aside_and_everything_else_is_not():
    assert list(KEPT_ASIDE) == [problem.name for problem in ROUND_TWO]
    assert set(STANDARD) <= set(DEVELOPMENT)
    assert not set(KEPT_ASIDE) & set(DEVELOPMENT)
    assert list(PROBLEMS) == [*DEVELOPMENT, *KEPT_ASIDE]
    assert {"levy4_sem", "mishra_bird", "svm_digits", "pipeline_wine", "vehicle_safety"} <= set(DEVELOPMENT)


def test_each_set_has_problems_of_every_kind():
    kinds = {problem.kind for problem in DEVELOPMENT.values()}
    assert {problem.kind for problem in KEPT_ASIDE.values()} == kinds == set(KINDS)


def test_the_welded_beam_costs_what_is_known_where_thicknesses_have_no_steps():
    known = {"weld": 0.20573 * 16, "bar": 0.20573 * 16, "length": 3.470489, "height": 9.036624}
    beam = PROBLEMS["welded_beam"]
    assert beam.function(known)["cost"] == pytest.approx(1.724852, abs=1e-5)
    assert max(beam.excesses(beam.function(known))) < 0.1


def test_no_single_other_channel_is_better_than_the_stated_ones():
    problem = PROBLEMS["channels9"]
    one_changed = [{**problem.best, name: channel} for name in problem.space for channel in "pqrs"]
    assert min(problem.function(values)["y"] for values in one_changed) == problem.optimum


def test_noise_is_the_same_for_the_same_trial_and_told_only_where_stated():
    silent, told = PROBLEMS["branin_noisy"], PROBLEMS["hartmann3_sem"]
    point = point_at(silent.space, [0.3, 0.4])
    first, sems = silent.measure(point, 4, 0)
    assert silent.measure(point, 4, 0)[0] == first
    assert silent.measure(point, 5, 0)[0] != first
    assert first != silent.function(point)
    assert sems == {}
    point = point_at(told.space, [0.3, 0.4, 0.5])
    assert {told.measure(point, number, 0)[1]["y"] for number in range(3)} == {0.1, 0.2, 0.4}


def test_a_table_says_what_was_measured_and_lies_between_elsewhere():
    table = load("svm_digits")
    value, best = table.best("y")
    assert table.at(best)["y"] == pytest.approx(value, abs=1e-6)
    beside = {**best, "gamma": best["gamma"] * 1.3}
    assert value <= table.at(beside)["y"] <= 0.9


def test_children_follow_their_parents():
    space = PROBLEMS["families"].space
    assert set(point_at(space, [0.0] * len(space))) == {"model", "l2"}
    assert set(point_at(space, [1.0] * len(space))) == {"model", "depth_net", "rate", "width", "dropout"}
    space = PROBLEMS["learners"].space
    assert set(point_at(space, [0.0] * len(space))) == {"learner", "rate", "rounds", "grower", "depth"}
    assert set(point_at(space, [1.0] * len(space))) == {"learner", "width", "optimizer", "rate_sgd", "momentum"}


def test_optimizers_get_only_problems_that_they_can_be_given():
    assert not fits("optuna-nsga2", PROBLEMS["branin"])
    assert not fits("optuna-cmaes", PROBLEMS["srinivas"])
    assert fits("optuna-gp", PROBLEMS["srinivas"])


@pytest.mark.parametrize(
    ("losses", "reference", "volume"),
    [
        ([], [1, 1], 0.0),
        ([[2, 0]], [1, 1], 0.0),
        ([[0, 0.5], [0.5, 0], [0.5, 0.5]], [1, 1], 0.75),
        ([[0, 0, 0]], [1, 2, 3], 6.0),
        ([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], [1, 1, 1], 0.5),
    ],
)
def test_hypervolume_of_known_sets(losses, reference, volume):
    assert hypervolume(losses, reference) == pytest.approx(volume)


def test_hypervolume_agrees_with_counting():
    rng = np.random.default_rng(1)
    losses, probes = rng.random((8, 3)), rng.random((20_000, 3))
    dominated = (losses[:, None, :] <= probes).all(axis=2).any(axis=0).mean()
    assert hypervolume(losses, [1, 1, 1]) == pytest.approx(dominated, abs=0.01)
