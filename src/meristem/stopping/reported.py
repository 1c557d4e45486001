"""What one trial reported, in order, and what is asked of it, kept up to date report by report.

`curve.Curve` shows the reports there are at a time, `standings` compares them with those of other trials.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

WORST = math.inf

_MOST_MARGINS = 4  # a rule that asks with a new one each time costs time, not memory


class Reported:
    """Losses by rising steps. It grows at its end and is never changed otherwise.

    Whoever was shown the first so many may thus ask about them later, by `count`; None: all there are.
    """

    __slots__ = ("_improved", "_lows", "losses", "steps")

    def __init__(self, steps: Iterable[float] = (), losses: Iterable[float] = ()) -> None:
        self.steps, self.losses = list(steps), list(losses)
        self._lows = list(accumulate(self.losses, min))  # the lowest loss up to each report
        self._improved: dict[float, tuple[int, int]] = {}  # by margin: of how many reports, and which was the last

    def add(self, step: float, loss: float) -> None:
        """One more, at a higher step than all others."""
        self.steps.append(step)
        self.losses.append(loss)
        self._lows.append(min(self._lows[-1], loss) if self._lows else loss)

    def changed(self, step: float, loss: float) -> Reported:
        """These reports and one at any step, which replaces that of the same step; a copy."""
        known = {**dict(zip(self.steps, self.losses, strict=True)), step: loss}
        steps = sorted(known)
        return Reported(steps, map(known.__getitem__, steps))

    def __len__(self) -> int:
        return len(self.steps)

    def best(self, count: int | None = None) -> float | None:
        """The lowest loss; None where there is none."""
        found = len(self) if count is None else count
        return self._lows[found - 1] if found else None

    def at(self, step: float, count: int | None = None) -> float | None:
        """What `Curve.at` says."""
        steps, losses = self.steps, self.losses
        place = bisect_right(steps, step, 0, count) - 1
        if place < 0:
            return None
        before, loss = steps[place], losses[place]
        if step == before:
            return loss
        if place + 1 == (len(steps) if count is None else count):
            return None
        after, next_loss = steps[place + 1], losses[place + 1]
        if math.isinf(loss) or math.isinf(next_loss):
            return WORST
        share = (step - before) / (after - before)
        return (1.0 - share) * loss + share * next_loss

    def lowest(self, step: float, count: int | None = None) -> float | None:
        """What `Curve.lowest` says."""
        place = bisect_right(self.steps, step, 0, count)
        if not place:
            return None
        between = self.at(step, count)
        return self._lows[place - 1] if between is None else min(between, self._lows[place - 1])

    def improved(self, by: float, count: int) -> float | None:
        """What `Curve.improved` says. Goes on from where it was asked last."""
        if not count:
            return None
        known = self._improved.get(by, (0, 0))
        seen, place = known if known[0] <= count else (0, 0)
        for at in range(seen, count):
            if self.losses[at] < self.losses[place] - by:
                place = at
        if count > known[0]:
            self._improved.pop(by, None)
            self._improved[by] = count, place
            while len(self._improved) > _MOST_MARGINS:
                del self._improved[next(iter(self._improved))]
        return self.steps[place]


def finite_or_worst(loss: float) -> float:
    """`loss`; the worst there is where it is NaN or infinite."""
    return loss if math.isfinite(loss) else WORST
