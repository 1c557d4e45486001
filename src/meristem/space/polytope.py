"""Draws points between linear constraints that leave so little room that chance finds none.

A linear program finds the middle of the feasible region; a random walk (hit and run, Smith 1984) leaves from
there. Only linear constraints of numeric parameters without conditions are understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meristem.space.constraints import Constraint, LinearConstraint
from meristem.space.parameters import Float, Int, Parameter

_STEPS_A_COLUMN = 10
_ROUNDINGS = 50

Array = NDArray[np.float64]


class Polytope:
    """The feasible region of some numeric parameters.

    Attributes:
        names: The parameters that the constraints name.
    """

    def __init__(self, parameters: Mapping[str, Float | Int], constraints: Sequence[LinearConstraint]) -> None:
        self.names = list(parameters)
        self._parameters = parameters
        low = np.array([parameter.low for parameter in parameters.values()], dtype=float)
        self._low, self._width = low, np.array([p.high for p in parameters.values()], dtype=float) - low
        rows = np.array([[c.terms.get(name, 0.0) for name in self.names] for c in constraints])
        bound = np.array([c.bound for c in constraints]) - rows @ low
        scale = np.maximum(np.abs(rows * self._width).max(axis=1), np.finfo(float).tiny)
        self._rows, self._bound = rows * self._width / scale[:, None], bound / scale
        self._middle = self._find_middle()

    @classmethod
    def of(cls, parameters: Mapping[str, Parameter], constraints: Sequence[Constraint]) -> Polytope | None:
        """The region of all constraints; None where one is not linear, or names a parameter of another kind."""
        linear = [c for c in constraints if isinstance(c, LinearConstraint)]
        named = {name: parameters[name] for name in parameters if any(name in c.names for c in linear)}
        numeric = {n: p for n, p in named.items() if isinstance(p, (Float, Int)) and p.when is None}
        if not linear or len(linear) < len(constraints) or len(numeric) < len(named):
            return None
        return cls(numeric, linear)

    def sample(self, rng: np.random.Generator) -> dict[str, Any] | None:
        """Values of the named parameters, nearly uniform in the region; None where none were found.

        Whole numbers and steps are rounded to afterwards, and may then lie just outside.
        """
        if self._middle is None:
            return None
        place = self._middle
        for _ in range(_STEPS_A_COLUMN * len(place)):
            place = self._step(place, rng)
        return self._round(place, rng)

    def roundings(self) -> int:
        """How often it is worth to draw again when rounding has led outside."""
        return 1 if all(isinstance(p, Float) and p.step is None for p in self._parameters.values()) else _ROUNDINGS

    def _step(self, place: Array, rng: np.random.Generator) -> Array:
        """A uniform step along a random line through the region."""
        direction = rng.standard_normal(len(place))
        direction /= np.linalg.norm(direction)
        rows = np.concatenate([self._rows, np.eye(len(place)), -np.eye(len(place))])
        room = np.concatenate([self._bound, np.ones(len(place)), np.zeros(len(place))]) - rows @ place
        slope = rows @ direction
        reach = np.maximum(room, 0.0) / np.where(slope == 0, np.inf, np.abs(slope))
        ahead = float(reach[slope > 0].min(initial=1.0))
        back = float(reach[slope < 0].min(initial=1.0))
        return np.clip(place + rng.uniform(-back, ahead) * direction, 0.0, 1.0)

    def _round(self, place: Array, rng: np.random.Generator) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, unit, low, width in zip(self.names, place, self._low, self._width, strict=True):
            parameter, value = self._parameters[name], low + unit * width
            if parameter.step is not None or isinstance(parameter, Int):
                step = parameter.step or 1
                steps = (value - low) / step
                count = int(np.floor(steps) + (rng.random() < steps - np.floor(steps)))
                value = low + min(count, int((parameter.high - low) / step + 1e-9)) * step
            values[name] = round(float(value)) if isinstance(parameter, Int) else float(min(value, parameter.high))
        return values

    def _find_middle(self) -> Array | None:
        """The centre of the largest ball between the constraints and bounds, shape (d,) in units of the ranges."""
        from scipy.optimize import linprog  # heavy: only where chance found no point

        count = len(self.names)
        norms = np.linalg.norm(self._rows, axis=1, keepdims=True)
        box = np.concatenate([np.eye(count), -np.eye(count)])
        answer = linprog(
            [0.0] * count + [-1.0],
            A_ub=np.vstack([np.hstack([self._rows, norms]), np.hstack([box, np.ones((2 * count, 1))])]),
            b_ub=np.concatenate([self._bound, np.ones(count), np.zeros(count)]),
            bounds=[(0.0, 1.0)] * count + [(0.0, None)],
        )
        found: Any = answer.x
        return np.asarray(found[:count], dtype=float) if answer.status == 0 else None
