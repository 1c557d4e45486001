"""A learning curve as a value: one loss over steps, lower is better.

`curves.Curves` makes them of what trials report; stopping rules read them. Nothing is decided here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WORST = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What one trial has reported of the objective so far.

    In order once built: steps rise, the last report of a step counts, a NaN or infinite loss is the worst of
    all (infinity), and reports without a finite step are left out. Steps may have gaps, and need not be those
    of other curves.

    Attributes:
        running: Whether more is to come; False also for trials that were stopped or failed.
        bracket: The group within which it is compared, of rules that have groups.
    """

    trial: int
    steps: tuple[float, ...]
    losses: tuple[float, ...]
    running: bool
    bracket: int = 0

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

    @classmethod
    def in_order(
        cls, *, trial: int, steps: tuple[float, ...], losses: tuple[float, ...], running: bool, bracket: int = 0
    ) -> Curve:
        """A curve of which all is known to be as it should: unchecked, since one is made at each report."""
        made = object.__new__(cls)
        for name, value in zip(cls.__slots__, (trial, steps, losses, running, bracket), strict=True):
            object.__setattr__(made, name, value)
        return made

    @property
    def last_step(self) -> float | None:
        """The highest step reported; None before the first report."""
        return self.steps[-1] if self.steps else None

    def reaches(self, step: float) -> bool:
        """Whether it is known at `step`: reported there, or before and after."""
        return bool(self.steps) and self.steps[0] <= step <= self.steps[-1]

    def at(self, step: float) -> float | None:
        """The loss at `step`, on a straight line between the reports around it; None outside of them."""
        return loss_at(self.steps, self.losses, step)

    def lowest(self, step: float) -> float | None:
        """The lowest loss up to `step`, the line between the reports around it included; None before the first."""
        return lowest_until(self.steps, self.losses, step)


def finite_or_worst(loss: float) -> float:
    """`loss`; the worst there is where it is NaN or infinite."""
    return loss if math.isfinite(loss) else WORST


def loss_at(steps: Sequence[float], losses: Sequence[float], step: float) -> float | None:
    """What `Curve.at` says of a curve with these reports, in order."""
    if not steps or not steps[0] <= step <= steps[-1]:
        return None
    place = bisect_right(steps, step) - 1
    before, loss = steps[place], losses[place]
    if step == before:
        return loss
    after, next_loss = steps[place + 1], losses[place + 1]
    if math.isinf(loss) or math.isinf(next_loss):
        return WORST
    share = (step - before) / (after - before)
    return (1.0 - share) * loss + share * next_loss


def lowest_until(steps: Sequence[float], losses: Sequence[float], step: float) -> float | None:
    """What `Curve.lowest` says of a curve with these reports, in order."""
    place = bisect_right(steps, step)
    if not place:
        return None
    reported = min(losses[:place])
    between = loss_at(steps, losses, step)
    return reported if between is None else min(between, reported)
