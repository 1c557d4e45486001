"""Sorted losses that grow one by one, for `standings.Standings`; what they are losses of is not known here."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

_LONGEST = 4096  # 32 KB: what an insertion moves at most


class Ranking:
    """Losses in order, some of them equal; infinity may be among them, NaN not.

    Kept in runs of bounded length, so that one more costs about the same among a thousand as among a million.
    """

    def __init__(self, losses: Iterable[float] = ()) -> None:
        ordered = array("d", sorted(losses))
        half = _LONGEST // 2
        self._runs = [ordered[start : start + half] for start in range(0, len(ordered), half)]
        self._length = len(ordered)

    def add(self, loss: float) -> None:
        self._length += 1
        if not self._runs:
            self._runs.append(array("d", [loss]))
            return
        place = self._run_of(loss)
        run = self._runs[place]
        insort(run, loss)
        if len(run) > _LONGEST:
            self._runs[place : place + 1] = [run[: len(run) // 2], run[len(run) // 2 :]]

    def discard(self, loss: float) -> None:
        """Takes out one of the losses that equal `loss`, which must be there."""
        place = self._run_of(loss)
        run = self._runs[place]
        del run[bisect_left(run, loss)]
        self._length -= 1
        if not run:
            del self._runs[place]

    def below(self, loss: float) -> int:
        """How many are lower than `loss`."""
        if not self._runs:
            return 0
        place = self._run_of(loss)
        return sum(map(len, self._runs[:place])) + bisect_left(self._runs[place], loss)

    def nth(self, place: int) -> float:
        """The loss at `place` in rising order, from 0."""
        for run in self._runs:
            if place < len(run):
                return run[place]
            place -= len(run)
        raise IndexError(place)

    @property
    def lowest(self) -> float:
        """Infinity where there is none."""
        return self._runs[0][0] if self._runs else math.inf

    def __len__(self) -> int:
        return self._length

    def _run_of(self, loss: float) -> int:
        """The first run whose last loss is not below `loss`; else the last one."""
        return min(bisect_left(self._runs, loss, key=lambda run: run[-1]), len(self._runs) - 1)


class LowestUntil:
    """The lowest loss of all reports up to any step: only those are kept that were the lowest when their step came.

    A report may be taken back. Where it was one of those kept, what it hid is not known any more: it is `stale`,
    and must be made anew.
    """

    def __init__(self, reports: Iterable[tuple[float, float]] = ()) -> None:
        self._steps: list[float] = []  # rising
        self._losses: list[float] = []  # falling
        self.stale = False
        for step, loss in reports:
            self.add(step, loss)

    def add(self, step: float, loss: float) -> None:
        place = bisect_right(self._steps, step)
        if math.isinf(loss) or (place and self._losses[place - 1] <= loss):
            return
        first = place - 1 if place and self._steps[place - 1] == step else place
        last = first
        while last < len(self._losses) and self._losses[last] >= loss:
            last += 1
        self._steps[first:last] = [step]
        self._losses[first:last] = [loss]

    def discard(self, step: float, loss: float) -> None:
        place = bisect_left(self._steps, step)
        if place < len(self._steps) and self._steps[place] == step and self._losses[place] == loss:
            self.stale = True

    def lowest(self, step: float) -> float:
        """The lowest loss up to `step`; infinity where there is none."""
        place = bisect_right(self._steps, step)
        return self._losses[place - 1] if place else math.inf
