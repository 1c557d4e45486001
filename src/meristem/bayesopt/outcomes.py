"""Makes raw losses fit for a Gaussian process, and chooses which trials it is fitted to.

Losses may be constant, few, or span 300 orders of magnitude (a training that diverged); lower is better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.kernel import Array

_LARGEST = 1e300  # differences of losses must not overflow
_BEND = 2.0  # from so many scales above the median on, how bad a loss is matters less and less
_REACH = 2.0  # and never counts for more than _BEND + _REACH


def standardize(losses: npt.ArrayLike) -> Array:
    """Losses on a common scale: about zero mean and unit variance, order kept, bad outliers bent in.

    The scale is that of the better half, since the best must stay distinguishable; much worse losses are
    drawn in smoothly, so that one diverged training does not flatten all others.

    Args:
        losses: Finite values, shape (n,).

    Returns:
        Shape (n,), finite; all zeros when the losses are equal.
    """
    values: Array = np.clip(np.asarray(losses, dtype=float), -_LARGEST, _LARGEST)
    if not len(values):
        return values
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    scale = max((high - low) / 1.35, (middle - values.min()) / 4.0)
    if scale <= np.finfo(float).tiny:
        scale = values.max() - middle
    if scale <= np.finfo(float).tiny:
        return np.zeros_like(values)
    with np.errstate(over="ignore"):
        raised = (values - middle) / scale
    beyond = np.clip(raised - _BEND, 0.0, _LARGEST)
    bent = np.minimum(raised, _BEND) + _REACH * (beyond / (beyond + _REACH))
    spread = float(bent.std())
    return np.asarray((bent - bent.mean()) / (spread if spread > 0 else 1.0), dtype=float)


def choose_subset(losses: npt.ArrayLike, limit: int) -> npt.NDArray[np.intp]:
    """Which of the trials, given oldest first, to fit to: the best, the latest, and some of every quality.

    Returns:
        At most `limit` indices in rising order; all of them when there are no more than that.
    """
    values = np.asarray(losses, dtype=float)
    count = len(values)
    if count <= limit:
        return np.arange(count)
    ranked = np.argsort(values, kind="stable")
    chosen = np.zeros(count, dtype=bool)
    chosen[ranked[: limit // 3]] = True
    chosen[count - limit // 3 :] = True
    rest = ranked[~chosen[ranked]]
    wanted = limit - int(chosen.sum())
    chosen[rest[np.linspace(0, len(rest) - 1, num=min(wanted, len(rest))).astype(int)]] = True
    return np.flatnonzero(chosen)
