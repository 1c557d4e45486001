"""How alike two points of a search space are: the kernel of the Gaussian process and its derivatives.

Points lie in the unit cube, one column a parameter, with a mask that says which parameters are active.
An inactive parameter never counts by its value: where a parameter is active in one of two points only,
their distance in it is constant; where it is inactive in both, it is zero.

    k(a, b) = signal * matern52(sum of numeric distances / scale^2) * exp(-sum of category mismatches / scale)

Every factor is positive semi-definite, also across conditions: a conditional numeric parameter is laid on
an arc around the point that stands for "inactive" (Swersky et al., 2014, arXiv 1409.4011), and "inactive"
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
    """

    scales: Array
    signal: float
    noise: float

    @classmethod
    def from_vector(cls, theta: Array) -> Hyperparameters:
        values = np.exp(theta)
        return cls(scales=values[:-2], signal=float(values[-2]), noise=float(values[-1]))

    def to_vector(self) -> Array:
        values = np.concatenate([self.scales, [self.signal, self.noise]])
        return np.asarray(np.log(values), dtype=float)


def distances(a: Points, b: Points, kinds: Kinds) -> Array:
    """Squared numeric distances and category mismatches before scaling, shape (d, len(a), len(b))."""
    out = np.empty((kinds.count, len(a), len(b)))
    for column in range(kinds.count):
        gap = a.unit[:, column, None] - b.unit[None, :, column]
        if kinds.categorical[column]:
            np.copyto(out[column], np.abs(gap) > _SAME_CATEGORY)
        elif kinds.conditional[column]:
            out[column] = 4.0 * np.sin(0.5 * gap) ** 2
        else:
            np.square(gap, out=out[column])
        if kinds.conditional[column]:
            in_a, in_b = a.active[:, column, None], b.active[None, :, column]
            out[column][in_a != in_b] = 1.0
            out[column][~in_a & ~in_b] = 0.0
    return out


def distance_slopes(a: Points, b: Points, kinds: Kinds) -> Array:
    """Derivatives of the numeric `distances` by the values of `a`, shape (d, len(a), len(b))."""
    out = np.zeros((kinds.count, len(a), len(b)))
    for column in np.flatnonzero(~kinds.categorical):
        gap = a.unit[:, column, None] - b.unit[None, :, column]
        out[column] = 2.0 * np.sin(gap) if kinds.conditional[column] else 2.0 * gap
        if kinds.conditional[column]:
            out[column][~(a.active[:, column, None] & b.active[None, :, column])] = 0.0
    return out


def covariance(apart: Array, kinds: Kinds, hyper: Hyperparameters) -> tuple[Array, Array]:
    """The kernel and its derivative by the scaled squared distance.

    Args:
        apart: What `distances` gave, shape (d, n, m).

    Returns:
        Two arrays of shape (n, m).
    """
    shape = apart.shape[1:]
    flat = apart.reshape(kinds.count, -1)
    weights = np.where(kinds.categorical, 0.0, hyper.scales**-2.0)
    root = _SQRT5 * np.sqrt(weights @ flat)
    decay = hyper.signal * np.exp(-root)
    if kinds.categorical.any():
        decay *= np.exp(-(np.where(kinds.categorical, 1.0 / hyper.scales, 0.0) @ flat))
    slope = (-5.0 / 6.0) * (1.0 + root) * decay
    value = (1.0 + root + root * root / 3.0) * decay
    return value.reshape(shape), slope.reshape(shape)
