"""Which columns of a space exist in many points at once, where decoding each point would take long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meristem.bayesopt.kernel import Array, Mask
from meristem.space import Space


class Activity:
    """Tells for points of the unit cube which columns are active.

    Attributes:
        dependants: For each column those whose existence hangs on its value, directly or by others between.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        place = {name: column for column, name in enumerate(space.dimensions)}
        parents = {name: set(space.parameters[name].when or ()) for name in space.names}
        self.dependants: tuple[NDArray[np.intp], ...] = tuple(
            np.array([place[n] for n in space.dimensions if name in _ancestors(n, parents)], dtype=np.intp)
            for name in space.dimensions
        )
        self._parents = np.array([c for c, found in enumerate(self.dependants) if len(found)], dtype=np.intp)

    def __call__(self, unit: Array) -> Mask:
        """Which columns of `unit`, shape (m, d), are active; the same shape."""
        if not len(self._parents):
            return np.ones(unit.shape, dtype=bool)
        # Only values of parents decide, and of these there are few.
        found, which = np.unique(unit[:, self._parents], axis=0, return_inverse=True)
        rows = np.full((len(found), unit.shape[1]), 0.5)
        rows[:, self._parents] = found
        masks = np.array([self._space.active_mask(self._space.decode(row)) for row in rows], dtype=bool)
        return np.asarray(masks[which.reshape(-1)], dtype=bool)


def _ancestors(name: str, parents: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*parents[name]]
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting += parents[parent]
    return found
