"""What a process predicts where one column of many points is exchanged: all that Sobol indices ask for. Pure.

Points that differ in one column have all other distances in common, so that an exchange costs the same in a space
of 50 columns as in one of 5.
"""

from __future__ import annotations

import numpy as np

from meristem.bayesopt.factoring import factor, solve
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Points, alone, covariance, distances, own_distances, product_of

_PORTION = 1_000_000  # distances that are held at a time


class Exchange:
    """The means of `process` at points of which all columns are active."""

    def __init__(self, process: GaussianProcess) -> None:
        self._process = process
        kernel = covariance(own_distances(process.points, process.kinds), process.kinds, process.hyper, slopes=False)
        lower = factor(kernel.value, process.hyper.signal + process.hyper.noise + process.variances)
        self._weights = solve(lower, process.outcomes - process.mean)

    def means(self, unit: Array) -> Array:
        """At points, shape (m, d), as they are; shape (m,)."""
        return self._process.predict(Points.all_active(unit)).mean

    def exchanged(self, unit: Array, other: Array) -> Array:
        """At points, shape (m, d), of which one column is taken from `other`, shape (m, d): shape (d, m)."""
        portion = max(1, _PORTION // max(1, self._process.points.unit.size))
        starts = range(0, len(unit), portion)
        return np.concatenate([self._portion(unit[k : k + portion], other[k : k + portion]) for k in starts], axis=1)

    def _portion(self, unit: Array, other: Array) -> Array:
        kinds, hyper = self._process.kinds, self._process.hyper
        categorical = kinds.categorical
        own, new = self._scaled(unit), self._scaled(other)
        squares, mismatches = own[~categorical].sum(axis=0), own[categorical].sum(axis=0)
        found = np.empty((kinds.count, len(unit)))
        for column in range(kinds.count):
            change = new[column] - own[column]
            if categorical[column]:
                kernel = product_of(squares, mismatches + change)
            else:
                kernel = product_of(np.maximum(squares + change, 0.0), mismatches)
            found[column] = (1.0 - hyper.share) * (kernel @ self._weights)
        if hyper.share > 0.0:
            before = alone(own, categorical, hyper.narrowing) @ self._weights
            after = alone(new, categorical, hyper.narrowing) @ self._weights
            found += (hyper.share / kinds.count) * (before.sum(axis=0) + after - before)
        return self._process.mean + hyper.signal * found

    def _scaled(self, unit: Array) -> Array:
        process = self._process
        apart = distances(Points.all_active(unit), process.points, process.kinds)
        scale = np.where(process.kinds.categorical, 1.0 / process.hyper.scales, process.hyper.scales**-2.0)
        return apart * scale[:, None, None]
