"""What a problem is: a space, metrics of a point, what is wanted of them, and how good it can get."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Values = Mapping[str, Any]
Metrics = dict[str, float]
NOISE_CYCLE = (0.5, 1.0, 2.0)  # where the standard error is told, it differs from trial to trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something to search. All objectives are to be made small.

    Attributes:
        kind: Which table it belongs to, such as "noisy".
        space: Parameters as in a study file: `meristem.Space(problem.space)` takes them, and the peers' adapters
            read them, so that nothing here needs Meristem.
        function: The exact metrics of a point.
        minimize: The metrics that are objectives.
        limits: Such as "c <= 0", on metrics.
        optimum: The lowest exact loss that keeps the limits, known or best known; of several objectives, the
            greatest hypervolume.
        best: A point that reaches the optimum; None where there are several objectives.
        reference: Of several objectives: where hypervolume is measured from. Optimizers are not told.
        noise: Standard deviation of normal noise, by metric.
        tells_sem: Whether the noise's standard deviation is told with each value; it then differs by trial.
        trials: How many trials a run has.
    """

    name: str
    kind: str
    space: Mapping[str, Mapping[str, Any]]
    function: Callable[[Values], Metrics]
    minimize: Sequence[str] = ("y",)
    limits: Sequence[str] = ()
    optimum: float
    best: Values | None = None
    reference: Sequence[float] = ()
    noise: Mapping[str, float] = field(default_factory=dict)
    tells_sem: bool = False
    trials: int = 50

    @property
    def objective(self) -> str:
        """As `meristem.Study` takes it."""
        return ", ".join(f"-{name}" for name in self.minimize)

    def losses(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        return tuple(metrics[name] for name in self.minimize)

    def excesses(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """By how much each limit is broken; at most 0 where it is kept."""
        return tuple(sign * (metrics[name] - bound) for name, sign, bound in map(read_limit, self.limits))

    def allowed(self, metrics: Mapping[str, float], tolerance: float = 1e-9) -> bool:
        return all(excess <= tolerance for excess in self.excesses(metrics))

    def measure(self, values: Values, number: int, seed: int) -> tuple[Metrics, Metrics]:
        """What trial `number` of run `seed` measures: metrics, and their standard errors where they are told."""
        exact = self.function(values)
        if not self.noise:
            return exact, {}
        rng = np.random.default_rng([seed, number, 77])
        factor = NOISE_CYCLE[number % len(NOISE_CYCLE)] if self.tells_sem else 1.0
        sems = {name: factor * sd for name, sd in self.noise.items()}
        noisy = {name: value + sems.get(name, 0.0) * float(rng.standard_normal()) for name, value in exact.items()}
        return noisy, (sems if self.tells_sem else {})


def read_limit(text: str) -> tuple[str, float, float]:
    """Metric, sign and bound of a limit: it is kept where sign * (metric - bound) <= 0."""
    name, relation, bound = text.split()
    return name, {"<=": 1.0, ">=": -1.0}[relation], float(bound)


def kind_of(spec: Mapping[str, Any]) -> str:
    """`float`, `int` or `choice`."""
    return next(kind for kind in ("float", "int", "choice") if kind in spec)


def exists(spec: Mapping[str, Any], values: Values) -> bool:
    """Whether a parameter exists where its parents have these values."""
    for parent, allowed in spec.get("when", {}).items():
        options = allowed if isinstance(allowed, (list, tuple)) else [allowed]
        if parent not in values or values[parent] not in options:
            return False
    return True


def point_at(space: Mapping[str, Mapping[str, Any]], unit: Sequence[float]) -> dict[str, Any]:
    """The point at a place of the unit cube, one coordinate a parameter; parents stand before children."""
    found: dict[str, Any] = {}
    for (name, spec), u in zip(space.items(), unit, strict=True):
        if exists(spec, found):
            found[name] = _value_at(spec, min(max(float(u), 0.0), 1.0))
    return found


def _value_at(spec: Mapping[str, Any], u: float) -> Any:
    kind = kind_of(spec)
    if kind == "choice":
        return spec["choice"][min(int(u * len(spec["choice"])), len(spec["choice"]) - 1)]
    low, high = spec[kind]
    spread = (math.log(low), math.log(high)) if spec.get("log") else (low, high)
    if kind == "float":
        value = spread[0] + u * (spread[1] - spread[0])
        return min(max(math.exp(value) if spec.get("log") else value, low), high)
    if spec.get("log"):
        return min(max(round(math.exp(spread[0] + u * (spread[1] - spread[0]))), low), high)
    return low + min(int(u * (high - low + 1)), high - low)
