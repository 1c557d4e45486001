"""What a study keeps of its curves answers as going through all of them would, whatever happens to the trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meristem.stopping import curves as curves_module
from meristem.stopping import ranking as ranking_module
from meristem.stopping import standings as standings_module
from meristem.stopping.combined import AllOf, Auto
from meristem.stopping.curve import Curve
from meristem.stopping.curves import Curves
from meristem.stopping.halving import Asha, Hyperband, SuccessiveHalving
from meristem.stopping.own_curve import Patience, Threshold
from meristem.stopping.peers import Peers
from meristem.stopping.percentile import Median, Percentile
from meristem.stopping.ranking import LowestUntil, Ranking
from meristem.stopping.rule import StoppingRule

RULES: dict[str, Callable[[], StoppingRule]] = {
    "all_of": lambda: AllOf([Median(1), Patience(1)]),
    "asha": lambda: Asha(reduction=4),
    "auto": Auto,
    "hyperband": Hyperband,
    "hyperband by curve": lambda: Hyperband(by_number=False, max_step=27),
    "median": lambda: Median(min_curves=1),
    "patience": lambda: Patience(steps=1),
    "percentile": lambda: Percentile(keep=25, min_curves=2),
    "successive_halving": lambda: SuccessiveHalving(cohort=3),
    "threshold": lambda: Threshold(0.5, after=2),
}

losses = st.one_of(st.floats(-2, 2), st.integers(0, 2), st.sampled_from([math.nan, math.inf, -math.inf, -0.0]))
trials = st.integers(1, 7)
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("report"), trials, st.sampled_from([1, 1, 1, 2, 3, 0, -1, 0.5]), losses),
        st.tuples(st.just("end"), trials),
        st.tuples(st.just("start"), trials, st.integers(0, 2)),
    ),
    max_size=50,
)


def play(happenings: Sequence[Any], ask: Callable[[Curves, int], None]) -> Curves:
    """Plays what happens to trials, steps counted from a trial's last, and asks at each report and each end."""
    curves = Curves()
    for kind, trial, *rest in happenings:
        if kind == "start":
            curves.start(trial, bracket=rest[0])
            continue
        if kind == "end":
            curves.end(trial)
        else:
            curves.report(trial, (curves.curve(trial).last_step or 0) + rest[0], rest[1])
        ask(curves, trial)
    return curves


@pytest.mark.parametrize("room", [0.5, 4])
@settings(max_examples=120)
@given(happenings)
def test_a_rule_decides_as_if_it_went_through_all_curves(room: float, happenings: Sequence[Any]) -> None:
    rules = {name: make() for name, make in RULES.items()}

    def ask(curves: Curves, trial: int) -> None:
        curve, others = curves.curve(trial), curves.others(trial)
        for name, rule in rules.items():
            assert rule.why_stop(curve, others) == rule.why_stop(curve, Peers(others, silent=others.silent)), name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standings_module, "_ROOM", room)
        patch.setattr(ranking_module, "_LONGEST", 2)
        play(happenings, ask)


@settings(max_examples=120)
@given(happenings, losses.filter(lambda loss: not math.isnan(loss)), st.sampled_from([0, 0.5, 1, 2, 3]))
def test_every_question_is_answered_as_going_through_the_curves_answers_it(
    happenings: Sequence[Any], loss: float, back: float
) -> None:
    def group(trial: int, bracket: int) -> int:
        return bracket

    def parity(trial: int, bracket: int) -> int:
        return trial % 2

    def ask(curves: Curves, trial: int) -> None:
        others, step = curves.others(trial), (curves.curve(trial).last_step or 0) - back
        group_of = others.alike(curves.curve(trial), group)
        within = group_of.alike(curves.curve(trial), parity)
        for quick, plain in [(found, Peers(found, silent=found.silent)) for found in (others, group_of, within)]:
            assert len(quick) == len(plain)
            assert quick.place(step, loss) == plain.place(step, loss)
            assert quick.any_lower_until(step, loss) == plain.any_lower_until(step, loss)
            assert quick.any_lower_by(step, loss) == plain.any_lower_by(step, loss)
        assert others.silent == tuple(c for c in curves if not c.running and not c.steps and c.trial != trial)
        for quick, of, by in ((group_of, others, group), (within, group_of, parity)):
            plain = Peers(of, silent=of.silent).alike(curves.curve(trial), by)
            assert (list(quick), quick.silent) == (list(plain), plain.silent)

    play(happenings, ask)


def curves_of(count: int, steps: Callable[[int], Sequence[float]]) -> Curves:
    curves = Curves()
    for trial in range(1, count + 1):
        curves.start(trial, bracket=trial % 3)
        for step in steps(trial):
            curves.report(trial, step, trial % 7 + 1 / (step + 1))
            Median(1).why_stop(curves.curve(trial), curves.others(trial))
        curves.end(trial)
    return curves


