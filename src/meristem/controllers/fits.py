"""Hyperparameters that were fitted before: found again by content, so that they save time and change no answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from meristem.bayesopt.fitting import Fitter
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Mask, Points

_STEPS = 12  # fits are to the history as of the last multiple of a twelfth of it, so that many questions share one

Found = TypeVar("Found")


class Fits:
    """The last fit of each name.

    Args:
        additive: Whether effects of single parameters may add up.
    """

    def __init__(self, *, additive: bool) -> None:
        self.additive = additive
        self._last: dict[str, tuple[tuple[bytes, ...], Any]] = {}

    def of(
        self, name: str, points: Points, outcomes: Array, kinds: Kinds, variances: Array | None = None
    ) -> Hyperparameters:
        """The most probable hyperparameters for standardized `outcomes`, shape (n,), with known `variances`."""
        known = np.zeros(len(points)) if variances is None else variances
        content: list[Array | Mask] = [points.unit, points.active, outcomes, known]
        return self.remembered(
            name, content, lambda: Fitter(points, kinds, additive=self.additive).fit(outcomes, known)
        )

    def remembered(self, name: str, content: Sequence[Array | Mask], fit: Callable[[], Found]) -> Found:
        """What `fit` gives for `content`, or gave when it was asked for under this name the last time."""
        key = tuple(part.tobytes() for part in content)
        if name not in self._last or self._last[name][0] != key:
            self._last[name] = (key, fit())
        found: Found = self._last[name][1]
        return found


def fitted_count(count: int) -> int:
    """How many of the `count` oldest trials are fitted to."""
    return count - count % max(1, count // _STEPS)
