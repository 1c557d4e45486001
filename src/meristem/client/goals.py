"""Reads Ax's objective and outcome constraints as the goals of a study. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from meristem.errors import InputError
from meristem.objective import Goals, OutcomeConstraint


def goals_of(objective: str, outcome_constraints: Sequence[str] | None) -> Goals:
    """The goals; of several objectives a limit on one of them is the worst value of it that is worth having.

    Raises:
        InputError: Something of it cannot be used; lists every mistake.
    """
    limits = () if outcome_constraints is None else outcome_constraints
    goals = Goals.parse(objective, limits)
    if goals.single:
        return goals
    floors = {
        text: found for text, limit in zip(limits, goals.constraints, strict=True) if (found := _floor(limit, goals))
    }
    thresholds = dict(floors.values())
    if len(thresholds) < len(floors):
        raise InputError(
            "The outcome constraints give an objective two thresholds", list(floors), fix="Keep one of each objective."
        )
    return Goals.parse(objective, [text for text in limits if text not in floors], thresholds)


def _floor(limit: OutcomeConstraint, goals: Goals) -> tuple[str, float] | None:
    """The objective and the threshold that `limit` stands for, if it does."""
    if limit.relative or limit.strict or len(limit.terms) != 1:
        return None
    name, weight = next(iter(limit.terms.items()))
    for objective in goals.objectives:
        if objective.metric == name and (weight < 0) == objective.maximize:
            return name, limit.bound / weight
    return None
