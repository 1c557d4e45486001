"""A space and a study's history as a Gaussian process sees them: vectors, masks, standardized losses.

What is remembered between questions (encoded points, the last fit) is found again by content, so that it
saves time and never changes an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from meristem.bayesopt.gp import GaussianProcess, fit_hyperparameters
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Mask, Points
from meristem.bayesopt.optimize import Domain, maximize
from meristem.bayesopt.outcomes import choose_subset, standardize
from meristem.controllers.protocol import Observation, Snapshot
from meristem.controllers.taken import Taken
from meristem.space import Parameters, Space

_MOST_POINTS = 500
_MOST_FITTED = 150
_MOST_FAILED = 50
_MOST_PENDING = 200
_MOST_REMEMBERED = 4 * _MOST_POINTS
_ENUMERABLE = 256
_COARSE = 16  # parameters of at most so many values are searched value by value, not along a gradient
_FAILED_QUANTILE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """A fitted process and the space it stands for."""

    surrogate: Surrogate
    process: GaussianProcess

    def most_promising(self, taken: Taken, rng: np.random.Generator) -> dict[str, Any] | None:
        """The untaken point with the largest expected improvement that was found; None where none was."""
        space = self.surrogate.space

        def admits(vector: Array) -> bool:
            return space.decode(vector) not in taken

        domain = replace(self.surrogate.domain, admits=admits)
        # What pending trials are believed to reach counts as reached, or they would be proposed once more.
        vector = maximize(self.process, domain, best=float(self.process.fitted.min()), rng=rng)
        return None if vector is None else space.decode(vector)

    def after(self, parameters: Parameters) -> Belief:
        """What to believe once `parameters` are being tried."""
        return replace(self, process=self.process.believing(self.surrogate.points([parameters])))


class Surrogate:
    """Turns snapshots of studies over `space` into beliefs."""

    def __init__(self, space: Space) -> None:
        self.space = space
        parameters = [space.parameters[name] for name in space.dimensions]
        self._kinds = Kinds(
            categorical=np.array([not p.ordinal for p in parameters], dtype=bool),
            conditional=np.array([p.when is not None for p in parameters], dtype=bool),
        )
        sizes = [p.cardinality for p in parameters]
        smooth = np.array([size is None or size > _COARSE for size in sizes]) & ~self._kinds.categorical
        self._plain = not space.constraints and not self._kinds.conditional.any() and not any(sizes)
        self._rows: dict[int, tuple[Parameters, tuple[Array, Mask]]] = {}
        self._fit: tuple[tuple[bytes, ...], Hyperparameters] | None = None
        self.domain = Domain(kinds=self._kinds, smooth=smooth, repair=self._repair, pool=self._pool())

    def believe(self, snapshot: Snapshot) -> Belief:
        """Fits to the losses of `snapshot`, of which there must be one at least.

        Raises:
            numpy.linalg.LinAlgError: The fit fails numerically.
        """
        measured = snapshot.history.measured()
        hyper = self._hyperparameters(measured)
        chosen = _subset(measured, _MOST_POINTS)
        losses = standardize(_losses(chosen))
        failed = [o for o in snapshot.history if o.status == "failed" and o.loss is None][-_MOST_FAILED:]
        # A failure counts as a rather bad loss: its neighbourhood is avoided, not walled off.
        assumed = np.full(len(failed), np.quantile(losses, _FAILED_QUANTILE))
        points = self._observed([*chosen, *failed])
        process = GaussianProcess(points, np.concatenate([losses, assumed]), self._kinds, hyper)
        pending = self._observed(snapshot.pending[-_MOST_PENDING:])
        return Belief(surrogate=self, process=process.believing(pending))

    def points(self, given: Sequence[Parameters]) -> Points:
        return Points.stack([self._encode(parameters) for parameters in given], self._kinds.count)

    def _hyperparameters(self, measured: Sequence[Observation]) -> Hyperparameters:
        """Fits to the history as of the last multiple of some step, so that many questions share one fit."""
        step = max(1, len(measured) // 12)
        fitted = _subset(measured[: len(measured) - len(measured) % step], _MOST_FITTED)
        points, losses = self._observed(fitted), standardize(_losses(fitted))
        content = (points.unit.tobytes(), points.active.tobytes(), losses.tobytes())
        if self._fit is None or self._fit[0] != content:
            self._fit = (content, fit_hyperparameters(points, losses, self._kinds))
        return self._fit[1]

    def _observed(self, observations: Sequence[Observation]) -> Points:
        if len(self._rows) > _MOST_REMEMBERED:
            self._rows.clear()
        rows = []
        for observation in observations:
            remembered = self._rows.get(observation.number)
            if remembered is None or remembered[0] is not observation.parameters:
                remembered = (observation.parameters, self._encode(observation.parameters))
                self._rows[observation.number] = remembered
            rows.append(remembered[1])
        return Points.stack(rows, self._kinds.count)

    def _encode(self, parameters: Parameters) -> tuple[Array, Mask]:
        return self.space.encode(parameters), self.space.active_mask(parameters)

    def _repair(self, vector: Array) -> tuple[Array, Mask] | None:
        if self._plain:
            return np.clip(vector, 0.0, 1.0), np.ones(len(vector), dtype=bool)
        parameters = self.space.decode(vector)
        return self._encode(parameters) if self.space.is_feasible(parameters) else None

    def _pool(self) -> Points | None:
        if self.space.size is None or self.space.size > _ENUMERABLE:
            return None
        return self.points(list(self.space.points()))


def _subset(measured: Sequence[Observation], limit: int) -> list[Observation]:
    return [measured[place] for place in choose_subset(_losses(measured), limit)]


def _losses(measured: Sequence[Observation]) -> Array:
    return np.array([o.loss for o in measured], dtype=float)
