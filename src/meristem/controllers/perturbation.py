"""A neighbour of a point, as population based training explores: each value resampled or moved a little."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meristem.space import Choice, Float, Int, Parameter, Parameters, Space

_FACTORS = (0.8, 1.2)
_LEAST_MOVE = 0.02  # of the range, for values near zero that a factor would not move
_TRIES = 50


def perturbed(
    space: Space, point: Parameters, rng: np.random.Generator, *, resample: float, keep: Collection[str] = ()
) -> dict[str, Any]:
    """A feasible point near `point`; `point` itself where chance finds none between the constraints.

    Numbers are multiplied by 0.8 or 1.2 (moved by at least one value where they are stepped), ordered choices
    moved to a neighbour, other choices kept; what becomes active is drawn.

    Args:
        resample: How probable it is that a parameter is drawn anew instead.
        keep: Parameters that stay as they are.
    """
    unit, active = space.encode(point), space.active_mask(point)
    for _ in range(_TRIES):
        found = space.decode(_moved(space, point, unit, active, rng, resample, keep))
        if space.is_feasible(found) and all(found.get(name, point.get(name)) == point.get(name) for name in keep):
            return found
    return dict(point)


def _moved(
    space: Space,
    point: Parameters,
    unit: NDArray[np.float64],
    active: NDArray[np.bool_],
    rng: np.random.Generator,
    resample: float,
    keep: Collection[str],
) -> NDArray[np.float64]:
    """Every column uses up the same random numbers, whatever becomes of it."""
    moved = unit.copy()
    drawn, chances, sides = (rng.random(len(unit)) for _ in range(3))
    for place, name in enumerate(space.dimensions):
        parameter = space.parameters[name]
        if name in keep and active[place]:
            continue
        if not active[place] or chances[place] < resample:
            moved[place] = drawn[place]
        elif parameter.ordinal:
            moved[place] += _move(parameter, point[name], _FACTORS[int(sides[place] < 0.5)])
    return np.clip(moved, 0.0, 1.0)


def _move(parameter: Parameter, value: Any, factor: float) -> float:
    """By how much the place in the unit interval changes, at least one value of a stepped parameter."""
    size = _LEAST_MOVE
    match parameter:
        case Float(log=True) | Int(log=True):
            size = (
                abs(math.log(factor)) / math.log(parameter.high / parameter.low)
                if parameter.high > parameter.low
                else 0
            )
        case Float() | Int():
            width = parameter.high - parameter.low
            size = max(size, abs(value * (factor - 1.0)) / width) if width else 0.0
        case Choice():
            size = 0.0
    values = parameter.cardinality
    size = max(size, 1.0 / values) if values else size
    return math.copysign(size, factor - 1.0)
