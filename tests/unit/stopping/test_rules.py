"""What each rule stops and lets go on, and what all of them promise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.errors import InputError, UnknownComponent
from meristem.stopping.combined import AllOf, AnyOf, Auto, build_rule
from meristem.stopping.curve import Curve
from meristem.stopping.halving import Asha, Hyperband, SuccessiveHalving
from meristem.stopping.own_curve import Patience, Threshold
from meristem.stopping.percentile import Median, Percentile
from meristem.stopping.rule import StoppingRule, is_best

RELATIVE: dict[str, Callable[[], StoppingRule]] = {
    "all_of": lambda: AllOf([Median(), Patience(1)]),
    "any_of": lambda: AnyOf([Median(1), Patience(1), Asha()]),
    "asha": lambda: Asha(reduction=4),
    "asha to 9": lambda: Asha(max_step=9),
    "auto": Auto,
    "hyperband": Hyperband,
    "hyperband by curve": lambda: Hyperband(by_number=False, max_step=27),
    "median": lambda: Median(min_curves=1),
    "patience": lambda: Patience(steps=1),
    "percentile": lambda: Percentile(keep=1, min_curves=1, by_best=False),
    "successive_halving": lambda: SuccessiveHalving(cohort=2),
}


def curve(trial: int, losses: Sequence[float], *, steps: Sequence[float] = (), running: bool = False) -> Curve:
    return Curve(trial=trial, steps=tuple(steps or range(1, len(losses) + 1)), losses=tuple(losses), running=running)


def flat(trial: int, loss: float, length: int = 10, *, running: bool = False) -> Curve:
    return curve(trial, [loss] * length, running=running)


GOOD = [flat(n, 0.1 * n) for n in range(1, 9)]


def test_the_median_stops_the_worse_half_and_says_why() -> None:
    why = Median().why_stop(flat(9, 0.55, 4, running=True), GOOD)
    assert why == "at step 4, 5 of 8 others were better; the best 50 % go on"
    assert Median().why_stop(flat(9, 0.35, 4, running=True), GOOD) is None


@pytest.mark.parametrize(
    ("rule", "length"),
    [(Median(min_curves=9), 4), (Median(warm_up=5), 4), (Median(interval=5), 4), (Median(warm_up=1, interval=5), 5)],
)
def test_the_median_waits_for_curves_for_warm_up_and_for_its_interval(rule: Median, length: int) -> None:
    assert rule.why_stop(flat(10, 9.0, length, running=True), GOOD) is None
    assert rule.why_stop(flat(10, 9.0, length + 1, running=True), [*GOOD, flat(9, 0.1)]) is not None


def test_curves_that_have_not_come_so_far_are_not_compared() -> None:
    short = [flat(n, 0.1, 3) for n in range(1, 9)]
    assert Median().why_stop(flat(9, 0.5, 4, running=True), short) is None


def test_gaps_are_bridged_between_reports() -> None:
    sparse = [curve(n, [1.0, 0.0], steps=[1, 9]) for n in range(1, 6)]
    assert Median().why_stop(curve(9, [0.6], steps=[5], running=True), sparse) is not None
    assert Median().why_stop(curve(9, [0.4], steps=[5], running=True), sparse) is None


def test_a_percentile_counts_a_trial_by_its_best_so_far() -> None:
    dipped = curve(9, [0.15, 0.9], running=True)
    assert Percentile(keep=25).why_stop(dipped, GOOD) is None
    assert Percentile(keep=25, by_best=False).why_stop(dipped, GOOD) is not None


def test_a_threshold_holds_in_the_sense_of_the_objective_also_for_the_first_trial() -> None:
    low_accuracy = curve(1, [-0.2, -0.3], running=True)
    why = Threshold(0.5, after=2, maximize=True).why_stop(low_accuracy, [])
    assert why == "the best until step 2 is not at least 0.5"
    assert Threshold(0.5, after=3, maximize=True).why_stop(low_accuracy, []) is None
    assert Threshold(0.25, maximize=True).why_stop(low_accuracy, []) is None
    assert Threshold(10).why_stop(curve(1, [math.nan], running=True), []) == "the best until step 1 is not at most 10"


def test_patience_stops_what_no_longer_becomes_better() -> None:
    stuck = curve(9, [0.9, 0.8, 0.8, 0.79, 0.8], running=True)
    assert Patience(2, by=0.05).why_stop(stuck, GOOD) == "no better for 3 steps, and not the best"
    assert Patience(2).why_stop(stuck, GOOD) is None
    assert Patience(2, by=0.05, warm_up=6).why_stop(stuck, GOOD) is None
    assert Patience(2, by=0.05).why_stop(stuck, []) is None


def test_patience_counts_reports_where_it_is_told_to() -> None:
    every_fifth = curve(9, [0.9, 0.8, 0.85, 0.81, 0.82], steps=[5, 10, 15, 20, 25], running=True)
    assert Patience(validations=3).why_stop(every_fifth, GOOD) == "no better for 3 reports, and not the best"
    assert Patience(validations=4).why_stop(every_fifth, GOOD) is None
    assert Patience(validations=3).why_stop(every_fifth, []) is None
    with pytest.raises(InputError, match="both steps and validations"):
        Patience(steps=3, validations=3)
    with pytest.raises(InputError, match="validations must be a whole number"):
        Patience(validations=0)


def test_asha_keeps_the_best_part_at_each_rung() -> None:
    rule = Asha(reduction=3, min_step=1)
    assert rule.why_stop(flat(9, 0.35, 1, running=True), GOOD) == (
        "at step 1, 3 of 8 others were better; the best of each 3 go on"
    )
    assert rule.why_stop(flat(9, 0.25, 1, running=True), GOOD) is None


def test_asha_judges_again_when_more_have_come_to_the_rung() -> None:
    trial = flat(9, 0.5, 2, running=True)
    assert Asha(min_step=2).why_stop(trial, [flat(1, 0.6), flat(2, 0.4)]) is not None
    assert Asha(min_step=2).why_stop(trial, [flat(1, 0.6), flat(2, 0.7), flat(3, 0.4)]) is None
    assert Asha(min_step=2).why_stop(trial, [flat(1, 0.6), *GOOD[:3]]) is not None


def test_the_first_at_its_rung_goes_on_among_few_even_when_it_has_fallen_behind() -> None:
    fallen = curve(9, [0.1, 0.2, 0.9], running=True)
    assert Asha(reduction=4).why_stop(fallen, [curve(1, [0.2, 0.1, 0.05])]) is None


def test_nothing_is_judged_below_the_first_rung_or_from_the_last_step_on() -> None:
    assert Asha(min_step=4).why_stop(flat(9, 9.0, 3, running=True), GOOD) is None
    fallen = curve(9, [0.15] * 7 + [9.0], running=True)
    assert Asha(min_step=4, max_step=9).why_stop(fallen, GOOD) is not None
    assert Asha(min_step=4, max_step=8).why_stop(fallen, GOOD) is None


@pytest.mark.parametrize("rule", [Asha, SuccessiveHalving, Hyperband])
def test_rungs_that_judge_nothing_or_without_number_are_refused(rule: Any) -> None:
    for last in (5, 10):
        with pytest.raises(
            InputError, match=f"max_step must be above min_step=10, not {last}: nothing would be judged"
        ):
            rule(min_step=10, max_step=last)
    for reduction in (1.000001, 1.09, 1, 0.5):
        with pytest.raises(InputError, match=f"reduction must be at least 1.1, not {reduction}"):
            rule(reduction=reduction)
    assert rule(reduction=1.1, min_step=10, max_step=10.5).why_stop(flat(9, 9.0, 9, running=True), GOOD) is None


def test_synchronous_halving_waits_for_the_whole_cohort() -> None:
    rule = SuccessiveHalving(cohort=4, min_step=2)
    trial, ended = flat(2, 0.9, 3, running=True), [flat(1, 0.1), flat(3, 0.2)]
    assert rule.why_stop(trial, ended) is None
    assert rule.why_stop(trial, [*ended, flat(4, 0.3, 1, running=True)]) is None
    assert rule.why_stop(trial, [*ended, flat(4, 0.3, 2, running=True)]) is not None
    assert rule.why_stop(trial, [*ended, flat(4, 0.3, 1)]) is not None
    assert rule.why_stop(flat(5, 0.9, 3, running=True), [*ended, flat(4, 0.3)]) is None


def test_hyperband_judges_later_in_later_brackets_and_only_within_them() -> None:
    rule = Hyperband(reduction=3, min_step=1, max_step=27, by_number=False)
    assert rule.brackets == 3

    def of(bracket: int, one: Curve) -> Curve:
        return Curve(trial=one.trial, steps=one.steps, losses=one.losses, running=one.running, bracket=bracket)

    others = [of(1, other) for other in GOOD]
    assert rule.why_stop(of(1, flat(9, 0.9, 2, running=True)), others) is None
    why = rule.why_stop(of(1, flat(9, 0.9, 3, running=True)), others)
    assert why is not None
    assert why.endswith("(bracket 1)")
    assert rule.why_stop(of(0, flat(9, 0.9, 3, running=True)), others) is None


def test_hyperband_spreads_trials_over_the_brackets_by_their_shares() -> None:
    rule = Hyperband(reduction=3, min_step=1, max_step=27)
    found = [rule.bracket(number) for number in range(1, 131)]
    assert [found.count(k) for k in range(3)] == pytest.approx([78, 39, 26], abs=15)
    assert set(found[:12]) == {0, 1, 2}
    assert Hyperband(max_step=1.5).brackets == 1


def test_any_of_and_all_of_combine_reasons() -> None:
    trial = curve(9, [0.9, 0.9, 0.9], running=True)
    first, second = Median().why_stop(trial, GOOD), Patience(2).why_stop(trial, GOOD)
    assert AnyOf([Patience(5), Median()]).why_stop(trial, GOOD) == first
    assert AllOf([Median(), Patience(2)]).why_stop(trial, GOOD) == f"{first}; and {second}"
    assert AllOf([Median(), Patience(5)]).why_stop(trial, GOOD) is None


def test_rules_are_built_from_names_data_lists_and_objects() -> None:
    built = build_rule(["median", {"name": "threshold", "args": {"value": 0.5}}], maximize=True)
    assert isinstance(built, AnyOf)
    median, threshold = built.rules
    assert isinstance(median, Median)
    assert isinstance(threshold, Threshold)
    assert threshold.maximize
    nested = build_rule({"name": "all_of", "args": {"rules": ["patience", {"name": "asha", "args": {"reduction": 4}}]}})
    assert isinstance(nested, AllOf)
    assert build_rule(median) is median
    assert isinstance(build_rule({"path": "meristem.stopping.halving.Asha"}), Asha)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("medain", "Did you mean 'median'"),
        ({"name": "median", "args": {"min_curve": 1}}, "Did you mean 'min_curves'"),
        ({"name": "percentile", "args": {"keep": 0}}, "keep must be above 0"),
        ({"name": "percentile", "args": {"keep": 101}}, "keep must be at most 100"),
        ({"name": "asha", "args": {"reduction": math.nan}}, "reduction must be a finite number"),
        ({"name": "median", "args": {"interval": -1}}, "interval must be at least 0"),
        ({"name": "any_of", "args": {"rules": []}}, "rules must be a list"),
        ({"path": "meristem.stopping.curves.Curves"}, "has no why_stop"),
        (3, "must be a name"),
    ],
)
def test_what_is_no_rule_is_refused_in_words(given: object, error: str) -> None:
    with pytest.raises((InputError, UnknownComponent), match=error):
        build_rule(given)


losses = st.one_of(st.floats(-10, 10), st.sampled_from([math.nan, math.inf, -math.inf]), st.integers(0, 3))
points = st.lists(st.tuples(st.integers(0, 30), losses), min_size=1, max_size=8)


@st.composite
def studies(draw: st.DrawFn) -> list[Curve]:
    return [
        Curve(
            trial=number,
            steps=tuple(step for step, _ in found),
            losses=tuple(loss for _, loss in found),
            running=draw(st.booleans()),
            bracket=draw(st.integers(0, 3)),
        )
        for number, found in enumerate(draw(st.lists(points, min_size=1, max_size=7)), start=1)
    ]


@settings(max_examples=60)
@given(st.sampled_from(sorted(RELATIVE)), studies())
def test_the_best_so_far_is_never_stopped_and_asking_changes_nothing(name: str, study: list[Curve]) -> None:
    rule = RELATIVE[name]()
    for place, one in enumerate(study):
        others = study[:place] + study[place + 1 :]
        why = rule.why_stop(one, others)
        assert why == rule.why_stop(one, others) == RELATIVE[name]().why_stop(one, others)
        assert why is None or why
        assert why == rule.why_stop(one, others[::-1])
        leads = math.isfinite(min(one.losses)) and all(
            other.lowest(one.steps[-1]) is None or min(one.losses) <= (other.lowest(one.steps[-1]) or 0.0)
            for other in others
        )
        ahead = math.isfinite(one.losses[-1]) and all(
            (loss := other.at(one.steps[-1])) is None or one.losses[-1] <= loss for other in others if other.running
        )
        ended = [other for other in others if not other.running]
        if leads or (ahead and not ended):
            assert why is None
            assert is_best(one, others)


@settings(max_examples=25)
@given(st.sampled_from(sorted(RELATIVE)), studies(), st.sampled_from([0.25, 4.0]), st.integers(-3, 3))
def test_the_unit_of_the_objective_does_not_count(name: str, study: list[Curve], scale: float, shift: int) -> None:
    kept = [replace(one, losses=tuple(round(v) if math.isfinite(v) else v for v in one.losses)) for one in study]
    moved = [replace(one, losses=tuple(scale * loss + shift for loss in one.losses)) for one in kept]
    rule = RELATIVE[name]()
    for place, one in enumerate(kept):
        why = rule.why_stop(one, kept[:place] + kept[place + 1 :])
        assert why == rule.why_stop(moved[place], moved[:place] + moved[place + 1 :])


@pytest.mark.parametrize("name", [*RELATIVE, "threshold"])
def test_a_trial_without_a_report_goes_on(name: str) -> None:
    rule = RELATIVE.get(name, lambda: Threshold(0))()
    assert rule.why_stop(curve(9, [], running=True), GOOD) is None
    assert rule.why_stop(flat(9, 5.0, running=True), []) is None or name == "threshold"


@pytest.mark.parametrize("name", sorted(set(RELATIVE) - {"patience", "all_of", "successive_halving"}))
def test_what_has_diverged_is_stopped_beside_enough_good_ones(name: str) -> None:
    rule, many = RELATIVE[name](), [flat(n, 0.1 * n) for n in range(1, 40)]
    diverged = curve(40, [math.nan] * 9, running=True)
    assert rule.why_stop(diverged, many) is not None or name == "hyperband by curve"


@pytest.mark.parametrize("name", RELATIVE)
def test_a_whole_study_keeps_one_that_comes_to_its_end(name: str) -> None:
    rule = RELATIVE[name]()
    final = {number: ((number * 7) % 12) / 10 for number in range(1, 13)}
    known: dict[int, list[float]] = {}
    stopped: set[int] = set()
    for number, level in final.items():
        known[number] = []
        for step in range(1, 17):
            known[number].append(level + 1 / step)
            now = curve(number, known[number], running=True)
            if rule.why_stop(now, [curve(n, seen) for n, seen in known.items() if n != number]):
                stopped.add(number)
                break
    best = min(final, key=lambda number: final[number])
    assert best not in stopped
