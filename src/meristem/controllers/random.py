"""Tries random points."""

from __future__ import annotations

from typing import Any

import numpy as np

from meristem.controllers.enumeration import Untaken
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.controllers.taken import Taken
from meristem.errors import SpaceError
from meristem.space.space import SAMPLE_TRIES

_TRIES = 200


class RandomController:
    """Points drawn evenly from the unit cube of the space, none of them twice."""

    def __init__(self) -> None:
        self._untaken = Untaken()

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        taken = Taken(snapshot)
        recommended: list[Recommendation] = []
        for place in range(count):
            point = self.draw(snapshot, taken, place)
            if point is None:
                break
            taken.add(point)
            recommended.append(Recommendation(parameters=point, origin={"by": "random"}))
        return recommended

    def draw(self, snapshot: Snapshot, taken: Taken, place: int) -> dict[str, Any] | None:
        """A point that is not taken, for the recommendation at `place`; None when all are taken.

        Raises:
            SpaceError: The constraints of an infinite space leave too little room to find a point.

        Where nearly all points are taken, drawing rarely hits a free one: then the first free one is given.
        """
        space, rng = snapshot.space, snapshot.rng(place)
        if snapshot.fixed:
            return self._draw_pinned(snapshot, taken, rng)
        try:
            for _ in range(_TRIES):
                point = space.sample(rng)
                if point not in taken:
                    return point
        except SpaceError:  # chance finds nothing between the constraints; the enumeration may
            found = self._untaken.find(snapshot, taken)
            if found is None and space.size is None:
                raise
            return found
        return self._untaken.find(snapshot, taken)

    def _draw_pinned(self, snapshot: Snapshot, taken: Taken, rng: np.random.Generator) -> dict[str, Any] | None:
        space, pins = snapshot.space, Pins(snapshot.space, snapshot.fixed)
        for _ in range(SAMPLE_TRIES):
            point = pins.settle(space.decode(pins.place(rng.random(len(space.dimensions)))))
            if space.is_feasible(point) and point not in taken:
                return point
        return self._untaken.find(snapshot, taken)
