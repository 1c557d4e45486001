"""Short ways to write problems down: boxes, and functions of vectors as functions of named values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.search.problem import Metrics, Problem, Values

Spec = dict[str, Any]


def box(count: int, low: float, high: float) -> dict[str, Spec]:
    return {f"x{i}": {"float": [low, high]} for i in range(1, count + 1)}


def of_values(function: Callable[[Values], float]) -> Callable[[Values], Metrics]:
    """What a function of named values tells, as the metric y."""
    return lambda values: {"y": float(function(values))}


def smooth(
    name: str, function: Callable[[Any], float], ranges: Sequence[tuple[float, float]], optimum: float,
    best: Sequence[float], *, kind: str = "standard", dims: int = 0, places: Sequence[int] = (), **more: Any,
) -> Problem:  # fmt: skip
    """A function of a vector; `places` says which of `dims` parameters matter, all others change nothing."""
    places = places or range(1, len(ranges) + 1)
    at = dict(zip(places, range(len(ranges)), strict=True))
    spare = [i for i in range(1, (dims or len(ranges)) + 1) if i not in at]
    bounds = {i: ranges[at[i]] if i in at else ranges[i % len(ranges)] for i in [*places, *spare]}
    point = {i: best[at[i]] if i in at else bounds[i][0] for i in bounds}
    return Problem(
        name=name, kind=kind, function=_of_vector(function, places), optimum=optimum,
        space={f"x{i}": {"float": list(bounds[i])} for i in sorted(bounds)},
        best={f"x{i}": point[i] for i in sorted(bounds)}, **more,
    )  # fmt: skip


def xs(function: Callable[..., Metrics], count: int, *more: Any) -> Callable[[Values], Metrics]:
    """Of x1 to x`count`; `more` is handed on."""
    names = [f"x{i}" for i in range(1, count + 1)]
    return lambda values: function(_vector(values, names), *more)


def _vector(values: Values, names: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([values[name] for name in names], dtype=float)


def _of_vector(function: Callable[[Any], float], places: Sequence[int]) -> Callable[[Values], Metrics]:
    names = [f"x{place}" for place in places]
    return lambda values: {"y": float(function(_vector(values, names)))}
