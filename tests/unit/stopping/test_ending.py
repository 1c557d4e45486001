"""When a study has enough."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.stopping.ending import EndingRule, NoImprovement, RegretBound, Standing, TargetReached, build_ending
from meristem.stopping.losses import Losses

FALLING = [10.0 - n for n in range(10)]


def test_a_study_that_no_longer_improves_has_enough() -> None:
    rule = NoImprovement(window=5)
    assert rule.why_end(Standing(losses=[*FALLING, 0.95, 0.96, 0.97, 2.0, 3.0])) is not None
    assert rule.why_end(Standing(losses=[*FALLING, 0.95, 0.96, 0.97, 2.0, -3.0])) is None
    assert rule.why_end(Standing(losses=[1.0] * 9)) is None
    assert rule.why_end(Standing(losses=[1.0] * 10)) is not None


def test_failures_do_not_count_as_trials_without_improvement() -> None:
    losses: list[float | None] = [*FALLING, None, math.nan, None, math.inf, None]
    assert Standing(losses=losses).measured == FALLING
    assert NoImprovement(window=5).why_end(Standing(losses=losses)) is None


@given(st.lists(st.integers(-50, 50), min_size=8, max_size=30), st.sampled_from([0.5, 2.0, 8.0]), st.integers(-9, 9))
def test_the_unit_of_the_objective_does_not_count(losses: list[int], scale: float, shift: int) -> None:
    rule = NoImprovement(window=3, share=0.25)
    moved = [scale * loss + shift for loss in losses]
    assert (rule.why_end(Standing(losses=losses)) is None) == (rule.why_end(Standing(losses=moved)) is None)


RULES: list[EndingRule] = [
    NoImprovement(window=3, share=0.25),
    NoImprovement(window=1, share=0.0, min_trials=1),
    TargetReached(-3.0),
    RegretBound(0.5, min_trials=3),
]
any_loss = st.one_of(st.integers(-4, 4).map(float), st.none(), st.sampled_from([math.nan, math.inf, 1e300, -1e300]))


@given(st.lists(any_loss, max_size=30))
def test_losses_kept_as_trials_end_answer_as_a_list_of_them(losses: list[float | None]) -> None:
    kept, shown = Losses(), []
    for count, loss in enumerate(losses, start=1):
        kept.add(loss)
        shown.append((Standing.of(kept, regret=0.1), Standing(losses=losses[:count], regret=0.1)))
        for found, plain in (shown[-1], shown[count // 2]):  # what was shown before is as it was
            assert found.losses == plain.losses
            assert found.measured == plain.measured
            assert [rule.why_end(found) for rule in RULES] == [rule.why_end(plain) for rule in RULES]


class Loss(float):
    """A loss that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        Loss.compared += 1
        return float(self) < other

    def __le__(self, other: float) -> bool:
        Loss.compared += 1
        return float(self) <= other

    def __gt__(self, other: float) -> bool:
        Loss.compared += 1
        return float(self) > other


def test_what_a_rule_costs_does_not_grow_with_the_trials() -> None:
    kept, compared = Losses(), []
    for number in range(1000):
        before = Loss.compared
        kept.add(Loss(number * 7919 % 1000))
        for rule in (*RULES, NoImprovement()):
            rule.why_end(Standing.of(kept, regret=1.0))
        compared.append(Loss.compared - before)
    assert max(compared) <= 20


def test_a_target_is_reached_in_the_sense_of_the_objective() -> None:
    assert TargetReached(0.9, maximize=True).why_end(Standing(losses=[-0.8, -0.91])) == "the target 0.9 is reached"
    assert TargetReached(0.9, maximize=True).why_end(Standing(losses=[-0.8, None])) is None
    assert TargetReached(0.9).why_end(Standing(losses=[0.9])) is not None


def test_a_bound_on_the_regret_ends_a_study_of_enough_trials() -> None:
    rule = RegretBound(0.1, min_trials=3)
    assert rule.why_end(Standing(losses=[1.0] * 3, regret=0.05)) is not None
    for waiting in (
        Standing(losses=[1.0] * 2, regret=0.05),
        Standing(losses=[1.0] * 3, regret=0.2),
        Standing(losses=[1.0] * 3),
        Standing(losses=[1.0] * 3, regret=math.nan),
    ):
        assert rule.why_end(waiting) is None


def test_ending_rules_are_built_from_names_data_and_objects() -> None:
    target = build_ending({"name": "target_reached", "args": {"value": 0.9}}, maximize=True)
    assert isinstance(target, TargetReached)
    assert target.maximize
    assert isinstance(build_ending("no_improvement", maximize=True), NoImprovement)
    assert build_ending(target) is target
    for wrong in ("no_improvment", {"name": "regret_bound"}, {"path": "meristem.stopping.curve.Curves"}, 3):
        with pytest.raises(InputError):
            build_ending(wrong)
