"""Values that every recommendation must have: keeps points of the unit cube and of the space at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from meristem.space import Parameters, Space
from meristem.space.encoding import codec_of

Array = npt.NDArray[np.float64]


class Pins:
    """The fixed values of a snapshot, as far as they are of parameters that are searched."""

    def __init__(self, space: Space, fixed: Mapping[str, Any]) -> None:
        self._values = {name: value for name, value in fixed.items() if name in space.parameters}
        places = [place for place, name in enumerate(space.dimensions) if name in self._values]
        self.columns = np.array(places, dtype=np.intp)
        self._units = np.array(
            [codec_of(space.parameters[n]).encode(self._values[n]) for n in space.dimensions if n in self._values],
            dtype=float,
        )

    def __bool__(self) -> bool:
        return bool(self._values)

    def place(self, unit: Array) -> Array:
        """`unit`, shape (d,) or (n, d), with the fixed columns at their places."""
        if not len(self.columns):
            return unit
        pinned = unit.copy()
        pinned[..., self.columns] = self._units
        return pinned

    def point(self, space: Space, unit: Array) -> dict[str, Any]:
        """The point that a vector stands for, the fixed values exactly as they are."""
        return self.settle(space.decode(self.place(unit)))

    def settle(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """A decoded point with the values exactly as fixed, which rounding may have missed."""
        return {name: self._values.get(name, value) for name, value in parameters.items()} if self else parameters

    def hold(self, parameters: Parameters) -> bool:
        """Whether a point has the fixed values, where it has the parameters at all."""
        return all(parameters.get(name, value) == value for name, value in self._values.items())
