"""Tries every point of a grid in order."""

from __future__ import annotations

from meristem.controllers.enumeration import Enumeration, Untaken
from meristem.controllers.positions import Position
from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.controllers.taken import Taken
from meristem.errors import InputError


class GridController:
    """Every combination, continuous parameters at `levels` values from end to end.

    Parameters of few values take all of them, whatever `levels` says. The study ends after the last point. Values
    that are fixed take the place of a parameter's own, of which they need be none.
    """

    ends_by_itself = True

    def __init__(self, levels: int = 5) -> None:
        if isinstance(levels, bool) or not isinstance(levels, int) or levels < 1:
            raise InputError(
                f"The grid's levels must be a whole number of at least 1, not {levels!r}.",
                fix="It is how many values a continuous parameter takes, such as levels: 5.",
            )
        self.levels = levels
        self._points = Enumeration(levels)
        self._position = Position("grid")
        self._untaken = Untaken(levels, most=None)

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        if snapshot.fixed:
            return self._recommend_with(snapshot, count)
        taken = Taken(snapshot)
        index = self._position.next(snapshot)
        recommended: list[Recommendation] = []
        while len(recommended) < count:
            point = self._points.find(snapshot.space, index)
            if point is None:
                break
            if point not in taken:
                taken.add(point)
                recommended.append(Recommendation(parameters=point, origin={"by": "grid", "index": index}))
            index += 1
        return recommended

    def _recommend_with(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        """As `recommend`, on the grid beside the fixed values; it has no part in the order of the whole grid."""
        taken, recommended = Taken(snapshot), list[Recommendation]()
        while len(recommended) < count and (point := self._untaken.find(snapshot, taken)) is not None:
            taken.add(point)
            recommended.append(Recommendation(parameters=point, origin={"by": "grid", "fixed": sorted(snapshot.fixed)}))
        return recommended
