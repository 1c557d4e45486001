"""How much is to be hoped for at a point: log expected improvement and its gradient.

The logarithm keeps a usable slope where the improvement itself underflows to zero, which is nearly
everywhere once a search has found something good.
"""

from __future__ import annotations

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
