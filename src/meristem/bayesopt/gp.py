"""A Gaussian process for outcomes over a search space: conditioning, predicting, believing pending points.

Outcomes must be standardized beforehand (see `outcomes`). The mean is constant, the kernel is that of
`kernel`, hyperparameters come from `fitting`. Nothing here is random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meristem.bayesopt.factoring import factor, half_solve, solve
from meristem.bayesopt.fitting import MEAN_PRECISION, fit_hyperparameters
from meristem.bayesopt.kernel import (
    Array,
    Hyperparameters,
    Kinds,
    Points,
    covariance,
    distance_slopes,
    distances,
    own_distances,
)

__all__ = ["GaussianProcess", "Posterior", "PosteriorSlopes", "fit_hyperparameters"]

_SMALLEST_VARIANCE = 1e-12
_PORTION = 60_000  # entries of the distances that are held at a time: they should fit into the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Predictions for m points: `mean` and `std` of shape (m,), of the function without noise."""

    mean: Array
    std: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorSlopes:
    """Predictions and their derivatives by the points' values, shape (m, d); 0 for categorical columns."""

    mean: Array
    std: Array
    mean_slope: Array
    std_slope: Array


class GaussianProcess:
    """A Gaussian process conditioned on points and standardized outcomes."""

    def __init__(
        self, points: Points, outcomes: Array, kinds: Kinds, hyper: Hyperparameters, variances: Array | None = None
    ) -> None:
        """Conditions on `outcomes`, shape (n,), with n at least 1.

        Args:
            variances: Known variances of the outcomes' errors, shape (n,), on top of the learned one.

        Raises:
            numpy.linalg.LinAlgError: The covariance cannot be factored even with jitter.
        """
        self.points, self.outcomes, self.kinds, self.hyper = points, outcomes, kinds, hyper
        self.variances = np.zeros(len(points)) if variances is None else variances
        kernel = covariance(own_distances(points, kinds), kinds, hyper, slopes=False).value
        self._errors = hyper.noise + self.variances
        self._factor = factor(kernel, hyper.signal + self._errors)
        ones_solved = solve(self._factor, np.ones(len(points)))
        self.mean = float(ones_solved @ outcomes / (ones_solved.sum() + MEAN_PRECISION))
        self._weights = solve(self._factor, outcomes - self.mean)

    @property
    def fitted(self) -> Array:
        """What it predicts for the points that it is conditioned on, shape (n,)."""
        return np.asarray(self.outcomes - self._errors * self._weights, dtype=float)

    @classmethod
    def fit(cls, points: Points, outcomes: Array, kinds: Kinds, variances: Array | None = None) -> GaussianProcess:
        """Conditions on the data with the most probable hyperparameters."""
        return cls(points, outcomes, kinds, fit_hyperparameters(points, outcomes, kinds, variances), variances)

    def predict(self, points: Points) -> Posterior:
        """Predictions for any number of points, in portions."""
        portion = max(1, _PORTION // max(1, self.kinds.count * len(self.points)))
        found = [self._predict(points.pick(slice(i, i + portion))) for i in range(0, max(1, len(points)), portion)]
        return Posterior(mean=np.concatenate([f.mean for f in found]), std=np.concatenate([f.std for f in found]))

    def predict_slopes(self, points: Points) -> PosteriorSlopes:
        """Predictions with their derivatives by the numeric columns of `points`."""
        hyper, kinds = self.hyper, self.kinds
        found = covariance(distances(points, self.points, kinds), kinds, hyper)
        by_distance = (1.0 - hyper.share) * found.product_slope
        if found.sum_slopes is not None:
            by_distance = by_distance + (hyper.share / kinds.count) * found.sum_slopes
        weights = np.where(kinds.categorical, 0.0, hyper.signal * hyper.scales**-2.0)
        cross_slope = distance_slopes(points, self.points, kinds) * by_distance * weights[:, None, None]  # (d, m, n)
        solved = solve(self._factor, found.value.T).T  # (m, n)
        variance = hyper.signal - np.einsum("mn,mn->m", found.value, solved)
        std = np.sqrt(np.maximum(variance, _SMALLEST_VARIANCE))
        variance_slope = -2.0 * np.einsum("dmn,mn->md", cross_slope, solved)
        variance_slope[variance <= _SMALLEST_VARIANCE] = 0.0
        return PosteriorSlopes(
            mean=self.mean + found.value @ self._weights,
            std=std,
            mean_slope=np.asarray((cross_slope @ self._weights).T, dtype=float),
            std_slope=variance_slope / (2.0 * std[:, None]),
        )

    def believing(self, points: Points) -> GaussianProcess:
        """This process as if `points` had been measured to be what it predicts for them.

        Predicted means stay, uncertainty around `points` goes: for trials that still run.
        """
        if not len(points):
            return self
        believed = np.concatenate([self.outcomes, self.predict(points).mean])
        variances = np.concatenate([self.variances, np.zeros(len(points))])
        return GaussianProcess(self.points.join(points), believed, self.kinds, self.hyper, variances)

    def _predict(self, points: Points) -> Posterior:
        apart = distances(points, self.points, self.kinds)
        cross = covariance(apart, self.kinds, self.hyper, slopes=False).value
        half = half_solve(self._factor, cross.T)
        variance = self.hyper.signal - np.einsum("nm,nm->m", half, half)
        return Posterior(mean=self.mean + cross @ self._weights, std=np.sqrt(np.maximum(variance, _SMALLEST_VARIANCE)))
