"""How far a Gaussian process can be trusted: what it says of each point when it has not seen it. Pure.

Leave-one-out predictions come from one factorization in closed form (Rasmussen and Williams, "Gaussian
Processes for Machine Learning", 2006, section 5.4.2), hyperparameters unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtri

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import covariance, distances

Array = NDArray[np.float64]

# The constant mean is normal around 0 with this precision, as in `gp`.
MEAN_PRECISION = 1.0
_JITTERS = (0.0, 1e-8, 1e-6, 1e-4, 1e-2)
_LEVELS = (0.5, 0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """Each outcome beside what the others say of it; shapes (n,), all in the unit of `observed`.

    Attributes:
        std: Standard deviations of the outcome as it is measured, noise included.
    """

    observed: Array
    mean: Array
    std: Array

    @property
    def r2(self) -> float:
        """The share of the outcomes' variance that is predicted; below 0 where their mean would do better.

        NaN where the outcomes do not differ.
        """
        spread = float(np.sum((self.observed - self.observed.mean()) ** 2))
        return 1.0 - float(np.sum((self.observed - self.mean) ** 2)) / spread if spread > 0 else math.nan

    @property
    def standardized(self) -> Array:
        """Errors in standard deviations, shape (n,): of about unit variance where the model knows its errors."""
        return (self.observed - self.mean) / self.std

    @property
    def log_density(self) -> float:
        """The mean logarithm of the density that was predicted for what came; higher is better."""
        errors = self.standardized
        return float(np.mean(-0.5 * errors**2 - np.log(self.std) - 0.5 * math.log(2.0 * math.pi)))

    def coverage(self, level: float) -> float:
        """The share of outcomes inside the central interval that should hold `level` of them."""
        return float(np.mean(np.abs(self.standardized) <= ndtri(0.5 + 0.5 * level)))

    def calibration(self, levels: Sequence[float] = _LEVELS) -> dict[float, float]:
        """`coverage` by level: equal to the level where the intervals are right, larger where too wide."""
        return {level: self.coverage(level) for level in levels}


def leave_one_out(process: GaussianProcess) -> CrossValidation:
    """Predictions for each point that `process` is conditioned on, as if it had not been.

    In standardized units, as the process itself. One point alone is predicted by the prior.
    """
    apart = distances(process.points, process.points, process.kinds)
    kernel = covariance(apart, process.kinds, process.hyper, slopes=False).value
    return leave_one_out_of(kernel, process.hyper.noise + process.variances, process.outcomes)


def leave_one_out_of(
    kernel: Array, noise: ArrayLike, outcomes: Array, *, mean_precision: float = MEAN_PRECISION
) -> CrossValidation:
    """As `leave_one_out`, for any covariance.

    Args:
        kernel: The points' covariance without noise, shape (n, n).
        noise: The variance of the measurement error, one number or shape (n,).
        mean_precision: Of the normal prior around 0 of the constant mean, which is fitted anew without each
            point; infinite for a mean of 0.

    Raises:
        numpy.linalg.LinAlgError: The covariance cannot be factored even with jitter.
    """
    inverse = _inverse(kernel, np.broadcast_to(np.asarray(noise, dtype=float), len(kernel)))
    diagonal = np.diag(inverse)
    ones, solved = inverse.sum(axis=0), inverse @ outcomes
    # With Q the inverse, a' Q_without_i b = a' Q b - (Q a)_i (Q b)_i / Q_ii: the mean without each point.
    means = (solved.sum() - ones * solved / diagonal) / (ones.sum() - ones**2 / diagonal + mean_precision)
    return CrossValidation(
        observed=outcomes,
        mean=outcomes - (solved - means * ones) / diagonal,
        std=np.sqrt(1.0 / diagonal),
    )


def _inverse(kernel: Array, noise: Array) -> Array:
    scale = float(np.mean(np.diag(kernel)))
    for jitter in _JITTERS:
        noisy = kernel + np.diag(noise + jitter * scale)
        try:
            found = cho_solve(cho_factor(noisy, lower=True), np.eye(len(kernel)))
        except np.linalg.LinAlgError:
            continue
        if np.isfinite(found).all() and (np.diag(found) > 0).all():
            return np.asarray(0.5 * (found + found.T), dtype=float)
    raise np.linalg.LinAlgError("The covariance cannot be factored.")
