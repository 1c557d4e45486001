"""By how much the best found may still be beaten, as a Gaussian process believes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDS = 12
_STARTS = 8
_NEIGHBOURS = 32
_WIDEST, _NARROWEST = 0.2, 0.002


def confidence_width(dimensions: int, trials: int, *, doubt: float = 0.1) -> float:
    """How many standard deviations make a bound that holds everywhere with probability 1 - `doubt`.

    Source: Srinivas et al., "Gaussian Process Optimization in the Bandit Setting" (2010), theorem 1, with
    their practical division by 5; used for this purpose by Makarova et al. (2022), section 4.
    """
    known = max(1, trials) ** 2 * math.pi**2 * max(1, dimensions) / (6.0 * doubt)
    return math.sqrt(max(0.0, 2.0 * math.log(known) / 5.0))


def regret_bound(
    predict: Callable[[Array], tuple[Array, Array]],
    measured: Array,
    candidates: Array,
    *,
    width: float,
    seed: int = 0,
    repair: Callable[[Array], Array] | None = None,
) -> float:
    """The lowest upper bound at a measured point minus the lowest lower bound anywhere.

    The lower bound is searched among candidates and measured points, then around the most promising of them.

    Args:
        predict: Means and standard deviations of the loss, shape (m,) each, for points of shape (m, d).
        measured: Points of the unit cube that were tried, shape (n, d), n at least 1.
        candidates: Points spread over the space, shape (m, d); the more, the tighter.
        width: Standard deviations, see `confidence_width`.
        repair: Turns places of the unit cube, shape (m, d), into points of the space; by default all are.

    Returns:
        At least 0, in the unit of `predict`.

    Source: Makarova et al., "Automatic Termination for Hyperparameter Optimization" (2022), equation 3.
    """
    mean, std = predict(measured)
    upper = float(np.min(mean + width * std))

    def lower(points: Array) -> Array:
        found_mean, found_std = predict(points)
        return np.asarray(found_mean - width * found_std, dtype=float)

    points = np.concatenate([measured, candidates])
    values = lower(points)
    rng = np.random.default_rng(seed)
    for spread in np.geomspace(_WIDEST, _NARROWEST, _ROUNDS):
        best = np.argsort(values, kind="stable")[:_STARTS]
        moves = rng.normal(0.0, spread, (len(best), _NEIGHBOURS, points.shape[1]))
        near = np.clip(points[best][:, None, :] + moves, 0.0, 1.0).reshape(-1, points.shape[1])
        near = near if repair is None else repair(near)
        points = np.concatenate([points[best], near])
        values = np.concatenate([values[best], lower(near)])
    bound = upper - float(values.min())
    return math.inf if math.isnan(bound) else max(0.0, bound)  # what is not known is no reason to end
