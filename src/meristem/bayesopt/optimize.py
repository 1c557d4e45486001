"""Where in the space the acquisition is largest: candidates, then gradient ascent from the best few.

Knows the space only through `Domain`, whose functions move vectors onto points that may be proposed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.descent import Box, descend
from meristem.bayesopt.kernel import Array, Kinds, Mask, Points

Repair = Callable[[Array], tuple[Array, Mask] | None]

_STARTS = 4
_NEIGHBOURS_OF = 4
_SPREADS = (0.2, 0.05, 0.01)
_LONGEST, _STEPS, _DECREASE = 0.3, 40, 1e-3  # of one step in a coordinate; how many; in the logarithm
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


class Acquisition(Protocol):
    """What is to be maximized."""

    def values(self, points: Points) -> Array:
        """Shape (m,)."""
        ...

    def slopes(self, points: Points) -> tuple[Array, Array]:
        """Values, shape (m,), and derivatives by the points' values, shape (m, d)."""
        ...


def maximize_acquisition(
    acquisition: Acquisition, domain: Domain, *, near: Array, rng: np.random.Generator
) -> Array | None:
    """The admissible vector, shape (d,), with the largest value that was found; None without one.

    Args:
        near: Places worth looking around, best first, shape (any, d).
    """
    points = domain.pool or repaired(_candidates(near[:_NEIGHBOURS_OF], domain, rng), domain)
    if not len(points):
        return None
    values = acquisition.values(points)
    if domain.pool is None:
        starts = points.pick(np.argsort(-values, kind="stable")[:_STARTS])
        refined = repaired(_climb(acquisition, starts, domain.smooth), domain)
        points = points.join(refined)
        values = np.concatenate([values, acquisition.values(refined)]) if len(refined) else values
    ranked = points.unit[np.argsort(-values, kind="stable")]
    return next((vector for vector in ranked if domain.admits(vector)), None)


def _candidates(top: Array, domain: Domain, rng: np.random.Generator) -> Array:
    """Vectors spread over the cube and around the best points known."""
    count = domain.kinds.count
    anywhere = rng.random((domain.candidates // 2, count))
    if not len(top):
        return anywhere
    each = max(1, (domain.candidates - len(anywhere)) // (len(top) * len(_SPREADS)))
    around = [nudged(np.repeat(top, each, axis=0), spread, domain, rng) for spread in _SPREADS]
    return np.concatenate([anywhere, *around])


def nudged(near: Array, spread: float, domain: Domain, rng: np.random.Generator) -> Array:
    """Vectors beside `near`, shape (n, d): numeric columns moved by about `spread`, others drawn anew."""
    # Few columns at a time: in many dimensions a move in all of them is hardly near.
    moved = rng.random(near.shape) < min(1.0, 3.0 / max(1, near.shape[1]))
    drawn = np.clip(near + spread * rng.standard_normal(near.shape), 0.0, 1.0)
    anew = rng.random(near.shape)
    drawn = np.where(domain.kinds.categorical | (~domain.smooth & (anew < 0.3)), anew, drawn)
    return np.where(moved, drawn, near)


def repaired(vectors: Array, domain: Domain) -> Points:
    """The points of the space that `vectors` stand for, without those that may not be proposed."""
    rows = [row for row in map(domain.repair, vectors) if row is not None]
    return Points.stack(rows, domain.kinds.count)


def _climb(acquisition: Acquisition, starts: Points, smooth: Mask) -> Array:
    """Follows the gradient from all `starts` at once; gives ends and points on the way back to the starts.

    Points on the way back are for constrained spaces, where the end may lie outside.
    """
    free = starts.active & smooth
    if not free.any():
        return starts.unit[:0]

    def descent(unit: Array, rows: npt.NDArray[np.intp]) -> tuple[Array, Array]:
        values, slopes = acquisition.slopes(Points(unit=unit, active=starts.active[rows]))
        return -values, np.where(free[rows], -slopes, 0.0)

    count = starts.unit.shape[1]
    box = Box(low=np.zeros(count), high=np.ones(count), longest=_LONGEST, steps=_STEPS, decrease=_DECREASE)
    ends, values = descend(descent, starts.unit, box)
    ends = ends[np.isfinite(values)]
    begins = starts.unit[np.isfinite(values)]
    return np.concatenate([begins + share * (ends - begins) for share in _STEPS_BACK])