@pytest.mark.parametrize("name", sorted(set(RULES) - {"successive_halving"}))
def test_no_rule_goes_through_the_curves_of_a_study(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = curves_of(9, lambda trial: range(1, 7))
    monkeypatch.setattr(curves_module._Others, "_all", lambda self: pytest.fail("it went through them"))
    for trial in range(1, 10):
        RULES[name]().why_stop(curves.curve(trial), curves.others(trial))


def test_losses_kept_in_order_stay_in_proportion_to_reports() -> None:
    curves = curves_of(120, lambda trial: [trial / 7, 1, 2, 50 + trial, 50 + trial / 2, 300])
    standings = curves._all
    assert standings._kept == sum(map(len, standings._rankings.values())) <= 4 * 120 * 6
    assert sorted(standings._rankings) == standings._ranked


def test_steps_that_all_trials_share_are_ranked_and_those_of_one_trial_are_not() -> None:
    standings = curves_of(20, lambda trial: [1, 2 + trial / 100, 3])._all
    assert standings._ranked == [1, 3]


@pytest.mark.parametrize("asked_before", [False, True])
def test_one_that_ended_without_a_report_does_not_keep_its_cohort_from_being_judged(asked_before: bool) -> None:
    rule, curves = SuccessiveHalving(cohort=4), Curves()
    for trial in (1, 2, 3, 4):
        curves.start(trial)
    for trial, loss in ((2, 0.1), (3, 0.2), (4, 9.0)):
        curves.report(trial, 1, loss)
    if asked_before:  # its group is known by then
        assert rule.why_stop(curves.curve(4), curves.others(4)) is None
    curves.end(1)
    assert rule.why_stop(curves.curve(4), curves.others(4)) == (
        "at step 1, 2 of 2 others were better; the best of each 2 go on"
    )
    curves.start(1)  # it is tried again: it may be better yet
    assert rule.why_stop(curves.curve(4), curves.others(4)) is None
    curves.report(1, 1, 0.3)
    curves.end(1)
    assert rule.why_stop(curves.curve(4), curves.others(4)) == (
        "at step 1, 3 of 3 others were better; the best of each 2 go on"
    )


def test_a_new_function_each_time_does_not_pile_up_groups() -> None:
    curves = curves_of(3, lambda trial: [1])
    for _ in range(50):
        curves.others(1).alike(curves.curve(1), lambda trial, bracket: bracket)
    assert len(curves._groupings) <= 4


def test_the_best_that_corrects_its_reports_is_believed_as_it_stands_now() -> None:
    curves = Curves()
    for trial, loss in ((1, 0.5), (2, 0.1), (3, 0.3)):
        curves.report(trial, 1, loss)
    assert curves.others(3).any_lower_until(1, 0.3)
    curves.report(2, 1, 0.9)
    assert not curves.others(3).any_lower_until(1, 0.3)
    curves.report(2, 1, 0.2)
    curves.report(2, 2, 0.9)
    curves.report(3, 2, 0.3)
    assert curves.others(3).any_lower_until(2, 0.3)
    curves.end(2)
    assert curves.others(3).any_lower_until(1, 0.3)
    curves.start(2)
    assert not curves.others(3).any_lower_until(1, 0.3)


def test_curves_beside_a_trial_are_a_sequence() -> None:
    others = curves_of(4, lambda trial: [1, 2]).others(2)
    assert [one.trial for one in others] == [1, 3, 4]
    assert (others[0].trial, others[-1].trial, len(others), others[1] in others) == (1, 4, 3, True)
    assert [one.trial for one in others[1:]] == [3, 4]
    assert isinstance(others[0], Curve)


finite = st.one_of(st.integers(0, 5).map(float), st.just(math.inf))


@given(st.lists(finite, max_size=12), st.lists(st.one_of(finite, st.none()), max_size=40), finite)
def test_a_ranking_counts_as_a_sorted_list_does(first: list[float], changes: list[float | None], asked: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking_module, "_LONGEST", 3)
        ranking, known = Ranking(first), sorted(first)
        for change in changes:
            if change is not None:
                ranking.add(change)
                known = sorted([*known, change])
            elif known:
                ranking.discard(known.pop(len(known) // 2))
            assert ranking.below(asked) == sum(loss < asked for loss in known)
            assert (len(ranking), ranking.lowest) == (len(known), min(known, default=math.inf))


@given(st.lists(st.tuples(st.integers(0, 6), finite), max_size=15), st.data())
def test_the_lowest_until_a_step_is_that_of_all_reports_or_known_to_be_stale(
    reports: list[tuple[int, float]], data: st.DataObject
) -> None:
    found = LowestUntil(reports)
    kept = list(reports)
    while kept and data.draw(st.booleans()):
        gone = kept.pop(data.draw(st.integers(0, len(kept) - 1)))
        found.discard(*gone)
    if found.stale:
        found = LowestUntil(kept)
    for step in range(-1, 8):
        assert found.lowest(step) == min((loss for at, loss in kept if at <= step), default=math.inf)
