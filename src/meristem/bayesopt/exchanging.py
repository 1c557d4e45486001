"""What a process predicts where one column of many points is exchanged: all that Sobol indices ask for. Pure.

Points that differ in one column have all other distances in common, so that an exchange costs the same in a space
of 50 columns as in one of 5. Where columns exist only under conditions, those that come or go with the exchanged
one are looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from meristem.bayesopt.factoring import factor, solve
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import (
    Array,
    Kinds,
    Mask,
    Points,
    alone,
    covariance,
    distances,
    own_distances,
    product_of,
)

Columns = NDArray[np.intp]
_PORTION = 1_000_000  # distances that are held at a time


class Exchange:
    """The means of `process` at many points.

    Args:
        activity: Which columns are active in points, shape (m, d); by default all.
        dependants: For each column those that its value makes active or not.
    """

    def __init__(
        self,
        process: GaussianProcess,
        activity: Callable[[Array], Mask] | None = None,
        dependants: Sequence[Columns] | None = None,
    ) -> None:
        self._process = process
        self._activity = activity or (lambda unit: np.ones(unit.shape, dtype=bool))
        self._dependants = [np.empty(0, dtype=np.intp)] * process.kinds.count if dependants is None else dependants
        self._every = np.arange(process.kinds.count)
        kernel = covariance(own_distances(process.points, process.kinds), process.kinds, process.hyper, slopes=False)
        lower = factor(kernel.value, process.hyper.signal + process.hyper.noise + process.variances)
        self._weights = solve(lower, process.outcomes - process.mean)

    def means(self, unit: Array) -> Array:
        """At points, shape (m, d), as they are; shape (m,)."""
        parts = [self._means(unit[rows]) for rows in self._portions(len(unit))]
        return np.concatenate(parts) if parts else np.empty(0)

    def exchanged(self, unit: Array, other: Array) -> Array:
        """At points, shape (m, d), of which one column is taken from `other`, shape (m, d): shape (d, m)."""
        return np.concatenate([self._exchanged(unit[r], other[r]) for r in self._portions(len(unit))], axis=1)

    def _portions(self, count: int) -> list[slice]:
        size = max(1, _PORTION // max(1, self._process.points.unit.size))
        return [slice(start, start + size) for start in range(0, count, size)]

    def _means(self, unit: Array) -> Array:
        own = self._scaled(unit, self._activity(unit), self._every)
        product = product_of(*self._summed(own, self._every)) @ self._weights
        return self._mixed(product, self._effects(own, self._every).sum(axis=0))

    def _exchanged(self, unit: Array, other: Array) -> Array:
        active = self._activity(unit)
        own = self._scaled(unit, active, self._every)
        new = self._scaled(other, active, self._every)  # whether a column exists does not hang on its own value
        squares, mismatches = self._summed(own, self._every)
        before, after = self._effects(own, self._every), self._effects(new, self._every)
        whole = before.sum(axis=0)
        found = np.empty((len(self._every), len(unit)))
        for column in range(len(self._every)):
            columns, then, effects = self._every[[column]], new[[column]], after[column]
            if len(self._dependants[column]):
                also, changed = self._dependants[column], self._depending(unit, other, column)
                columns, then = np.append(columns, also), np.concatenate([then, changed])
                effects = effects + self._effects(changed, also).sum(axis=0)
            more = self._summed(then - own[columns], columns)
            product = product_of(np.maximum(squares + more[0], 0.0), mismatches + more[1]) @ self._weights
            found[column] = self._mixed(product, whole - before[columns].sum(axis=0) + effects)
        return found

    def _depending(self, unit: Array, other: Array, column: int) -> Array:
        """Distances in the columns that depend on `column`, which is taken from `other`."""
        mixed = unit.copy()
        mixed[:, column] = other[:, column]
        return self._scaled(mixed, self._activity(mixed), self._dependants[column])

    def _mixed(self, product: Array, effects: Array) -> Array:
        """The mean where the product part and the columns alone, added up, come to that much; shapes (m,)."""
        hyper, count = self._process.hyper, self._process.kinds.count
        return self._process.mean + hyper.signal * ((1.0 - hyper.share) * product + hyper.share / count * effects)

    def _effects(self, scaled: Array, columns: Columns) -> Array:
        """What each of the columns alone contributes, shape (columns, m)."""
        hyper = self._process.hyper
        if hyper.share == 0.0:
            return np.zeros(scaled.shape[:2])
        return alone(scaled, self._process.kinds.categorical[columns], hyper.narrowing) @ self._weights

    def _summed(self, scaled: Array, columns: Columns) -> tuple[Array, Array]:
        """Squared distances and mismatches in `columns` together, both of shape (m, n)."""
        categorical = self._process.kinds.categorical[columns]
        return scaled[~categorical].sum(axis=0), scaled[categorical].sum(axis=0)

    def _scaled(self, unit: Array, active: Mask, columns: Columns) -> Array:
        """Scaled distances to the process's points in some columns, shape (columns, m, n)."""
        kinds, scales, known = self._process.kinds, self._process.hyper.scales[columns], self._process.points
        some = Kinds(categorical=kinds.categorical[columns], conditional=kinds.conditional[columns])
        apart = distances(
            Points(unit=unit[:, columns], active=active[:, columns]),
            Points(unit=known.unit[:, columns], active=known.active[:, columns]),
            some,
        )
        apart *= np.where(some.categorical, 1.0 / scales, scales**-2.0)[:, None, None]
        return apart
