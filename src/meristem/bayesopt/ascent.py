"""Where in the space any acquisition is largest: candidates, then gradient ascent from the best few.

As `optimize`, for acquisitions that are made of several processes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from meristem.bayesopt.kernel import Array, Points
from meristem.bayesopt.optimize import Acquisition, Domain, nudged, repaired

_STARTS = 4
_SPREADS = (0.2, 0.05, 0.01)
_STEPS_BACK = (1.0, 0.5, 0.2, 0.05)
_LEAST_APART = 1e-3  # starts nearer than this in every column climb the same hill
_STEPS = 30
_NEXT_TO_NOTHING = 0.1  # in the acquisition's units, which are logarithms


def find_best(acquisition: Acquisition, domain: Domain, points: Points) -> Array | None:
    """The admissible vector, shape (d,), with the largest value that was found; None when none is admissible.

    Args:
        points: Where to begin, from `candidates`.
    """
    if not len(points):
        return None
    values = acquisition.values(points)
    if domain.pool is None:
        chosen = points.pick(_starts(points.unit, values))
        refined = repaired(_climb(acquisition, chosen, domain), domain)
        if len(refined):
            # What the taken-back moves would have gained must not bring the candidates to the front.
            points = refined.join(points)
            values = np.concatenate([acquisition.values(refined) + _NEXT_TO_NOTHING, values])
    ranked = points.unit[np.argsort(-values, kind="stable")]
    return next((vector for vector in ranked if domain.admits(vector)), None)


def candidates(domain: Domain, known: Array, rng: np.random.Generator) -> Points:
    """All points of a small space, else some spread over it, around the known ones, and between these.

    Args:
        known: Vectors near which to look closer, shape (k, d), such as the points of the front.
    """
    return domain.pool or repaired(_drawn(domain, known, rng), domain)


def _drawn(domain: Domain, known: Array, rng: np.random.Generator) -> Array:
    count = domain.kinds.count
    anywhere = rng.random((domain.candidates // 2, count))
    if not len(known):
        return anywhere
    each = (domain.candidates - len(anywhere)) // (len(_SPREADS) + 1)
    near = [nudged(known[rng.integers(0, len(known), each)], spread, domain, rng) for spread in _SPREADS]
    one, other = known[rng.integers(0, len(known), (2, each))]
    share = np.where(domain.kinds.categorical, np.round(rng.random((each, count))), rng.uniform(-0.2, 1.2, (each, 1)))
    return np.concatenate([anywhere, *near, np.clip(one + share * (other - one), 0.0, 1.0)])


def _starts(unit: Array, values: Array) -> npt.NDArray[np.intp]:
    """The best few points that are not next to each other."""
    chosen: list[int] = []
    for place in np.argsort(-values, kind="stable"):
        if all(np.abs(unit[place] - unit[other]).max(initial=0.0) > _LEAST_APART for other in chosen):
            chosen.append(int(place))
        if len(chosen) == _STARTS:
            break
    return np.array(chosen, dtype=np.intp)


def _climb(acquisition: Acquisition, starts: Points, domain: Domain) -> Array:
    """Follows the gradient from all `starts` at once; gives ends and points on the way back to the starts.

    Points on the way back are for constrained spaces, where the end may lie outside.
    """
    free = starts.active & domain.smooth
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
        options={"maxiter": _STEPS, "ftol": 1e-6, "gtol": 1e-5},
    )
    if not np.all(np.isfinite(found.x)):
        return starts.unit[:0]
    ends = starts.unit.copy()
    ends[free] = found.x
    ends = _tempered(acquisition, starts, ends)
    return np.concatenate([starts.unit + share * (ends - starts.unit) for share in _STEPS_BACK])


def _tempered(acquisition: Acquisition, starts: Points, ends: Array) -> Array:
    """The ends of climbs, shape (k, d), with those moves taken back that gain next to nothing by themselves.

    A trend that the data hardly show would otherwise drive every proposal into the corners.
    """
    rows, columns = np.nonzero(ends != starts.unit)
    undone = ends[rows].copy()
    undone[np.arange(len(rows)), columns] = starts.unit[rows, columns]
    asked = Points(unit=np.concatenate([ends, undone]), active=np.concatenate([starts.active, starts.active[rows]]))
    values = acquisition.values(asked)
    idle = values[: len(ends)][rows] - values[len(ends) :] < _NEXT_TO_NOTHING
    tempered = ends.copy()
    tempered[rows[idle], columns[idle]] = starts.unit[rows[idle], columns[idle]]
    return tempered
