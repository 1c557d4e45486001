"""The losses of a study's ended trials, kept so that ending rules need not go through them each time one ends."""

from __future__ import annotations

import math
from collections.abc import Iterable

from meristem.stopping.ranking import Ranking


class Losses:
    """Grows by one loss for each trial that ended, and is never changed otherwise.

    Attributes:
        all: In the order in which the trials ended; None (or not finite) where one has none.
        measured: The finite ones, in order.
        lowest: The lowest so far at each of `measured`.
    """

    __slots__ = ("_ranking", "all", "lowest", "measured")

    def __init__(self, losses: Iterable[float | None] = ()) -> None:
        self.all: list[float | None] = []
        self.measured: list[float] = []
        self.lowest: list[float] = []
        self._ranking = Ranking()
        for loss in losses:
            self.add(loss)

    def add(self, loss: float | None) -> None:
        self.all.append(loss)
        if loss is None or not math.isfinite(loss):
            return
        self.measured.append(loss)
        self.lowest.append(min(self.lowest[-1], loss) if self.lowest else loss)
        self._ranking.add(loss)

    def interquartile_range(self, count: int) -> float:
        """Of the first `count` of `measured`, at least 1: quickly where these are all."""
        known = self._ranking if count == len(self._ranking) else Ranking(self.measured[:count])

        def at(share: float) -> float:
            place = share * (count - 1)
            low = math.floor(place)
            below = known.nth(low)
            return below + (place - low) * (known.nth(min(low + 1, count - 1)) - below)

        return at(0.75) - at(0.25)
