"""Limits on metrics as Gaussian processes see them, and which trials keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Mask, Points
from meristem.bayesopt.outcomes import standardize_excesses
from meristem.controllers.arrays import errors
from meristem.controllers.earlier import Lessons
from meristem.controllers.encoded import EncodedSpace
from meristem.controllers.fits import Fits, fitted_count
from meristem.controllers.protocol import Observation, Snapshot

_MOST_FITTED = 150
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
    snapshot: Snapshot, chosen: Sequence[Observation], encoded: EncodedSpace, lessons: Lessons, fits: Fits
) -> tuple[Limits, Mask]:
    """Processes fitted to the trials `chosen`, and which of these keep all limits, shape (n,).

    A trial of which an excess is not known keeps no limits.
    """
    kept, processes = np.ones(len(chosen), dtype=bool), []
    excesses = [snapshot.goals.excesses(o.metrics, snapshot.baseline) for o in chosen]
    for place, constraint in enumerate(snapshot.goals.constraints):
        rows = [row for row, found in enumerate(excesses) if found[place] is not None]
        kept[[row for row, found in enumerate(excesses) if found[place] is None]] = False
        if not rows:
            continue
        raw = np.array([excesses[row][place] for row in rows], dtype=float)
        values, scale = standardize_excesses(raw)
        sems = errors([constraint.sem(chosen[row].sems) for row in rows])
        variances = (np.minimum(sems, _LARGEST_ERROR * scale) / scale) ** 2
        points = lessons.here(encoded.observed([chosen[row] for row in rows]))
        few = slice(max(0, fitted_count(len(rows)) - _MOST_FITTED), max(1, fitted_count(len(rows))))
        hyper = fits.of(f"limit {constraint}", points.pick(few), values[few], lessons.kinds, variances[few])
        process = GaussianProcess(points, values, lessons.kinds, hyper, variances)
        processes.append(process)
        # A lucky measurement keeps no limit where it is known to be noisy: then what is predicted counts.
        kept[rows] &= np.where(variances > 0, process.fitted, raw) <= 0
    return Limits(processes=tuple(processes)), kept
