"""Where in the space the acquisition is largest: candidates, then gradient ascent from the best few.

Knows the space only through `Domain`, whose functions move vectors onto points that may be proposed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from meristem.bayesopt.acquisition import log_expected_improvement, log_expected_improvement_slopes
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Kinds, Mask, Points

Repair = Callable[[Array], tuple[Array, Mask] | None]

_STARTS = 4
_NEIGHBOURS_OF = 4
_SPREADS = (0.2, 0.05, 0.01)
_STEPS_BACK = (1.0, 0.5, 0.2, 0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What the maximization needs to know of a search space.

    Attributes:
        smooth: Shape (d,); columns fine enough to follow a gradient in.
        repair: From any vector of the unit cube to the point of the space that it stands for, and its mask
            of active columns; None where constraints forbid it.
        admits: Whether a repaired vector may be proposed; asked for the most promising first.
        pool: All points of a small finite space, to be looked at instead of random candidates.
        candidates: How many random candidates to look at.
    """

    kinds: Kinds
    smooth: Mask
    repair: Repair
    admits: Callable[[Array], bool] = lambda vector: True
    pool: Points | None = None
    candidates: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Acquisition:
    process: GaussianProcess
    best: float

    def values(self, points: Points) -> Array:
        found = self.process.predict(points)
        return log_expected_improvement(found.mean, found.std, self.best)

    def slopes(self, points: Points) -> tuple[Array, Array]:
        return log_expected_improvement_slopes(self.process, points, self.best)


def maximize(process: GaussianProcess, domain: Domain, *, best: float, rng: np.random.Generator) -> Array | None:
    """The admissible vector, shape (d,), with the largest log expected improvement that was found.

    Args:
        best: Lowest value so far, in the units of the process.

    Returns:
        None when no candidate is admissible.
    """
    acquisition = _Acquisition(process=process, best=best)
    points = domain.pool or _repaired(_candidates(process, domain, rng), domain)
    if not len(points):
        return None
    values = acquisition.values(points)
    if domain.pool is None:
        starts = points.pick(np.argsort(-values, kind="stable")[:_STARTS])
        refined = _repaired(_climb(acquisition, starts, domain.smooth), domain)
        points = points.join(refined)
        values = np.concatenate([values, acquisition.values(refined)])
    ranked = points.unit[np.argsort(-values, kind="stable")]
    return next((vector for vector in ranked if domain.admits(vector)), None)


def _candidates(process: GaussianProcess, domain: Domain, rng: np.random.Generator) -> Array:
    """Vectors spread over the cube and around the best points known."""
    count = domain.kinds.count
    anywhere = rng.random((domain.candidates // 2, count))
    top = process.points.unit[np.argsort(process.outcomes, kind="stable")[:_NEIGHBOURS_OF]]
    each = max(1, (domain.candidates - len(anywhere)) // (len(top) * len(_SPREADS)))
    around = []
    for spread in _SPREADS:
        near = np.repeat(top, each, axis=0)
        # Few columns at a time: in many dimensions a move in all of them is hardly near.
        moved = rng.random(near.shape) < min(1.0, 3.0 / max(1, count))
        drawn = np.clip(near + spread * rng.standard_normal(near.shape), 0.0, 1.0)
        anew = rng.random(near.shape)
        drawn = np.where(domain.kinds.categorical | (~domain.smooth & (anew < 0.3)), anew, drawn)
        around.append(np.where(moved, drawn, near))
    return np.concatenate([anywhere, *around])


def _repaired(vectors: Array, domain: Domain) -> Points:
    rows = [row for row in map(domain.repair, vectors) if row is not None]
    return Points.stack(rows, domain.kinds.count)


def _climb(acquisition: _Acquisition, starts: Points, smooth: Mask) -> Array:
    """Follows the gradient from all `starts` at once; gives ends and points on the way back to the starts.

    Points on the way back are for constrained spaces, where the end may lie outside.
    """
    free = starts.active & smooth
    if not free.any():
        return starts.unit[:0]

    def descent(flat: Array) -> tuple[float, Array]:
        unit = starts.unit.copy()
        unit[free] = flat
        values, slopes = acquisition.slopes(Points(unit=unit, active=starts.active))
        return -float(values.sum()), -slopes[free]

    start = starts.unit[free]
    found = minimize(
        descent,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 1.0)] * len(start),
        options={"maxiter": 40, "ftol": 1e-7, "gtol": 1e-5},
    )
    if not np.all(np.isfinite(found.x)):
        return starts.unit[:0]
    ends = starts.unit.copy()
    ends[free] = found.x
    return np.concatenate([starts.unit + share * (ends - starts.unit) for share in _STEPS_BACK])
