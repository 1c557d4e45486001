"""Stops what is worse than most others were at the same step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from meristem.stopping.curve import Curve
from meristem.stopping.peers import peers_of
from meristem.stopping.rule import is_best, number, positive_or_zero, whole_number


class Percentile:
    """Lets a trial go on while it is among the best `keep` percent of those that came so far.

    Others count by their loss at the step that the trial has reached (with gaps: on a straight line between
    their reports). After the median rule of Golovin et al., "Google Vizier" (KDD 2017).

    Args:
        keep: Percent of the others within which a trial must be.
        min_curves: It stops nothing before so many others came as far.
        warm_up: It stops nothing at lower steps than this.
        interval: It looks each time that so many steps have passed; 0: at each report.
        by_best: A trial counts by its lowest loss so far; False: by its last, which stops more.
    """

    def __init__(
        self, keep: float = 25, min_curves: int = 8, warm_up: float = 0, interval: float = 0, by_best: bool = True
    ) -> None:
        self.keep = number("keep", keep, above=0, at_most=100)
        self.min_curves = whole_number("min_curves", min_curves, at_least=1)
        self.warm_up = number("warm_up", warm_up)
        self.interval = positive_or_zero("interval", interval)
        self.by_best = bool(by_best)

    def why_stop(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        step = curve.last_step
        if step is None or step < self.warm_up or not self._due(curve):
            return None
        own = curve.best if self.by_best else curve.losses[-1]
        if own is None:
            return None
        better, reached = peers_of(others).place(step, own)
        if reached < self.min_curves or better < max(1.0, reached * self.keep / 100) or is_best(curve, others):
            return None
        return f"at step {step:g}, {better} of {reached} others were better; the best {self.keep:g} % go on"

    def _due(self, curve: Curve) -> bool:
        if not self.interval or len(curve.steps) < 2:
            return True
        before, now = (math.floor((step - self.warm_up) / self.interval) for step in curve.steps[-2:])
        return now > before


class Median(Percentile):
    """`Percentile` for the better half."""

    def __init__(self, min_curves: int = 3, warm_up: float = 0, interval: float = 0, by_best: bool = False) -> None:
        super().__init__(keep=50, min_curves=min_curves, warm_up=warm_up, interval=interval, by_best=by_best)
