"""Minimizes smooth functions in a box from several starts at once: projected BFGS in lockstep.

The functions met here cost so little that a general-purpose optimizer would spend most of the time in its
own bookkeeping; going from all starts together shares what remains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.kernel import Array

Rows = npt.NDArray[np.intp]
Function = Callable[[Array, Rows], tuple[Array, Array]]

_ENOUGH = 1e-4  # of the decrease that the gradient promises
_SHORTEN = 0.25
_RETRIES = 6
_CURVED = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Bounds, shape (d,); how far one step may go in a coordinate; when to stop."""

    low: Array
    high: Array
    longest: float
    steps: int
    decrease: float


def descend(function: Function, starts: Array, box: Box) -> tuple[Array, Array]:
    """Ends and values of the ways down from `starts`, shapes (b, d) and (b,); never above the starts.

    Args:
        function: From points, shape (m, d), and the numbers of their starts, shape (m,), to values (m,) and
            gradients (m, d). A value may be infinite.
        box: A way ends after `box.steps`, or where a step gains less than `box.decrease`.
    """
    count, size = starts.shape
    place = np.clip(starts, box.low, box.high)
    value, slope = function(place, np.arange(count))
    curvature = np.tile(np.eye(size), (count, 1, 1))  # the inverse Hessian, from what was seen of it
    fresh = np.ones(count, dtype=bool)
    going = np.flatnonzero(np.isfinite(value))
    for _ in range(box.steps):
        if not len(going):
            break
        free = _free(place[going], slope[going], box)
        direction = _direction(curvature[going], slope[going], free, fresh[going], box)
        moved, new_value, new_slope = _search(function, going, place, value, slope, direction, box)
        step, change = moved - place[going], (new_slope - slope[going]) * free
        gained = value[going] - new_value
        place[going], value[going], slope[going] = moved, new_value, new_slope
        _learn(curvature, fresh, going, step, change)
        # Where a quasi-Newton step gains nothing, one along the plain gradient may: once.
        retry = (gained <= box.decrease) & ~fresh[going] & (gained <= 0.0)
        curvature[going[retry]], fresh[going[retry]] = np.eye(size), True
        going = going[(gained > box.decrease) | retry]
    return place, value


def _free(place: Array, slope: Array, box: Box) -> Array:
    """1 where a coordinate may move down, 0 where it is pressed against its bound."""
    pressed = ((place <= box.low) & (slope > 0)) | ((place >= box.high) & (slope < 0))
    return np.where(pressed, 0.0, 1.0)


def _direction(curvature: Array, slope: Array, free: Array, fresh: npt.NDArray[np.bool_], box: Box) -> Array:
    down = -np.einsum("bij,bj->bi", curvature, slope * free) * free
    plain = -slope * free
    uphill = np.einsum("bi,bi->b", down, slope) > -1e-12 * np.einsum("bi,bi->b", plain, plain)
    down[uphill] = plain[uphill]
    # Nothing is known yet of how far to go: a short first step.
    length = np.abs(down).max(axis=1, initial=0.0)
    limit = np.where(fresh, 0.2, 1.0) * box.longest
    shrink = np.where(length > limit, limit / np.maximum(length, 1e-300), 1.0)
    return np.asarray(down * shrink[:, None], dtype=float)


def _search(
    function: Function, going: Rows, place: Array, value: Array, slope: Array, direction: Array, box: Box
) -> tuple[Array, Array, Array]:
    """For each way a shorter and shorter step until it gains enough; or none."""
    moved, new_value, new_slope = place[going].copy(), value[going].copy(), slope[going].copy()
    left = np.arange(len(going))
    share = 1.0
    for _ in range(_RETRIES):
        rows = going[left]
        tried = np.clip(place[rows] + share * direction[left], box.low, box.high)
        values, slopes = function(tried, rows)
        promised = np.einsum("bi,bi->b", slope[rows], tried - place[rows])
        good = values <= value[rows] + _ENOUGH * promised
        kept = left[good]
        moved[kept], new_value[kept], new_slope[kept] = tried[good], values[good], slopes[good]
        left = left[~good]
        if not len(left):
            break
        share *= _SHORTEN
    return moved, new_value, new_slope


def _learn(curvature: Array, fresh: npt.NDArray[np.bool_], going: Rows, step: Array, change: Array) -> None:
    """The BFGS update of the inverse Hessians, where the function curves upward."""
    product = np.einsum("bi,bi->b", step, change)
    square = np.einsum("bi,bi->b", change, change)
    curved = product > _CURVED * np.sqrt(square * np.einsum("bi,bi->b", step, step))
    rows, s, y, sy = going[curved], step[curved], change[curved], product[curved]
    if not len(rows):
        return
    first = fresh[rows]
    h = curvature[rows]
    h[first] *= (sy[first] / square[curved][first])[:, None, None]
    hy = np.einsum("bij,bj->bi", h, y)
    grown = (sy + np.einsum("bi,bi->b", y, hy)) / sy**2
    cross = hy[:, :, None] * s[:, None, :]
    h += grown[:, None, None] * s[:, :, None] * s[:, None, :] - (cross + cross.transpose(0, 2, 1)) / sy[:, None, None]
    curvature[rows] = h
    fresh[rows] = False
