"""How much hypervolume is to be hoped for at a point: log expected hypervolume improvement and its gradient.

One independent Gaussian process an objective. With up to three objectives the expectation is exact, as a sum
over the boxes of the region that no point beats yet; with more, boxes become too many, and the volume is
measured along a fixed number of rays from the reference instead. Limits on metrics multiply it by the
probability that they are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, log_ndtr, logsumexp

from meristem.bayesopt.acquisition import log_expected_improvement, log_keeping, log_keeping_slopes
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.hypervolume import Boxes, undominated_boxes
from meristem.bayesopt.kernel import Array, Points

_FAR = -1e4  # below this the asymptotic forms are exact to double precision
_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
_MOST_EXACT = 3  # objectives
_RAYS = 96
_STEPS = 6
_BEYOND = 0.5  # rays reach so far past the best losses, as a share of the way there from the reference
_CHUNK = 2**18  # numbers in one intermediate array


@dataclass(frozen=True, slots=True, kw_only=True)
class Hope:
    """Log of an expectation at n points, shape (n,), and its derivatives by predictions, shape (n, m)."""

    log: Array
    by_mean: Array
    by_std: Array


class Region(Protocol):
    """What is still to be won in the space of losses."""

    def hope(self, mean: Array, std: Array) -> Hope:
        """Log of the volume expected to be won at n points, predictions of shape (n, m)."""
        ...


def region_to_win(losses: npt.ArrayLike, reference: npt.ArrayLike) -> Region:
    """What is better than `reference`, shape (m,), and beaten by none of `losses`, shape (n, m)."""
    corner = np.asarray(reference, dtype=float)
    values = np.asarray(losses, dtype=float).reshape(-1, len(corner))
    if len(corner) <= _MOST_EXACT:
        return BoxRegion(undominated_boxes(values, corner))
    return RayRegion(values, corner)


class BoxRegion:
    """Exact: the volume won in a box is a product over the objectives, and so is its expectation.

    Source: Yang et al., "Efficient computation of expected hypervolume improvement using box decomposition
    algorithms" (2019), equation 13; in logarithms after Ament et al., NeurIPS 2023 (LogEI).
    """

    def __init__(self, boxes: Boxes) -> None:
        self._sides = [_Sides.of(low, high) for low, high in zip(boxes.low.T, boxes.high.T, strict=True)]

    def hope(self, mean: Array, std: Array) -> Hope:
        parts = [side.gain(mean[:, j], std[:, j]) for j, side in enumerate(self._sides)]
        logs = np.sum([part.log for part in parts], axis=0)  # (n, k)
        total = logsumexp(logs, axis=1)
        shares = np.exp(logs - total[:, None])
        by_mean = np.stack([np.einsum("nk,nk->n", shares, part.by_mean) for part in parts], axis=1)
        by_std = np.stack([np.einsum("nk,nk->n", shares, part.by_std) for part in parts], axis=1)
        return Hope(log=total, by_mean=by_mean, by_std=by_std)


class RayRegion:
    """By quadrature: the volume that a point wins is an integral over the directions of how much further it
    reaches along each ray from the reference, which has a closed form but for one integral along the ray.

    Sources: Deng and Zhang, "Approximating hypervolume and hypervolume contributions using polar coordinate"
    (2019); Golovin and Zhang, "Random hypervolume scalarizations for provable multi-objective black box
    optimization" (2020), lemma 5.
    """

    def __init__(self, losses: Array, reference: Array) -> None:
        count = len(reference)
        best = losses.min(axis=0) if len(losses) else reference - 1.0
        depth = np.where(best < reference, reference - best, 1.0)
        rays = _rays(count)
        reached = ((reference - losses) / depth)[:, None, :] / rays  # (n, rays, m)
        start = np.maximum(reached.min(axis=2), 0.0).max(axis=0, initial=0.0)
        end = np.maximum((1.0 + _BEYOND) / rays.max(axis=1), 1.1 * start)
        nodes, weights = np.polynomial.legendre.leggauss(_STEPS)
        share = 0.5 * (nodes + 1.0)
        # Squared, so that the nodes are dense where the improvement begins.
        radius = start[:, None] + (end - start)[:, None] * share**2  # (rays, steps)
        width = (end - start)[:, None] * share * weights * radius ** (count - 1)
        self._levels = (reference - depth * (radius[:, :, None] * rays[:, None, :])).reshape(-1, count)
        # The rays stand for the positive part of the sphere, in losses shrunk by `depth`.
        sphere = np.log(2.0) + 0.5 * count * np.log(np.pi) - gammaln(0.5 * count)
        self._log_weights = (
            np.log(width).ravel() + sphere - count * np.log(2.0) - np.log(len(rays)) + np.log(depth).sum()
        )

    def hope(self, mean: Array, std: Array) -> Hope:
        each = max(1, _CHUNK // self._levels.size)
        parts = [self._some(mean[i : i + each], std[i : i + each]) for i in range(0, len(mean), each)]
        return Hope(
            log=np.concatenate([part.log for part in parts]),
            by_mean=np.concatenate([part.by_mean for part in parts]),
            by_std=np.concatenate([part.by_std for part in parts]),
        )

    def _some(self, mean: Array, std: Array) -> Hope:
        z = (self._levels - mean[:, None, :]) / std[:, None, :]  # (n, k, m)
        below = log_ndtr(z)
        logs = below.sum(axis=2) + self._log_weights
        total = logsumexp(logs, axis=1)
        pull = np.exp(logs - total[:, None])[:, :, None] * _hazard(z, below)
        return Hope(
            log=total,
            by_mean=-pull.sum(axis=1) / std,
            by_std=-(pull * z).sum(axis=1) / std,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervolumeImprovement:
    """Log of the expected hypervolume improvement times the probability that all `limits` come to at most 0."""

    processes: Sequence[GaussianProcess]
    region: Region
    limits: Sequence[GaussianProcess] = ()

    def values(self, points: Points) -> Array:
        """Shape (n,)."""
        found = [process.predict(points) for process in self.processes]
        hope = self.region.hope(np.stack([f.mean for f in found], axis=1), np.stack([f.std for f in found], axis=1))
        return hope.log + log_keeping(self.limits, points)

    def slopes(self, points: Points) -> tuple[Array, Array]:
        """Values, shape (n,), and their derivatives by the numeric columns, shape (n, d)."""
        found = [process.predict_slopes(points) for process in self.processes]
        hope = self.region.hope(np.stack([f.mean for f in found], axis=1), np.stack([f.std for f in found], axis=1))
        total, slope = log_keeping_slopes(self.limits, points)
        for j, predicted in enumerate(found):
            slope += hope.by_mean[:, j, None] * predicted.mean_slope + hope.by_std[:, j, None] * predicted.std_slope
        return hope.log + total, slope


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """The sides of all boxes along one objective: few distinct ones, between few distinct levels.

    Attributes:
        levels: Shape (l,); finite ends of sides, in rising order.
        low, high: Shape (s,); the ends of each distinct side as places in `levels`; -1 for minus infinity.
        of_box: Shape (k,); which side each box has.
    """

    levels: Array
    low: npt.NDArray[np.intp]
    high: npt.NDArray[np.intp]
    of_box: npt.NDArray[np.intp]

    @classmethod
    def of(cls, low: Array, high: Array) -> _Sides:
        sides, of_box = np.unique(np.stack([low, high], axis=1), axis=0, return_inverse=True)
        levels = np.unique(sides[np.isfinite(sides)])
        places = np.where(np.isfinite(sides), np.searchsorted(levels, sides), -1)
        return cls(levels=levels, low=places[:, 0], high=places[:, 1], of_box=of_box.ravel())

    def gain(self, mean: Array, std: Array) -> Hope:
        """Log of the expected length won of each box's side, and its derivatives; all of shape (n, k)."""
        scale = std[:, None]
        z = (self.levels - mean[:, None]) / scale
        log_h = log_expected_improvement(-z, np.ones_like(z), 0.0)
        cdf = np.exp(log_ndtr(np.maximum(z, _FAR)) - np.where(z > _FAR, log_h, 0.0))
        cdf = np.where(z > _FAR, cdf, -z)  # cdf(z) / h(z)
        pdf = np.maximum(1.0 - z * cdf, 0.0)  # pdf(z) / h(z), since h(z) = pdf(z) + z * cdf(z)
        # What lies below minus infinity is nothing: h is zero there.
        log_h = np.concatenate([log_h, np.full((len(z), 1), -np.inf)], axis=1)
        cdf, pdf = (np.concatenate([part, np.zeros((len(z), 1))], axis=1) for part in (cdf, pdf))
        ratio = np.exp(np.minimum(log_h[:, self.low] - log_h[:, self.high], 0.0))
        rest = np.maximum(1.0 - ratio, 1e-15)
        log = log_h[:, self.high] + np.log(rest) + np.log(scale)
        by_mean = -(cdf[:, self.high] - ratio * cdf[:, self.low]) / (rest * scale)
        by_std = (pdf[:, self.high] - ratio * pdf[:, self.low]) / (rest * scale)
        return Hope(log=log[:, self.of_box], by_mean=by_mean[:, self.of_box], by_std=by_std[:, self.of_box])


def _hazard(z: Array, below: Array) -> Array:
    """pdf(z) / cdf(z), where `below` is the log of cdf(z); tends to |z| far below zero."""
    near = np.maximum(z, _FAR)
    inside = np.exp(-0.5 * near * near - _HALF_LOG_2PI - np.where(z > _FAR, below, 0.0))
    return np.asarray(np.where(z > _FAR, inside, -z), dtype=float)


@lru_cache(maxsize=8)
def _rays(count: int) -> Array:
    """Directions spread evenly over the positive part of the sphere, shape (rays, count), all above 0."""
    from scipy.stats import norm, qmc  # takes most of a second to import, and few studies need it

    spread = qmc.Halton(count, scramble=True, rng=0).random(_RAYS)
    drawn = np.maximum(np.abs(norm.ppf(spread)), 1e-3)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1)[:, None], dtype=float)
