"""Limits on metrics as Gaussian processes see them, and which trials keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Mask, Points
from meristem.bayesopt.outcomes import ExcessScale
from meristem.controllers.arrays import errors
from meristem.controllers.earlier import Lessons
from meristem.controllers.encoded import EncodedSpace
from meristem.controllers.fits import Fits
from meristem.controllers.protocol import Observation, Snapshot

_LARGEST_ERROR = 1e3  # of an excess in its own units; known no better it is as good as unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A process of each limit's excess, as far as any is known; what it predicts should be at most 0."""

    processes: tuple[GaussianProcess, ...] = ()

    def allow(self, points: Points, *, optimism: float = 0.0) -> Mask:
        """At which of the points all limits are expected to be kept, shape (n,).

        Args:
            optimism: By how many standard deviations predictions may turn out better.
        """
        allowed = np.ones(len(points), dtype=bool)
        for process in self.processes:
            found = process.predict(points)
            allowed &= found.mean <= optimism * found.std
        return allowed

    def believing(self, points: Points) -> Limits:
        return Limits(processes=tuple(process.believing(points) for process in self.processes))


def fit_limits(
    snapshot: Snapshot, fitted: Sequence[Observation], chosen: Sequence[Observation], encoded: EncodedSpace,
    lessons: Lessons, fits: Fits,
) -> tuple[Limits, Mask]:  # fmt: skip
    """Processes of the trials `chosen` with what was learned of `fitted`, and who of `chosen` keeps all limits.

    A trial of which an excess is not known keeps no limits.
    """
    kept, processes = np.ones(len(chosen), dtype=bool), []
    for place, constraint in enumerate(snapshot.goals.constraints):
        told = _Told.of(snapshot, chosen, place)
        unknown = np.ones(len(chosen), dtype=bool)
        unknown[told.rows] = False
        kept[unknown] = False
        if not told.rows:
            continue
        few = _Told.of(snapshot, fitted, place)
        few = few if few.rows else told
        scale = ExcessScale.of(few.excesses)
        points = lessons.here(encoded.observed(few.observations))
        hyper = fits.of(
            f"limit {constraint}", points, scale.apply(few.excesses), lessons.kinds, few.variances(scale.unit)
        )
        points = lessons.here(encoded.observed(told.observations))
        variances = told.variances(scale.unit)
        process = GaussianProcess(points, scale.apply(told.excesses), lessons.kinds, hyper, variances)
        processes.append(process)
        # A lucky measurement keeps no limit where it is known to be noisy: then what is predicted counts.
        kept[told.rows] &= np.where(variances > 0, process.fitted, told.excesses) <= 0
    return Limits(processes=tuple(processes)), kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """Trials of which it is known by how much they exceed a limit: which rows they are, excesses, standard errors."""

    rows: list[int]
    observations: list[Observation]
    excesses: Array
    sems: Array

    @classmethod
    def of(cls, snapshot: Snapshot, observations: Sequence[Observation], place: int) -> _Told:
        limit = snapshot.goals.constraints[place]
        excesses = [limit.excess(o.metrics, snapshot.baseline) for o in observations]
        rows = [row for row, excess in enumerate(excesses) if excess is not None]
        known = [observations[row] for row in rows]
        return cls(
            rows=rows,
            observations=known,
            excesses=np.array([excesses[row] for row in rows], dtype=float),
            sems=errors(limit.sem(o.sems) for o in known),
        )

    def variances(self, unit: float) -> Array:
        """Of the excesses on a scale where one stands for `unit`."""
        return np.asarray((np.minimum(self.sems, _LARGEST_ERROR * unit) / unit) ** 2, dtype=float)
