"""How much is to be hoped for at a point: log expected improvement and its gradient.

The logarithm keeps a usable slope where the improvement itself underflows to zero, which is nearly
everywhere once a search has found something good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, log_ndtr

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Points

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
_HALF_LOG_HALF_PI = 0.5 * np.log(0.5 * np.pi)
_FAR = -1e4  # below this the asymptotic forms are exact to double precision


def log_expected_improvement(mean: Array, std: Array, best: float) -> Array:
    """Log of the expected improvement below `best`, for minimization.

    Args:
        mean: Posterior means, shape (n,), in standardized units.
        std: Posterior standard deviations, shape (n,), above 0.
        best: Lowest value so far, same units.

    Returns:
        Shape (n,); finite also where the improvement itself underflows.

    Source: Ament et al., NeurIPS 2023 (LogEI), equations 5 to 9.
    """
    return np.asarray(_log_h((best - mean) / std) + np.log(std), dtype=float)


def log_expected_improvement_slopes(process: GaussianProcess, points: Points, best: float) -> tuple[Array, Array]:
    """Log expected improvement, shape (m,), and its derivatives by the numeric columns, shape (m, d)."""
    found = process.predict_slopes(points)
    z = (best - found.mean) / found.std
    log_h = _log_h(z)
    std_share = found.std_slope / found.std[:, None]
    z_slope = -found.mean_slope / found.std[:, None] - z[:, None] * std_share
    return log_h + np.log(found.std), _log_h_slope(z, log_h)[:, None] * z_slope + std_share


def log_probability_below(mean: Array, std: Array, bound: float = 0.0) -> Array:
    """Log of the probability of a value of at most `bound`, shape (n,)."""
    return np.asarray(log_ndtr((bound - mean) / std), dtype=float)


def log_probability_below_slopes(process: GaussianProcess, points: Points, bound: float = 0.0) -> tuple[Array, Array]:
    """Log probability of a value of at most `bound`, shape (m,), and its derivatives, shape (m, d)."""
    found = process.predict_slopes(points)
    z = (bound - found.mean) / found.std
    values = np.asarray(log_ndtr(z), dtype=float)
    # pdf(z) / cdf(z), which tends to |z| far below zero
    near = np.exp(-0.5 * np.maximum(z, _FAR) ** 2 - _HALF_LOG_2PI - np.where(z > _FAR, values, 0.0))
    ratio = np.where(z > _FAR, near, -z)
    z_slope = -(found.mean_slope + z[:, None] * found.std_slope) / found.std[:, None]
    return values, ratio[:, None] * z_slope


def log_keeping(limits: Iterable[GaussianProcess], points: Points) -> Array:
    """Log of the probability that what each of `limits` predicts is at most 0, shape (m,)."""
    total = np.zeros(len(points))
    for limit in limits:
        found = limit.predict(points)
        total += log_probability_below(found.mean, found.std)
    return total


def log_keeping_slopes(limits: Iterable[GaussianProcess], points: Points) -> tuple[Array, Array]:
    """The same with its derivatives by the points' values, shapes (m,) and (m, d)."""
    total, slope = np.zeros(len(points)), np.zeros(points.unit.shape)
    for limit in limits:
        more, steeper = log_probability_below_slopes(limit, points)
        total, slope = total + more, slope + steeper
    return total, slope


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """Log expected improvement below `best` where limits are kept, each with its own process.

    The logarithms of the probabilities of keeping each limit are added (Gardner et al., ICML 2014, in the
    logarithm). Without a `best`, which is while no feasible point is known, only these count.

    Attributes:
        limits: Processes of what must be at most 0.
    """

    process: GaussianProcess
    best: float | None
    limits: tuple[GaussianProcess, ...] = ()

    def values(self, points: Points) -> Array:
        total = log_keeping(self.limits, points)
        if self.best is not None:
            found = self.process.predict(points)
            total += log_expected_improvement(found.mean, found.std, self.best)
        return total

    def slopes(self, points: Points) -> tuple[Array, Array]:
        """Values, shape (m,), and derivatives by the points' values, shape (m, d)."""
        total, slope = log_keeping_slopes(self.limits, points)
        if self.best is not None:
            more, steeper = log_expected_improvement_slopes(self.process, points, self.best)
            total, slope = total + more, slope + steeper
        return total, slope


def _log_h(z: Array) -> Array:
    """log(pdf(z) + z * cdf(z)) of the standard normal distribution."""
    near = np.maximum(z, -1.0)
    above = np.log(np.exp(-0.5 * near * near - _HALF_LOG_2PI) + near * np.exp(log_ndtr(near)))
    below = np.clip(z, _FAR, -1.0)
    # log(1 - x) with x near 1, where x = |z| * mills ratio
    ratio = np.log(erfcx(-below / np.sqrt(2.0)) * -below) + _HALF_LOG_HALF_PI
    middle = -0.5 * below * below - _HALF_LOG_2PI + _log1mexp(ratio)
    beyond = np.minimum(z, _FAR)
    far = -0.5 * beyond * beyond - _HALF_LOG_2PI - 2.0 * np.log(-beyond)
    return np.asarray(np.where(z > -1.0, above, np.where(z > _FAR, middle, far)), dtype=float)


def _log_h_slope(z: Array, log_h: Array) -> Array:
    """cdf(z) / h(z), which tends to |z| far below zero."""
    near = np.exp(log_ndtr(np.maximum(z, _FAR)) - np.where(z > _FAR, log_h, 0.0))
    return np.asarray(np.where(z > _FAR, near, -z), dtype=float)


def _log1mexp(x: Array) -> Array:
    """log(1 - exp(x)) for x below 0, without cancellation."""
    x = np.minimum(x, -1e-300)
    small = x > -np.log(2.0)
    near = np.log(-np.expm1(np.where(small, x, -1.0)))
    return np.asarray(np.where(small, near, np.log1p(-np.exp(x))), dtype=float)
