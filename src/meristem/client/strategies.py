"""Reads Ax's words for how candidates are generated as one of Meristem's controllers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from meristem.controllers.auto import AutoController
from meristem.controllers.gp import GpController
from meristem.controllers.protocol import Observation, Recommendation, Snapshot
from meristem.errors import InputError, did_you_mean

_METHODS = ("fast", "quality", "random_search")
_BUDGET = 5  # Ax's own; few, since scripts for Ax run a few dozen trials
_NO_TRIAL = ("failed", "abandoned")


class SobolFirst(GpController):
    """As `gp`, with the start that Ax counts in trials, where `gp` counts losses.

    Args:
        budget: How many trials, pending ones included, come before the Gaussian process.
        observed: How many of them must have a loss; until then more Sobol points follow.
    """

    def __init__(self, budget: int = _BUDGET, observed: int = _BUDGET // 2) -> None:
        super().__init__(initial=max(1, observed))
        self.budget = budget

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        spent = len(snapshot.pending) + sum(o.status not in _NO_TRIAL for o in snapshot.history)
        early = min(count, max(0, self.budget - spent))
        first = self._sobol.recommend(snapshot, early) if early else []
        if len(first) < early:
            return first
        return [*first, *super().recommend(_promised(snapshot, first), count - early)]


class CentreFirst(AutoController):
    """The defaults or the middle, then as `SobolFirst`; the first counts in the budget."""

    def __init__(self, budget: int = _BUDGET, observed: int = _BUDGET // 2) -> None:
        super().__init__()
        self._gp = SobolFirst(budget, observed)


def controller_of(
    method: str = "fast", *, initialization_budget: int | None = None, initialize_with_center: bool = True,
    min_observed_initialization_trials: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The controller, as data from which it is built again.

    Raises:
        InputError: An unknown method, or a budget that is no number of trials.
    """
    problems = []
    if method not in _METHODS:
        hint = did_you_mean(str(method), _METHODS)
        problems.append(f"method={method!r:.60} is not known. {hint}Known: {', '.join(_METHODS)}")
    budget = _BUDGET if initialization_budget is None else initialization_budget
    observed = min_observed_initialization_trials
    for name, value in (("initialization_budget", budget), ("min_observed_initialization_trials", observed)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            problems.append(f"{name}={value!r:.60} is not a whole number from 0")
    if problems:
        raise InputError("Candidates cannot be generated like this", problems)
    if method == "random_search":
        return {"name": "sobol"}
    kind = CentreFirst if initialize_with_center else SobolFirst
    args = {"budget": budget, "observed": max(1, budget // 2 if observed is None else observed)}
    return {"path": f"{kind.__module__}.{kind.__qualname__}", "args": args}


def _promised(snapshot: Snapshot, first: Sequence[Recommendation]) -> Snapshot:
    """`snapshot` as it is once `first` are trials."""
    if not first:
        return snapshot
    promised = [
        Observation(number=snapshot.created + i, parameters=r.parameters, status="waiting", origin=r.origin)
        for i, r in enumerate(first, start=1)
    ]
    return replace(snapshot, pending=[*snapshot.pending, *promised], created=snapshot.created + len(first))
