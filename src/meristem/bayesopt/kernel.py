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
    columns = [_column_distances(a, b, kinds, column) for column in range(kinds.count)]
    return np.array(columns, dtype=float).reshape(kinds.count, len(a), len(b))


def triangle(apart: Array) -> Array:
    """The entries below the diagonal of `distances` of points to themselves, shape (d, n * (n - 1) / 2).

    The other half is the same and the diagonal is zero, so that fitting needs no more.
    """
    rows, columns = np.tril_indices(apart.shape[1], -1)
    return np.ascontiguousarray(apart[:, rows, columns])


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


def covariance(apart: Array, kinds: Kinds, hyper: Hyperparameters) -> Covariance:
    """The kernel for pairs of points whose `distances` are `apart`, shape (d, *pairs)."""
    numeric = ~kinds.categorical
    lift = (slice(None), *(None,) * (apart.ndim - 1))
    scaled = apart * np.where(numeric, hyper.scales**-2.0, 1.0 / hyper.scales)[lift]
    mixed = bool(kinds.categorical.any())
    root = _SQRT5 * np.sqrt((scaled[numeric] if mixed else scaled).sum(axis=0))
    decay = np.exp(-root - scaled[kinds.categorical].sum(axis=0)) if mixed else np.exp(-root)
    slope = (-5.0 / 6.0) * (1.0 + root) * decay
    product = (1.0 + root + root * root / 3.0) * decay
    if hyper.share <= 0.0:
        return Covariance(
            value=hyper.signal * product,
            product=product,
            sum=None,
            scaled=scaled,
            product_slope=slope,
            sum_slopes=None,
        )
    roots = (_SQRT5 / hyper.narrowing) * np.sqrt(scaled)
    decays = np.exp(-roots)
    slopes = (-5.0 / 6.0 / hyper.narrowing**2) * (1.0 + roots) * decays
    values = (1.0 + roots + roots * roots / 3.0) * decays
    if mixed:
        values[kinds.categorical] = np.exp(-scaled[kinds.categorical])
        slopes[kinds.categorical] = -values[kinds.categorical]
    average = values.mean(axis=0)
    return Covariance(
        value=hyper.signal * ((1.0 - hyper.share) * product + hyper.share * average),
        product=product,
        sum=average,
        scaled=scaled,
        product_slope=slope,
        sum_slopes=slopes,
    )


def _column_distances(a: Points, b: Points, kinds: Kinds, column: int) -> Array:
    gap = a.unit[:, column, None] - b.unit[None, :, column]
    if kinds.categorical[column]:
        out = (np.abs(gap) > _SAME_CATEGORY).astype(float)
    elif kinds.conditional[column]:
        out = 4.0 * np.sin(0.5 * gap) ** 2
    else:
        return np.asarray(gap * gap, dtype=float)
    if kinds.conditional[column]:
        in_a, in_b = a.active[:, column, None], b.active[None, :, column]
        out[in_a != in_b] = 1.0
        out[~in_a & ~in_b] = 0.0
    return np.asarray(out, dtype=float)
