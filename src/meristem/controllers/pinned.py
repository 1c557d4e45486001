"""Values that a study fixes for every recommendation, as places of the unit cube."""

from __future__ import annotations

import numpy as np

from meristem.bayesopt.kernel import Array
from meristem.controllers.protocol import Snapshot
from meristem.space.encoding import codec_of


class Pinned:
    """Moves vectors of the unit cube to where the fixed parameters have their values."""

    def __init__(self, snapshot: Snapshot) -> None:
        space = snapshot.space
        names = [name for name in space.dimensions if name in snapshot.fixed]
        self.places = np.array([space.dimensions.index(name) for name in names], dtype=np.intp)
        self._units = np.array([codec_of(space.parameters[n]).encode(snapshot.fixed[n]) for n in names], dtype=float)

    def __call__(self, vector: Array) -> Array:
        """`vector` itself where nothing is fixed, else a moved copy."""
        if not len(self.places):
            return vector
        moved = np.array(vector, dtype=float)
        moved[self.places] = self._units
        return moved
