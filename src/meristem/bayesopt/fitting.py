"""How a Gaussian process finds its hyperparameters: the most probable ones under weak priors.

Priors are normal in logarithms; those of length scales grow with the number of columns, after Hvarfner et
al., "Vanilla Bayesian Optimization Performs Great in High Dimensions" (2024). Nothing here is random: the
same data give the same fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from meristem.bayesopt.factoring import factor, inverse_diagonal_and_below, solve
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Points, covariance, own_distances, pairs

MEAN_PRECISION = 1.0  # the constant mean is normal around 0 with this precision

# Normal priors of logarithms: (mean, standard deviation), and bounds.
_SCALE_PRIOR = (2.0**0.5, 3.0**0.5)  # of a column's length scale, plus log(d)/2: Hvarfner et al., section 4
_CATEGORY_PRIOR = (0.0, 1.0)  # a mismatch leaves a correlation of about exp(-1)
_SIGNAL_PRIOR = (0.0, 0.5)
_NOISE_PRIOR = (-6.0, 2.0)
_NARROWING_PRIOR = (0.0, 0.7)  # minus log(d)/2: a sum's scales do not grow with the number of columns
_ODDS_PRIOR = (-1.5, 1.5)  # of the share of the sum, against that of the product
_SCALE_BOUNDS = (np.log(0.02), np.log(200.0))
_NARROWING_BOUNDS = (np.log(0.01), np.log(2.0))
_ODDS_BOUNDS = (-5.0, 5.0)
_SIGNAL_BOUNDS = (np.log(0.05), np.log(20.0))
_NOISE_BOUNDS = (np.log(1e-6), np.log(1.0))
_START = 0.3  # length scale as a fraction of sqrt(d)
_NO_SUM = -40.0  # log odds that come to a share of nothing
_FEWEST_COLUMNS = 4  # with fewer, a product learns as fast and a sum misleads where there is noise (measured)
_MOST_COLUMNS = 100  # with more, a sum costs much and the product alone is used
_OTHERS = 4  # hyperparameters that are not length scales, in this order at the end
_NARROWING, _ODDS = -4, -3


def fit_hyperparameters(
    points: Points, outcomes: Array, kinds: Kinds, variances: Array | None = None
) -> Hyperparameters:
    """The most probable hyperparameters, searched from a few fixed starting points.

    Args:
        variances: Known variances of the outcomes' errors, shape (n,), on top of the learned one.
    """
    return Fitter(points, kinds).fit(outcomes, variances)


class Fitter:
    """Finds hyperparameters for outcomes of the same points; keeps what they have in common."""

    def __init__(self, points: Points, kinds: Kinds, *, additive: bool = True) -> None:
        self._kinds = kinds
        self._count = len(points)
        self._apart = own_distances(points, kinds)
        self._additive = additive and _FEWEST_COLUMNS <= kinds.count <= _MOST_COLUMNS
        self.priors = Priors.of(kinds)

    def fit(
        self, outcomes: Array, variances: Array | None = None, start: Hyperparameters | None = None
    ) -> Hyperparameters:
        """Searches from `start`, or else from a fixed point."""
        known = np.zeros(self._count) if variances is None else variances
        begin = self.priors.start() if start is None else start.to_vector()
        bounds = [*self.priors.bounds]
        if not self._additive:
            begin[_ODDS] = _NO_SUM
            bounds[_ODDS] = (_NO_SUM, _NO_SUM)
        found = minimize(
            self.negative_log_posterior,
            begin,
            args=(outcomes, known),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 40, "ftol": 1e-6, "gtol": 1e-3},
        )
        best = found.x if np.all(np.isfinite(found.x)) and np.isfinite(found.fun) else begin
        return self._read(np.asarray(best, dtype=float))

    def log_evidence(self, outcomes: Array, variances: Array, hyper: Hyperparameters) -> float:
        """Of `outcomes` at `hyper`, up to a constant."""
        value = covariance(self._apart, self._kinds, hyper, slopes=False).value
        lower = factor(value, hyper.signal + hyper.noise + variances)
        solved = solve(lower, np.column_stack([np.ones(self._count), outcomes]))
        ones = solved[:, 0]
        mean = float(ones @ outcomes / (ones.sum() + MEAN_PRECISION))
        fit = float((outcomes - mean) @ (solved[:, 1] - mean * ones)) + MEAN_PRECISION * mean * mean
        return -0.5 * fit - float(np.log(np.diag(lower)).sum())

    def negative_log_posterior(self, theta: Array, outcomes: Array, variances: Array) -> tuple[float, Array]:
        """Minus the log of marginal likelihood times priors at `theta`, shape (d + 4,), and its gradient.

        Returns:
            Infinity and zeros where the covariance cannot be factored.
        """
        hyper, kinds = self._read(theta), self._kinds
        found = covariance(self._apart, kinds, hyper)
        try:
            lower = factor(found.value, hyper.signal + hyper.noise + variances)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros_like(theta)
        solved = solve(lower, np.column_stack([np.ones(self._count), outcomes]))
        ones = solved[:, 0]
        mean = float(ones @ outcomes / (ones.sum() + MEAN_PRECISION))
        residual, weights = outcomes - mean, solved[:, 1] - mean * ones
        value = 0.5 * residual @ weights + np.log(np.diag(lower)).sum() + 0.5 * MEAN_PRECISION * mean * mean
        # The mean is optimal for this theta, so its own change with theta adds nothing to the gradient.
        diagonal, below = inverse_diagonal_and_below(lower)
        rows, columns = pairs(self._count)
        by_pair = below - weights[rows] * weights[columns]  # both halves of the symmetric matrix at once
        by_diagonal = 0.5 * (diagonal - weights * weights)
        gradient = np.empty_like(theta)
        power = np.where(kinds.categorical, -1.0, -2.0)
        product_part = np.where(
            kinds.categorical,
            -(found.scaled @ (by_pair * found.product)),
            found.scaled @ (by_pair * found.product_slope),
        )
        scales = (1.0 - hyper.share) * product_part
        gradient[-4:-2] = 0.0
        if found.sum is not None and found.sum_slopes is not None:
            sum_part = np.einsum("dp,dp,p->d", found.scaled, found.sum_slopes, by_pair) * (hyper.share / kinds.count)
            scales = scales + sum_part
            gradient[_NARROWING] = -2.0 * hyper.signal * sum_part[~kinds.categorical].sum()
            gradient[_ODDS] = (
                hyper.signal * hyper.share * (1.0 - hyper.share) * float(by_pair @ (found.sum - found.product))
            )
        gradient[:-4] = hyper.signal * power * scales
        gradient[-2] = by_pair @ found.value + hyper.signal * by_diagonal.sum()
        gradient[-1] = hyper.noise * by_diagonal.sum()
        prior_value, prior_gradient = self.priors.penalty(theta)
        return float(value + prior_value), gradient + prior_gradient

    def _read(self, theta: Array) -> Hyperparameters:
        hyper = Hyperparameters.from_vector(theta)
        return hyper if self._additive else replace(hyper, share=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Centres and widths of the logarithms, shape (d + 4,), and their bounds."""

    centre: Array
    width: Array
    density: Array
    bounds: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, kinds: Kinds) -> Priors:
        numeric = ~kinds.categorical
        spread = 0.5 * np.log(max(1, kinds.count))
        centre = np.where(numeric, _SCALE_PRIOR[0] + spread, _CATEGORY_PRIOR[0] + spread)
        width = np.where(numeric, _SCALE_PRIOR[1], _CATEGORY_PRIOR[1])
        others = ((_NARROWING_PRIOR[0] - spread, _NARROWING_PRIOR[1]), _ODDS_PRIOR, _SIGNAL_PRIOR, _NOISE_PRIOR)
        return cls(
            centre=np.concatenate([centre, [mean for mean, _ in others]]),
            width=np.concatenate([width, [deviation for _, deviation in others]]),
            density=np.concatenate([np.ones(kinds.count), [0.0, 0.0, 1.0, 1.0]]),
            bounds=(
                *[_SCALE_BOUNDS] * kinds.count,
                _NARROWING_BOUNDS,
                _ODDS_BOUNDS,
                _SIGNAL_BOUNDS,
                _NOISE_BOUNDS,
            ),
        )

    def start(self) -> Array:
        columns = len(self.centre) - _OTHERS
        scale = np.log(_START * np.sqrt(max(1, columns)))
        return np.concatenate([np.full(columns, scale), self.centre[-_OTHERS:]])

    def penalty(self, theta: Array) -> tuple[float, Array]:
        """Minus the log density; of scales and variances that of the values, not of their logarithms."""
        away = (theta - self.centre) / self.width
        return float(0.5 * away @ away + self.density @ theta), away / self.width + self.density
