"""Goes through the points of a space in their stable order without starting over each time.

What is remembered here only saves time: a fresh object gives the same answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from meristem.controllers.protocol import History, Snapshot
from meristem.controllers.taken import Taken
from meristem.space import Parameters, Space

_REMEMBERED = 1024
_MOST_LOOKED_AT = 200_000  # about half a second


class Enumeration:
    """The points of a space by index; cheap for rising indices."""

    def __init__(self, levels: int = 5, *, most: int | None = None) -> None:
        self._levels, self.most = levels, most
        self._space: Space | None = None
        self._fixed: Parameters = {}
        self._recent: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED)
        self._ahead: Iterator[dict[str, Any]] = iter(())
        self._reached = 0

    def find(self, space: Space, index: int, fixed: Parameters | None = None) -> dict[str, Any] | None:
        """The point of that index, of those that have the values `fixed`; None past the last."""
        same = space is self._space and (fixed or {}) == self._fixed
        if not same or index < self._reached - len(self._recent):
            self._space, self._fixed, self._reached = space, dict(fixed or {}), 0
            self._ahead = space.points(self._levels, most=self.most, fixed=fixed)
            self._recent.clear()
        while self._reached <= index:
            point = next(self._ahead, None)
            if point is None:
                return None
            self._recent.append(point)
            self._reached += 1
        return dict(self._recent[index - self._reached])


class Untaken:
    """The first point of the enumeration that is not taken, and has the values that a snapshot fixes.

    Args:
        levels: How many values a continuous parameter takes.
        most: At how many points it looks at least; None: at all.
    """

    def __init__(self, levels: int = 5, *, most: int | None = _MOST_LOOKED_AT) -> None:
        self._enumeration, self._most = Enumeration(levels, most=most), most
        self._history: History | None = None
        self._fixed: Parameters = {}
        self._tried = 0

    def find(self, snapshot: Snapshot, taken: Taken) -> dict[str, Any] | None:
        """None when all points are taken, or none of very many that were looked at is free."""
        if self._most is not None:
            self._enumeration.most = self._most + 4 * len(snapshot.history)
        if snapshot.history is not self._history or snapshot.fixed != self._fixed:
            self._history, self._fixed, self._tried = snapshot.history, dict(snapshot.fixed), 0
        index = self._tried
        while (point := self._enumeration.find(snapshot.space, index, snapshot.fixed)) is not None and point in taken:
            # Only what is in the history stays taken for good: a pending trial may yet be withdrawn.
            if index == self._tried and snapshot.history.tried(point):
                self._tried += 1
            index += 1
        return point
