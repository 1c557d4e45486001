"""What single analyses decide, and how figures look."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import meristem as ms
from meristem.errors import InputError
from meristem.reports.analyses.contours import contours
from meristem.reports.analyses.cross_validation import rank_correlation
from meristem.reports.analyses.curves import curves, steps_saved
from meristem.reports.analyses.feasibility import bound_of, feasibility
from meristem.reports.analyses.parallel_coordinates import parallel_coordinates
from meristem.reports.analyses.sensitivity import sensitivity
from meristem.reports.analyses.slices import line_through, slices
from meristem.reports.analyses.summary import summary
from meristem.reports.analyses.timeline import lanes_of
from meristem.reports.analyses.trace import best_so_far, trace
from meristem.reports.style import GREY, number, parameter_axis, parameter_values, seconds

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


def test_choices_of_several_types_stay_apart() -> None:
    parameter = ms.Choice([1, "1", True, None, [1, 2]])
    assert len(set(parameter_values(parameter, parameter.choices))) == 5


def test_an_axis_of_whole_numbers_has_no_ticks_between_them() -> None:
    for low, high in ((1, 2), (0, 9), (10, 250), (1, 100_000)):
        step = parameter_axis("n", ms.Int(low, high))["dtick"]
        assert step == int(step) >= 1
        assert (high - low) / step <= 8
    assert "dtick" not in parameter_axis("x", ms.Float(0, 1))


def test_where_all_values_are_equal_no_colour_means_anything() -> None:
    study = ms.Study(
        "s", space={"x": ms.Float(0, 1), "y": ms.Int(0, 9)}, objective="-loss", controller="random", seed=1
    )
    for _ in range(6):
        study.tell(study.ask(), loss=2.0)
    surface = contours(study).figures[0]["data"][0]
    assert len({colour for _, colour in surface["colorscale"]}) == 1
    assert surface["showscale"] is False
    assert parallel_coordinates(study).figures[0]["data"][0]["line"] == {"color": GREY}


# What is cut off


def far_off() -> ms.Study:
    """Twenty losses between 1 and 2; the first and the eighth are 50."""
    study = ms.Study("s", space={"x": ms.Float(0, 1)}, objective="-loss", controller="random", seed=1)
    for place in range(20):
        study.tell(study.ask(), loss=50.0 if place in (0, 7) else 2.0 - place / 20)
    return study


def test_a_trace_that_is_cut_says_so_and_shows_where() -> None:
    figure = trace(far_off()).figure
    assert figure is not None
    texts = [mark["text"] for mark in figure["layout"]["annotations"]]
    assert len(texts) == 1
    assert texts[0].startswith("↑ 2 values lie above 2.")
    outside = next(drawn for drawn in figure["data"] if drawn["name"] == "outside")
    low, high = figure["layout"]["yaxis"]["range"]
    assert outside["x"] == [1, 8]
    assert all(low < y < high for y in outside["y"])
    assert outside["text"] == ["50", "50"]
    best = next(drawn for drawn in figure["data"] if drawn["name"] == "best so far")
    assert best["y"][0] == 50.0 > high  # so that the line enters from the edge


def test_slices_say_what_lies_outside() -> None:
    figure = slices(far_off()).figures[0]
    assert [mark["text"][:19] for mark in figure["layout"]["annotations"]] == ["↑ 2 values lie above"[:19]]


def test_parallel_coordinates_say_what_is_drawn_at_an_end() -> None:
    card = parallel_coordinates(far_off())
    assert card.note == "Of loss, 2 values lie far beyond the others and are drawn at the end of the axis."
    drawn = card.figures[0]["data"][0]
    assert drawn["dimensions"][-1]["ticktext"][-1] == "≥ 2"
    assert drawn["line"]["colorbar"]["ticktext"][-1] == "≥ 2"
    assert max(drawn["dimensions"][-1]["values"]) == 2.0
    assert "≤" not in "".join(drawn["dimensions"][-1]["ticktext"])


def test_parallel_coordinates_tell_choices_and_what_does_not_exist_apart() -> None:
    kinds = ["none", "imagenet_preprocessing_v1", "imagenet_preprocessing_v2", "imagenet_preprocessing_v3"]
    space = {"prepare": ms.Choice(kinds), "layers": ms.Int(1, 3), "width": ms.Int(10, 250),
             "size": ms.Choice(["none", "b"], when={"prepare": kinds[1]}), "rate": ms.Float(0.05, 0.5)}  # fmt: skip
    study = ms.Study("s", space=space, objective="-loss", controller="sobol", seed=1)
    for place in range(12):
        study.tell(study.ask(), loss=0.1234 + 0.0567 * place)
    axes = {axis["label"]: axis for axis in parallel_coordinates(study).figures[0]["data"][0]["dimensions"]}
    assert len(set(axes["prepare"]["ticktext"])) == 4
    assert all(text.endswith(f"v{n}") for n, text in enumerate(axes["prepare"]["ticktext"]) if n)
    assert axes["size"]["ticktext"] == ["–", "none", "b"]
    assert axes["layers"]["ticktext"] == ["1", "2", "3"]
    assert all(tick == int(tick) for tick in axes["width"]["tickvals"])
    assert axes["rate"]["ticktext"] == ["0.05", "0.1", "0.2", "0.3", "0.4", "0.5"]
    assert axes["loss"]["ticktext"] == [f"{tick / 10:g}" for tick in range(1, 9)]
