"""Rules made of rules, and rules built from data.

"median"                                              by name
{name: percentile, args: {keep: 25}}                  with arguments
{path: mine.Rule, args: {…}}                          the user's own
[median, {name: threshold, args: {value: 0.5}}]       any of them
{name: all_of, args: {rules: [median, patience]}}     all of them
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, cast

from meristem.components import build, find_class, spec_of
from meristem.errors import InputError
from meristem.stopping.curve import Curve
from meristem.stopping.halving import Asha
from meristem.stopping.peers import peers_of
from meristem.stopping.percentile import Median
from meristem.stopping.rule import StoppingRule

KIND = "stopping rule"


class AnyOf:
    """Stops a trial that one of `rules` would stop."""

    def __init__(self, rules: Sequence[Any], maximize: bool = False) -> None:
        self.rules = _build_all(rules, maximize)

    def why_stop(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        peers = peers_of(others)
        return next((why for rule in self.rules if (why := rule.why_stop(curve, peers)) is not None), None)


class AllOf:
    """Stops a trial that every one of `rules` would stop."""

    def __init__(self, rules: Sequence[Any], maximize: bool = False) -> None:
        self.rules = _build_all(rules, maximize)

    def why_stop(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        reasons: list[str] = []
        peers = peers_of(others)
        for rule in self.rules:
            why = rule.why_stop(curve, peers)
            if why is None:
                return None
            reasons.append(why)
        return "; and ".join(reasons)


class Auto(AnyOf):
    """What to use when one does not want to choose: successive halving, or the median of many curves.

    The two and their arguments were chosen on recorded learning curves (see benchmarks/early_stopping).
    """

    def __init__(self) -> None:
        super().__init__([Asha(reduction=2, min_step=2), Median(min_curves=8, by_best=True)])


def build_rule(given: Any, *, maximize: bool = False) -> StoppingRule:
    """The rule that `given` stands for: an object, a name, a mapping, or a list of which any may stop.

    Args:
        maximize: Whether the objective is made large, for rules whose arguments are values of it.

    Raises:
        InputError: It stands for none.
    """
    if isinstance(given, (list, tuple)):
        return AnyOf(given, maximize)
    if not isinstance(given, (str, Mapping)) and not inspect.isclass(given) and hasattr(given, "why_stop"):
        return cast(StoppingRule, given)
    if inspect.isclass(given):
        raise InputError(
            f"The stopping rule is the class {given.__name__}.", fix=f"Give an object: {given.__name__}(…)."
        )
    spec = spec_of(KIND, given)
    found = find_class(KIND, spec)
    takes = inspect.isclass(found) and "maximize" in inspect.signature(found).parameters
    supplied = {"maximize": maximize} if takes and "maximize" not in spec.args else {}
    rule = build(KIND, spec, **supplied)
    if not callable(getattr(rule, "why_stop", None)):
        raise InputError(
            f"The stopping rule {spec.label!r} is {type(rule).__name__}, which has no why_stop(curve, others).",
            fix="See meristem.stopping.rule.StoppingRule.",
        )
    return cast(StoppingRule, rule)


def _build_all(rules: Any, maximize: bool) -> tuple[StoppingRule, ...]:
    if isinstance(rules, str) or not isinstance(rules, Sequence) or not rules:
        raise InputError("rules must be a list of at least one stopping rule, such as [median, patience].")
    return tuple(build_rule(rule, maximize=maximize) for rule in rules)
