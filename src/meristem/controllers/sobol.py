"""Tries the points of a scrambled Sobol sequence, which fills a space more evenly than chance does."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from meristem.controllers.pins import Pins
from meristem.controllers.positions import Position
from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.taken import Taken

_TRIES = 512
_BLOCK = 256


class SobolController:
    """The sequence that belongs to the study's seed, without what is infeasible or taken.

    Where many points in a row cannot be used (nearly all are taken, or constraints leave little room) a
    random one is given.
    """

    def __init__(self) -> None:
        self._position = Position("sobol")
        self._random = RandomController()

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        taken = Taken(snapshot)
        index = self._position.next(snapshot)
        recommended: list[Recommendation] = []
        for place in range(count):
            index, point = self._next_usable(snapshot, taken, index)
            origin: dict[str, Any] = {"by": "sobol", "index": index}
            if point is None:
                point = self._random.draw(snapshot, taken, place)
                origin["fallback"] = "random"
            if point is None:
                break
            taken.add(point)
            recommended.append(Recommendation(parameters=point, origin=origin))
            index += 1
        return recommended

    def _next_usable(self, snapshot: Snapshot, taken: Taken, start: int) -> tuple[int, dict[str, Any] | None]:
        space = snapshot.space
        pins = Pins(space, snapshot.fixed)
        for index in range(start, start + _TRIES):
            number, row = divmod(index, _BLOCK)
            unit = _block(len(space.dimensions), snapshot.seed, number)[row]
            point = pins.settle(space.decode(pins.place(unit)))
            if space.is_feasible(point) and point not in taken:
                return index, point
        return start + _TRIES - 1, None


@lru_cache(maxsize=8)
def _block(dimensions: int, seed: int, number: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Points `number * _BLOCK` and following of the sequence, shape (_BLOCK, dimensions)."""
    from scipy.stats import qmc  # takes most of a second to import, and not every study needs it

    if dimensions == 0:
        return np.zeros((_BLOCK, 0))
    sequence = qmc.Sobol(dimensions, scramble=True, rng=seed)
    if number:
        sequence.fast_forward(number * _BLOCK)
    points = np.asarray(sequence.random(_BLOCK), dtype=float)
    points.flags.writeable = False
    return points
