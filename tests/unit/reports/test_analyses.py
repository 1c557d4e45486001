"""What single analyses decide, and how figures look."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meristem as ms
from meristem.errors import InputError
from meristem.reports.analyses.contours import contours
from meristem.reports.analyses.cross_validation import rank_correlation
from meristem.reports.analyses.curves import curves, steps_saved
from meristem.reports.analyses.feasibility import bound_of, feasibility
from meristem.reports.analyses.sensitivity import sensitivity
from meristem.reports.analyses.slices import line_through, slices
from meristem.reports.analyses.summary import summary
from meristem.reports.analyses.timeline import lanes_of
from meristem.reports.analyses.trace import best_so_far, trace
from meristem.reports.style import common_range, labels, log_ticks, number, parameter_values, sample_evenly, seconds

finite = st.floats(-1e6, 1e6)


def test_a_study_and_an_objective_give_a_card(made: Any) -> None:
    study = made.evidence("two")
    assert sensitivity(study, "g").name == "sensitivity.g"
    assert sensitivity(study).title == "Sensitivity: f"
    with pytest.raises(InputError, match="no objective 'k'"):
        sensitivity(study, "k")


def test_a_study_without_trials_gets_a_card_that_says_so(made: Any) -> None:
    card = trace(made.study("none"))
    assert card.note == "There are no trials yet."
    assert card.figure is None


def test_the_best_so_far_counts_only_what_keeps_the_limits() -> None:
    values, allowed = np.array([3.0, 1.0, 2.0, 5.0]), np.array([True, False, True, True])
    assert best_so_far(values, allowed, maximize=False) == [3.0, 3.0, 2.0, 2.0]
    assert best_so_far(values, ~allowed, maximize=True) == [None, 1.0, 1.0, 1.0]


@given(st.lists(finite, min_size=1, max_size=30), st.booleans())
def test_the_best_so_far_never_gets_worse_and_ends_with_the_best(values: list[float], maximize: bool) -> None:
    found = [
        b for b in best_so_far(np.array(values), np.ones(len(values), dtype=bool), maximize=maximize) if b is not None
    ]
    assert found == sorted(found, reverse=not maximize)
    assert found[-1] == (max if maximize else min)(values)


def test_trials_without_a_slot_get_lanes_in_which_they_do_not_overlap() -> None:
    assert lanes_of([(0, 2, None), (1, 3, None), (2, 4, None), (0, 9, 0)]) == [1, 2, 1, 0]


def test_steps_saved_are_those_that_stopped_trials_did_not_take() -> None:
    assert steps_saved({1: 10, 2: 4, 3: 10}, [2]) == (6, 30)


def test_curves_are_drawn_with_gaps_between_trials(made: Any) -> None:
    figure = curves(made.study("curved")).figure
    assert figure is not None
    ran = figure["data"][0]
    assert ran["x"].count(None) == len(set(ran["text"]) - {""})


def test_a_limit_relative_to_the_baseline_has_its_bound_from_there(made: Any) -> None:
    evidence = made.evidence("mixed")
    relative = evidence.goals.constraints[1]
    assert bound_of(evidence, relative) == pytest.approx(1.5 * evidence.baseline.metrics["size"])


def test_a_lower_limit_is_drawn_at_the_metric_itself(made: Any) -> None:
    figure = feasibility(made.study("two")).figure
    assert figure is not None
    assert figure["layout"]["shapes"][0]["y0"] == pytest.approx(0.1)
    kept = next(trace for trace in figure["data"] if trace["name"] == "keeps it")
    assert min(kept["y"]) >= 0.1


def test_a_slice_changes_one_parameter_and_what_depends_on_it(made: Any) -> None:
    evidence = made.evidence("mixed")
    centre = evidence.leaders[0]
    points = line_through(evidence, centre, "model")
    assert [point["model"] for point in points] == ["mlp", "cnn", "transformer"]
    assert "heads" in points[2]
    assert "heads" not in points[0]
    assert all(point["rate"] == pytest.approx(centre["rate"]) for point in points)


def test_slices_and_contours_keep_to_the_constraints_of_the_space() -> None:
    study = ms.Study("s", space=ms.Space({"x": ms.Float(0, 1), "y": ms.Float(0, 1)}, ["x + y <= 1"]), objective="-loss",
                     controller="random", seed=1)  # fmt: skip
    for _ in range(8):
        trial = study.ask()
        study.tell(trial, loss=trial["x"] + 2 * trial["y"])
    table = contours(study).table
    assert table is not None
    assert 0 < len(table.rows) < 625
    assert all(row[1] + row[3] <= 1 + 1e-9 for row in table.rows)
    assert slices(study).figures


def test_rank_correlation_is_one_for_the_same_order_and_nan_without_any() -> None:
    assert rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3])) == pytest.approx(1.0)
    assert math.isnan(rank_correlation(np.array([1.0, 2.0]), np.array([3.0, 3.0])))


def test_the_table_has_the_best_first_and_what_breaks_a_limit_after(made: Any) -> None:
    table = summary(made.study("mixed")).table
    assert table is not None
    broken = [row[3] is not None for row in table.rows if row[1] == "completed"]
    assert broken == sorted(broken)
    assert [row[1] for row in table.rows][-1] == "failed"


# How numbers and figures look


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.123456, "0.1235"), (12345.678, "12,346"), (1e-5, "1e-05"), (3, "3"), (1234567, "1,234,567"), (math.nan, "NaN"),
     (-math.inf, "-∞"), (True, "true"), (None, ""), ("a\nb", "a\\nb"), (0.0, "0"), (2.5e12, "2.5e+12")],
)  # fmt: skip
def test_numbers_are_shown_as_people_read_them(value: Any, shown: str) -> None:
    assert number(value) == shown


def test_durations_have_fitting_units() -> None:
    assert [seconds(s) for s in (0.25, 90, 600, 7200, 864000)] == ["0.25 s", "90 s", "10 min", "2 h", "10 d"]


def test_what_is_far_off_does_not_set_the_range() -> None:
    span, outside = common_range([1.0, 2.0, 3.0, 4.0, 5.0, 1e6])
    assert span is not None
    assert span[1] < 10
    assert outside == 1
    assert common_range([1.0, 2.0, 3.0, 4.0, 9.0]) == (None, 0)


@given(st.floats(1e-8, 1e3), st.floats(1.001, 1e9))
def test_ticks_of_a_logarithmic_axis_lie_on_it_and_are_few(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert 1 <= len(ticks) <= 8
    assert all(low * (1 - 1e-6) <= tick <= low * ratio * (1 + 1e-6) for tick in ticks)


@settings(max_examples=20)
@given(st.lists(st.text(min_size=1, max_size=60), unique=True, max_size=8))
def test_labels_are_all_different(names: list[str]) -> None:
    assert len(set(labels(names))) == len(names)


def test_long_names_that_begin_alike_show_where_they_differ() -> None:
    found = labels([f"a_rather_long_parameter_name_number_{i}_of_many" for i in range(12)], 24)
    assert all(f"_{i}_" in label for i, label in enumerate(found))


def test_choices_of_several_types_stay_apart() -> None:
    parameter = ms.Choice([1, "1", True, None, [1, 2]])
    assert len(set(parameter_values(parameter, parameter.choices))) == 5


@given(st.integers(0, 2000), st.integers(2, 50))
def test_a_sample_has_first_and_last_and_is_not_too_large(count: int, most: int) -> None:
    places = sample_evenly(count, most)
    assert len(places) == min(count, most)
    assert not places or (places[0], places[-1]) == (0, count - 1)
