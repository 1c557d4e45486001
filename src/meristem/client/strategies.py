"""Reads Ax's words for how candidates are generated as one of Meristem's controllers."""

from __future__ import annotations

from typing import Any

from meristem.controllers.auto import AutoController
from meristem.controllers.gp import GpController
from meristem.errors import InputError, did_you_mean

_METHODS = ("fast", "quality", "random_search")


class CentreFirst(AutoController):
    """As `auto`, with a given number of trials before the Gaussian process is asked.

    Args:
        initial: How many losses to gather first, that of the centre included.
    """

    def __init__(self, initial: int) -> None:
        super().__init__()
        self._gp = GpController(initial=initial)


def controller_of(
    method: str = "fast", *, initialization_budget: int | None = None, initialize_with_center: bool = True,
    min_observed_initialization_trials: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The controller, as data from which it is built again.

    Raises:
        InputError: An unknown method, or a budget that is no number of trials.
    """
    if method not in _METHODS:
        raise InputError(
            f"There is no method {method!r:.60}.",
            fix=f"{did_you_mean(str(method), _METHODS)}Known: {', '.join(_METHODS)}.",
        )
    budget = initialization_budget if initialization_budget is not None else min_observed_initialization_trials
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or budget < 0):
        raise InputError(f"initialization_budget={budget!r:.60} is no number of trials.", fix="Give a whole number.")
    if method == "random_search":
        return {"name": "sobol"}
    if budget is None:
        return {"name": "auto" if initialize_with_center else "gp"}
    args = {"initial": max(1, budget)}  # a process needs one loss
    if initialize_with_center:
        return {"path": f"{CentreFirst.__module__}.{CentreFirst.__qualname__}", "args": args}
    return {"name": "gp", "args": args}
