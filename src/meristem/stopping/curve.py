"""A learning curve as a value: one loss over steps, lower is better.

`curves.Curves` makes them of what trials report; stopping rules read them. Nothing is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from meristem.stopping.prefix import Prefix
from meristem.stopping.reported import Reported, finite_or_worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What one trial has reported of the objective so far.

    In order once built: steps rise, the last report of a step counts, a NaN or infinite loss is the worst of
    all (infinity), and reports without a finite step are left out. Steps may have gaps, and need not be those
    of other curves. Steps and losses read as tuples; going through them costs more the more there are, what is
    asked by the properties and methods below does not.

    Attributes:
        running: Whether more is to come; False also for trials that were stopped or failed.
        bracket: The group within which it is compared, of rules that have groups.
    """

    trial: int
    steps: Sequence[float]
    losses: Sequence[float]
    running: bool
    bracket: int = 0
    _reports: Reported = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.losses):
            raise ValueError(f"A curve has a loss for each step, not {len(self.losses)} for {len(self.steps)}.")
        steps, losses = tuple(self.steps), tuple(map(finite_or_worst, self.losses))
        if not (all(map(math.isfinite, steps)) and all(a < b for a, b in pairwise(steps))):
            known = {step: loss for step, loss in zip(steps, losses, strict=True) if math.isfinite(step)}
            steps = tuple(sorted(known))
            losses = tuple(known[step] for step in steps)
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "losses", losses)
        object.__setattr__(self, "_reports", Reported(steps, losses))

    @classmethod
    def of(cls, reports: Reported, *, trial: int, running: bool, bracket: int = 0) -> Curve:
        """The reports there are now, neither checked nor copied, since a curve is made at each report."""
        made = object.__new__(cls)
        steps, losses = Prefix(reports.steps), Prefix(reports.losses)
        for name, value in zip(cls.__slots__, (trial, steps, losses, running, bracket, reports), strict=True):
            object.__setattr__(made, name, value)
        return made

    @property
    def last_step(self) -> float | None:
        """The highest step reported; None before the first report."""
        return self.steps[-1] if self.steps else None

    @property
    def best(self) -> float | None:
        """The lowest loss reported; None before the first report."""
        return self._reports.best(len(self.steps))

    def improved(self, by: float = 0) -> float | None:
        """The last step at which it became better, the first where it never did; None before the first report.

        Args:
            by: By more than this, counted from where it became better last.
        """
        return self._reports.improved(by, len(self.steps))

    def reaches(self, step: float) -> bool:
        """Whether it is known at `step`: reported there, or before and after."""
        return bool(self.steps) and self.steps[0] <= step <= self.steps[-1]

    def at(self, step: float) -> float | None:
        """The loss at `step`, on a straight line between the reports around it; None outside of them."""
        return self._reports.at(step, len(self.steps))

    def lowest(self, step: float) -> float | None:
        """The lowest loss up to `step`, the line between the reports around it included; None before the first."""
        return self._reports.lowest(step, len(self.steps))
