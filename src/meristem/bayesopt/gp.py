"""A Gaussian process for outcomes over a search space: fitting, predicting, believing pending points.

Outcomes must be standardized beforehand (see `outcomes`). The mean is constant, the kernel is that of
`kernel`. Hyperparameters are the most probable ones under priors whose length scales grow with the number
of columns, after Hvarfner et al., "Vanilla Bayesian Optimization Performs Great in High Dimensions" (2024).
Nothing here is random: the same data give the same fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack, solve_triangular
from scipy.optimize import minimize

from meristem.bayesopt.kernel import (
    Array,
    Hyperparameters,
    Kinds,
    Points,
    covariance,
    distance_slopes,
    distances,
)

_JITTERS = (0.0, 1e-8, 1e-6, 1e-4, 1e-2)
_SMALLEST_VARIANCE = 1e-12

# Normal priors of logarithms: (mean, standard deviation), and bounds.
_SCALE_PRIOR = (2.0**0.5, 3.0**0.5)  # of a column's length scale, plus log(d)/2: Hvarfner et al., section 4
_CATEGORY_PRIOR = (0.0, 1.0)  # a mismatch leaves a correlation of about exp(-1)
_SIGNAL_PRIOR = (0.0, 0.5)
_NOISE_PRIOR = (-6.0, 2.0)
_SCALE_BOUNDS = (np.log(0.02), np.log(200.0))
_SIGNAL_BOUNDS = (np.log(0.05), np.log(20.0))
_NOISE_BOUNDS = (np.log(1e-6), np.log(1.0))
_STARTING_SCALES = (0.3, 1.0)  # as fractions of sqrt(d)
_MEAN_PRECISION = 1.0  # the constant mean is normal around 0 with this precision


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

    def __init__(self, points: Points, outcomes: Array, kinds: Kinds, hyper: Hyperparameters) -> None:
        """Conditions on `outcomes`, shape (n,), with n at least 1.

        Raises:
            numpy.linalg.LinAlgError: The covariance cannot be factored even with jitter.
        """
        self.points, self.outcomes, self.kinds, self.hyper = points, outcomes, kinds, hyper
        kernel, _ = covariance(distances(points, points, kinds), kinds, hyper)
        self._factor = _factor(kernel, hyper.noise)
        ones_solved = _solve(self._factor, np.ones(len(points)))
        self.mean = float(ones_solved @ outcomes / (ones_solved.sum() + _MEAN_PRECISION))
        self._weights = _solve(self._factor, outcomes - self.mean)

    @property
    def fitted(self) -> Array:
        """What it predicts for the points that it is conditioned on, shape (n,)."""
        return np.asarray(self.outcomes - self.hyper.noise * self._weights, dtype=float)

    @classmethod
    def fit(cls, points: Points, outcomes: Array, kinds: Kinds) -> GaussianProcess:
        """Conditions on the data with the most probable hyperparameters."""
        return cls(points, outcomes, kinds, fit_hyperparameters(points, outcomes, kinds))

    def predict(self, points: Points) -> Posterior:
        cross, _ = covariance(distances(points, self.points, self.kinds), self.kinds, self.hyper)
        half = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        variance = self.hyper.signal - np.einsum("nm,nm->m", half, half)
        return Posterior(mean=self.mean + cross @ self._weights, std=np.sqrt(np.maximum(variance, _SMALLEST_VARIANCE)))

    def predict_slopes(self, points: Points) -> PosteriorSlopes:
        """Predictions with their derivatives by the numeric columns of `points`."""
        cross, by_distance = covariance(distances(points, self.points, self.kinds), self.kinds, self.hyper)
        slopes = distance_slopes(points, self.points, self.kinds)
        weights = np.where(self.kinds.categorical, 0.0, self.hyper.scales**-2.0)
        cross_slope = slopes * by_distance * weights[:, None, None]  # (d, m, n)
        solved = _solve(self._factor, cross.T).T  # (m, n)
        variance = self.hyper.signal - np.einsum("mn,mn->m", cross, solved)
        std = np.sqrt(np.maximum(variance, _SMALLEST_VARIANCE))
        variance_slope = -2.0 * np.einsum("dmn,mn->md", cross_slope, solved)
        variance_slope[variance <= _SMALLEST_VARIANCE] = 0.0
        return PosteriorSlopes(
            mean=self.mean + cross @ self._weights,
            std=std,
            mean_slope=np.einsum("dmn,n->md", cross_slope, self._weights),
            std_slope=variance_slope / (2.0 * std[:, None]),
        )

    def believing(self, points: Points) -> GaussianProcess:
        """This process as if `points` had been measured to be what it predicts for them.

        Predicted means stay, uncertainty around `points` goes: for trials that still run.
        """
        if not len(points):
            return self
        believed = np.concatenate([self.outcomes, self.predict(points).mean])
        return GaussianProcess(self.points.join(points), believed, self.kinds, self.hyper)


def fit_hyperparameters(points: Points, outcomes: Array, kinds: Kinds) -> Hyperparameters:
    """The most probable hyperparameters, searched from a few fixed starting points."""
    apart = distances(points, points, kinds)
    priors = _Priors.of(kinds)
    best, best_value = priors.start(_STARTING_SCALES[0]), np.inf

    def objective(theta: Array) -> tuple[float, Array]:
        return negative_log_posterior(theta, apart, outcomes, kinds)

    for fraction in _STARTING_SCALES:
        found = minimize(
            objective,
            priors.start(fraction),
            jac=True,
            method="L-BFGS-B",
            bounds=list(priors.bounds),
            options={"maxiter": 40, "ftol": 1e-6, "gtol": 1e-3},
        )
        if np.isfinite(found.fun) and found.fun < best_value:
            best, best_value = np.asarray(found.x, dtype=float), float(found.fun)
    return Hyperparameters.from_vector(best)


def negative_log_posterior(theta: Array, apart: Array, outcomes: Array, kinds: Kinds) -> tuple[float, Array]:
    """Minus the log of marginal likelihood times priors, and its gradient.

    Args:
        theta: Logarithms of the length scales, the signal and the noise, shape (d + 2,).
        apart: The data's `distances` to themselves, shape (d, n, n).

    Returns:
        Infinity and zeros where the covariance cannot be factored.
    """
    hyper = Hyperparameters.from_vector(theta)
    kernel, by_distance = covariance(apart, kinds, hyper)
    try:
        factor = _factor(kernel, hyper.noise)
    except np.linalg.LinAlgError:
        return np.inf, np.zeros_like(theta)
    inverse = _inverse(factor)
    ones_solved = inverse.sum(axis=0)
    mean = float(ones_solved @ outcomes / (ones_solved.sum() + _MEAN_PRECISION))
    residual = outcomes - mean
    weights = inverse @ residual
    value = 0.5 * residual @ weights + np.log(np.diag(factor)).sum() + 0.5 * _MEAN_PRECISION * mean * mean
    # The mean is optimal for this theta, so its own change with theta adds nothing to the gradient.
    by_kernel = 0.5 * (inverse - np.outer(weights, weights))
    flat = apart.reshape(kinds.count, -1)
    numeric = -2.0 * hyper.scales**-2.0 * (flat @ (by_kernel * by_distance).ravel())
    category = (flat @ (by_kernel * kernel).ravel()) / hyper.scales
    gradient = np.empty_like(theta)
    gradient[:-2] = np.where(kinds.categorical, category, numeric)
    gradient[-2] = np.sum(by_kernel * kernel)
    gradient[-1] = hyper.noise * np.trace(by_kernel)
    prior_value, prior_gradient = _Priors.of(kinds).penalty(theta)
    return float(value + prior_value), gradient + prior_gradient


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priors:
    """Log-normal priors: centres and widths of the logarithms, shape (d + 2,), and their bounds."""

    centre: Array
    width: Array
    bounds: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, kinds: Kinds) -> _Priors:
        numeric = ~kinds.categorical
        spread = 0.5 * np.log(max(1, kinds.count))
        centre = np.where(numeric, _SCALE_PRIOR[0] + spread, _CATEGORY_PRIOR[0] + spread)
        width = np.where(numeric, _SCALE_PRIOR[1], _CATEGORY_PRIOR[1])
        return cls(
            centre=np.concatenate([centre, [_SIGNAL_PRIOR[0], _NOISE_PRIOR[0]]]),
            width=np.concatenate([width, [_SIGNAL_PRIOR[1], _NOISE_PRIOR[1]]]),
            bounds=(*[_SCALE_BOUNDS] * kinds.count, _SIGNAL_BOUNDS, _NOISE_BOUNDS),
        )

    def start(self, fraction: float) -> Array:
        scale = np.log(fraction * np.sqrt(max(1, len(self.centre) - 2)))
        return np.concatenate([np.full(len(self.centre) - 2, scale), self.centre[-2:]])

    def penalty(self, theta: Array) -> tuple[float, Array]:
        """Minus the log density of the values (not of their logarithms, hence the added `theta`)."""
        away = (theta - self.centre) / self.width
        return float(0.5 * away @ away + theta.sum()), away / self.width + 1.0


def _factor(kernel: Array, noise: float) -> Array:
    scale = float(np.mean(np.diag(kernel)))
    for jitter in _JITTERS:
        noisy = kernel.copy()
        noisy.flat[:: len(kernel) + 1] += noise + jitter * scale
        factor, info = lapack.dpotrf(noisy, lower=1, clean=1)
        if info == 0 and np.isfinite(factor[-1, -1]):
            return np.asarray(factor, dtype=float)
    raise np.linalg.LinAlgError("The covariance of the Gaussian process cannot be factored.")


def _solve(factor: Array, right: Array) -> Array:
    solved, _ = lapack.dpotrs(factor, right, lower=1)
    return np.asarray(solved, dtype=float)


def _inverse(factor: Array) -> Array:
    lower, _ = lapack.dpotri(factor, lower=1)
    return np.asarray(np.tril(lower) + np.tril(lower, -1).T, dtype=float)
