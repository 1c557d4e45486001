"""Where in the space an acquisition is largest: from random candidates up the gradient, and over neighbouring values.

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
_LEAST_APART = 1e-3  # starts nearer than this in every column climb the same hill
_SPREADS = (0.2, 0.05, 0.01)
_LONGEST, _STEPS, _DECREASE = 0.3, 40, 1e-3  # of one step in a coordinate; how many; in the logarithm
_STEPS_BACK = (1.0, 0.5, 0.2, 0.05)
_WALKS = 3
_MOST_BESIDE = 256  # of the neighbours of one point


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What the maximization needs to know of a search space.

    Attributes:
        smooth: Shape (d,); columns fine enough to follow a gradient in.
        levels: By column the places of its values, in rising order; None where it is continuous or nearly so.
        repair: From any vector of the unit cube to the point of the space that it stands for, and its mask
            of active columns; None where constraints forbid it.
        admits: Whether a repaired vector may be proposed; asked for the most promising first.
        pool: All points of a small finite space, to be looked at instead of random candidates.
        candidates: How many random candidates to look at.
    """

    kinds: Kinds
    smooth: Mask
    repair: Repair
    levels: tuple[Array | None, ...]
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


def maximize_acquisition(acquisition: Acquisition, domain: Domain, points: Points) -> Array | None:
    """The admissible vector, shape (d,), with the largest value that was found; None without one.

    Args:
        points: Where to begin, from `candidates`.
    """
    if not len(points):
        return None
    values = acquisition.values(points)
    if domain.pool is None:
        best = points.pick(_apart(points.unit, values))
        points, values = _with(points, values, acquisition, repaired(_climb(acquisition, best, domain.smooth), domain))
        if any(levels is not None for levels in domain.levels):
            points, values = _walk(acquisition, domain, points, values)
    ranked = points.unit[np.argsort(-values, kind="stable")]
    return next((vector for vector in ranked if domain.admits(vector)), None)


def candidates(domain: Domain, known: Array, rng: np.random.Generator) -> Points:
    """All points of a small space, else some spread over it, around the known ones, and between these.

    Args:
        known: Vectors near which to look closer, shape (k, d), such as the best, or those of a front.
    """
    return domain.pool or repaired(_drawn(domain, known, rng), domain)


def repaired(vectors: Array, domain: Domain) -> Points:
    """The points of the space that `vectors` stand for, without those that may not be proposed."""
    rows = [row for row in map(domain.repair, vectors) if row is not None]
    return Points.stack(rows, domain.kinds.count)


def _drawn(domain: Domain, known: Array, rng: np.random.Generator) -> Array:
    count = domain.kinds.count
    anywhere = rng.random((domain.candidates // 2, count))
    if not len(known):
        return anywhere
    each = (domain.candidates - len(anywhere)) // (len(_SPREADS) + 1)
    near = [_nudged(known[rng.integers(0, len(known), each)], spread, domain, rng) for spread in _SPREADS]
    one, other = known[rng.integers(0, len(known), (2, each))]
    share = np.where(domain.kinds.categorical, np.round(rng.random((each, count))), rng.uniform(-0.2, 1.2, (each, 1)))
    return np.concatenate([anywhere, *near, np.clip(one + share * (other - one), 0.0, 1.0)])


def _nudged(near: Array, spread: float, domain: Domain, rng: np.random.Generator) -> Array:
    """Vectors beside `near`, shape (n, d): numeric columns moved by about `spread`, others drawn anew."""
    # Few columns at a time: in many dimensions a move in all of them is hardly near.
    moved = rng.random(near.shape) < min(1.0, 3.0 / max(1, near.shape[1]))
    drawn = np.clip(near + spread * rng.standard_normal(near.shape), 0.0, 1.0)
    anew = rng.random(near.shape)
    drawn = np.where(domain.kinds.categorical | (~domain.smooth & (anew < 0.3)), anew, drawn)
    return np.where(moved, drawn, near)


def _apart(unit: Array, values: Array) -> npt.NDArray[np.intp]:
    """The rows with the largest values that are not next to each other."""
    chosen: list[int] = []
    for place in np.argsort(-values, kind="stable"):
        if all(np.abs(unit[place] - unit[other]).max(initial=0.0) > _LEAST_APART for other in chosen):
            chosen.append(int(place))
        if len(chosen) == _STARTS:
            break
    return np.array(chosen, dtype=np.intp)


def _with(points: Points, values: Array, acquisition: Acquisition, more: Points) -> tuple[Points, Array]:
    return (points.join(more), np.concatenate([values, acquisition.values(more)])) if len(more) else (points, values)


def _walk(acquisition: Acquisition, domain: Domain, points: Points, values: Array) -> tuple[Points, Array]:
    """With what is reached from the best few by steps to neighbouring values, and up the gradient of the other columns.

    A climb treats fine grids as continuous; at its end they are rounded, and the other columns no longer fit.
    """
    continuous = domain.smooth & np.array([levels is None for levels in domain.levels])
    best = np.argsort(-values, kind="stable")[:_STARTS]
    at, height = points.pick(best), values[best]
    for _ in range(_WALKS):
        before = height
        for row, mask in zip(at.unit, at.active, strict=True):
            at, height = _with(at, height, acquisition, repaired(_neighbours(row, mask, domain), domain))
        best = np.argsort(-height, kind="stable")[:_STARTS]
        at, height = at.pick(best), height[best]
        at, height = _with(at, height, acquisition, repaired(_climb(acquisition, at, continuous), domain))
        points, values = points.join(at), np.concatenate([values, height])
        best = np.argsort(-height, kind="stable")[:_STARTS]
        at, height = at.pick(best), height[best]
        if height[0] <= before[0] + _DECREASE:
            break
    return points, values


def _neighbours(vector: Array, active: Mask, domain: Domain) -> Array:
    """Vectors that differ from `vector` in one finite column: by one step, or in any way where there is no order."""
    found = []
    for column, levels in enumerate(domain.levels):
        if levels is None or not active[column]:
            continue
        place = int(np.argmin(np.abs(levels - vector[column])))
        beside = [other for other in (place - 1, place + 1) if 0 <= other < len(levels)]
        others = np.delete(levels, place) if domain.kinds.categorical[column] else levels[beside]
        moved = np.repeat(vector[None], len(others), axis=0)
        moved[:, column] = others
        found.append(moved)
    together = np.concatenate(found) if found else vector[None][:0]
    return together[:: max(1, -(-len(together) // _MOST_BESIDE))]


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
