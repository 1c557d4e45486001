"""How alike two points of a search space are: the kernel of the Gaussian process and its derivatives.

Points lie in the unit cube, one column a parameter, with a mask that says which parameters are active.
An inactive parameter never counts by its value: where a parameter is active in one of two points only,
their distance in it is constant; where it is inactive in both, it is zero.

    product(a, b) = matern52(sum of numeric distances / scale^2) * exp(-sum of category mismatches / scale)
    sum(a, b)     = mean over the columns of the same with that column alone, at narrower scales
    k(a, b)       = signal * ((1 - share) * product + share * sum)

The sum says that effects of single parameters add up, which is often most of the truth in tuning and is
learned from few trials (Duvenaud et al., "Additive Gaussian Processes", 2011).

Every part is positive semi-definite, also across conditions: a conditional numeric parameter is laid on an
arc around the point that stands for "inactive" (Swersky et al., 2014, arXiv 1409.4011), and "inactive"
is one more category of a categorical parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SQRT5 = 5.0**0.5
_SAME_CATEGORY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """What each column is.

    Attributes:
        categorical: Shape (d,); columns whose values are equal or different, nothing between.
        conditional: Shape (d,); columns that are inactive in some points.
    """

    categorical: Mask
    conditional: Mask

    @classmethod
    def numeric(cls, count: int) -> Kinds:
        """`count` numeric columns that are always active."""
        return cls(categorical=np.zeros(count, dtype=bool), conditional=np.zeros(count, dtype=bool))

    @property
    def count(self) -> int:
        return len(self.categorical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Points of the unit cube: `unit` has shape (n, d), `active` the same."""

    unit: Array
    active: Mask

    @classmethod
    def all_active(cls, unit: npt.ArrayLike) -> Points:
        values = np.atleast_2d(np.asarray(unit, dtype=float))
        return cls(unit=values, active=np.ones(values.shape, dtype=bool))

    @classmethod
    def stack(cls, rows: list[tuple[Array, Mask]], count: int) -> Points:
        """One row for each pair of a point and its mask; `count` columns, also where there is no row."""
        unit = np.array([row for row, _ in rows], dtype=float).reshape(len(rows), count)
        active = np.array([mask for _, mask in rows], dtype=bool).reshape(len(rows), count)
        return cls(unit=unit, active=active)

    def pick(self, rows: npt.NDArray[np.intp] | slice) -> Points:
        return Points(unit=self.unit[rows], active=self.active[rows])

    def join(self, other: Points) -> Points:
        return Points(unit=np.concatenate([self.unit, other.unit]), active=np.concatenate([self.active, other.active]))

    def __len__(self) -> int:
        return len(self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """The kernel's free values, for outcomes of about unit variance.

    Attributes:
        scales: Shape (d,); the length scale of each column.
        signal: Variance of the function.
        noise: Variance of the measurement error.
        share: From 0 to 1, how much of the signal is a sum of effects of single columns.
        narrowing: The length scales of that sum, as a fraction of `scales`.
    """

    scales: Array
    signal: float
    noise: float
    share: float = 0.0
    narrowing: float = 1.0

    @classmethod
    def from_vector(cls, theta: Array) -> Hyperparameters:
        """From logarithms of scales, narrowing, odds of the share, signal and noise, shape (d + 4,)."""
        values = np.exp(theta)
        return cls(
            scales=values[:-4],
            narrowing=float(values[-4]),
            share=float(values[-3] / (1.0 + values[-3])),
            signal=float(values[-2]),
            noise=float(values[-1]),
        )

    def to_vector(self) -> Array:
        odds = max(self.share, 1e-17) / (1.0 - self.share)
        values = np.concatenate([self.scales, [self.narrowing, odds, self.signal, self.noise]])
        return np.asarray(np.log(values), dtype=float)


def distances(a: Points, b: Points, kinds: Kinds) -> Array:
    """Squared numeric distances and category mismatches before scaling, shape (d, len(a), len(b))."""
    gaps = a.unit.T[:, :, None] - b.unit.T[:, None, :]
    if not kinds.conditional.any():
        return _from_gaps(gaps, None, None, kinds)
    in_a, in_b = a.active.T[:, :, None], b.active.T[:, None, :]
    return _from_gaps(gaps, in_a & in_b, in_a != in_b, kinds)


def own_distances(points: Points, kinds: Kinds) -> Array:
    """The `distances` of points to those before them, shape (d, n * (n - 1) / 2), in `pairs` order.

    The other half is the same and the diagonal is zero, so that fitting needs no more.
    """
    rows, columns = pairs(len(points))
    gaps = (points.unit[rows] - points.unit[columns]).T
    both = (points.active[rows] & points.active[columns]).T
    one = (points.active[rows] != points.active[columns]).T
    return _from_gaps(np.ascontiguousarray(gaps), both, one, kinds)


@lru_cache(maxsize=4)
def pairs(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of the entries below the diagonal of a square matrix."""
    return np.tril_indices(count, -1)


def distance_slopes(a: Points, b: Points, kinds: Kinds) -> Array:
    """Derivatives of the numeric `distances` by the values of `a`, shape (d, len(a), len(b))."""
    out = 2.0 * (a.unit.T[:, :, None] - b.unit.T[:, None, :])
    out[kinds.categorical] = 0.0
    for column in np.flatnonzero(kinds.conditional & ~kinds.categorical):
        out[column] = 2.0 * np.sin(0.5 * out[column])
        out[column][~(a.active[:, column, None] & b.active[None, :, column])] = 0.0
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariance:
    """The kernel at pairs of points, and what its derivatives are made of.

    Attributes:
        value: The kernel, of any shape `pairs`.
        product, sum: Its two parts before weighting, shape `pairs`; `sum` is None where it has no share.
        scaled: Distances by squared scale (categories: mismatches by scale), shape (d, *pairs).
        product_slope: Derivative of `product` by a scaled numeric distance, shape `pairs`.
        sum_slopes: Derivative of the sum over columns by each scaled distance, shape (d, *pairs), or None.
    """

    value: Array
    product: Array
    sum: Array | None
    scaled: Array
    product_slope: Array
    sum_slopes: Array | None


def covariance(apart: Array, kinds: Kinds, hyper: Hyperparameters, *, slopes: bool = True) -> Covariance:
    """The kernel for pairs of points whose `distances` are `apart`, shape (d, *pairs).

    Without `slopes`, those are left empty or None.
    """
    categorical, mixed = kinds.categorical, bool(kinds.categorical.any())
    lift = (slice(None), *(None,) * (apart.ndim - 1))
    scaled = apart * np.where(categorical, 1.0 / hyper.scales, hyper.scales**-2.0)[lift]
    root = _SQRT5 * np.sqrt((scaled[~categorical] if mixed else scaled).sum(axis=0))
    decay = np.exp(-root - scaled[categorical].sum(axis=0)) if mixed else np.exp(-root)
    product = _matern(root, decay)
    slope = (-5.0 / 6.0) * (1.0 + root) * decay if slopes else product[:0]
    average, sum_slopes, value = None, None, hyper.signal * product
    if hyper.share > 0.0:
        average, sum_slopes = _sum(scaled, categorical, hyper.narrowing, slopes)
        value *= 1.0 - hyper.share
        value += (hyper.signal * hyper.share) * average
    return Covariance(
        value=value, product=product, sum=average, scaled=scaled, product_slope=slope, sum_slopes=sum_slopes
    )


def product_of(squares: Array, mismatches: Array) -> Array:
    """The product part for the sum of scaled numeric distances and that of mismatches, of any one shape."""
    root = _SQRT5 * np.sqrt(squares)
    return _matern(root, np.exp(-root - mismatches))


def alone(scaled: Array, categorical: Mask, narrowing: float) -> Array:
    """The kernel of each column alone, of which the sum part is the mean; the shape of `scaled`, (d, *pairs)."""
    return _alone(scaled, categorical, narrowing, False)[0]


def _matern(root: Array, decay: Array) -> Array:
    return np.asarray((1.0 + root + root * root / 3.0) * decay, dtype=float)


def _sum(scaled: Array, categorical: Mask, narrowing: float, slopes: bool) -> tuple[Array, Array | None]:
    """The mean of the columns' own kernels, and its derivatives by `scaled` times their number."""
    found, by_distance = _alone(scaled, categorical, narrowing, slopes)
    return np.asarray(found.mean(axis=0), dtype=float), by_distance


def _alone(scaled: Array, categorical: Mask, narrowing: float, slopes: bool) -> tuple[Array, Array | None]:
    roots = np.sqrt(scaled)
    roots *= _SQRT5 / narrowing
    decays = np.exp(-roots)
    raised = 1.0 + roots
    by_distance = (-5.0 / 6.0 / narrowing**2) * raised * decays if slopes else None
    roots *= roots  # in place from here: these arrays are what takes the time
    roots /= 3.0
    roots += raised
    roots *= decays
    if categorical.any():
        roots[categorical] = np.exp(-scaled[categorical])
        if by_distance is not None:
            by_distance[categorical] = -roots[categorical]
    return roots, by_distance


def _from_gaps(gaps: Array, both: Mask | None, one: Mask | None, kinds: Kinds) -> Array:
    """Distances from differences, in place; `both` and `one` say where how many of the two are active."""
    for column in np.flatnonzero(kinds.categorical | kinds.conditional):
        gap = gaps[column]
        if kinds.categorical[column]:
            gap[:] = np.abs(gap) > _SAME_CATEGORY
        else:
            gap[:] = 2.0 * np.sin(0.5 * gap)
        if kinds.conditional[column] and both is not None and one is not None:
            gap[~both[column]] = 0.0
            gap[one[column]] = 1.0
    np.square(gaps, out=gaps)
    return gaps
