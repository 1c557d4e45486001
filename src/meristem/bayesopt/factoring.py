"""Cholesky factors of covariances that are only just positive definite, and what is solved with them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack, solve_triangular

from meristem.bayesopt.kernel import Array, pairs

_JITTERS = (0.0, 1e-8, 1e-6, 1e-4, 1e-2)


def factor(below: Array, diagonal: Array) -> Array:
    """The lower Cholesky factor, shape (n, n), of a symmetric matrix given by its parts.

    Args:
        below: Entries below the diagonal in the order of `kernel.pairs`.
        diagonal: Shape (n,).

    Raises:
        numpy.linalg.LinAlgError: Not even much added to the diagonal makes it positive definite.
    """
    count = len(diagonal)
    places = _flat_places(count)
    for jitter in _JITTERS:
        matrix = np.zeros((count, count), order="F")
        flat = matrix.reshape(-1, order="F")
        flat[places] = below
        flat[:: count + 1] = diagonal * (1.0 + jitter)
        found, info = lapack.dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
        if info == 0 and np.isfinite(found[-1, -1]):
            return np.asarray(found, dtype=float)
    raise np.linalg.LinAlgError("the covariance of the Gaussian process cannot be factored")


def solve(lower: Array, right: Array) -> Array:
    """The solution for `right`, shape (n,) or (n, k), of the matrix that `lower` is the factor of."""
    solved, _ = lapack.dpotrs(lower, right, lower=1)
    return np.asarray(solved, dtype=float)


def half_solve(lower: Array, right: Array) -> Array:
    """The solution of the factor alone."""
    return np.asarray(solve_triangular(lower, right, lower=True, check_finite=False), dtype=float)


def inverse_diagonal_and_below(lower: Array) -> tuple[Array, Array]:
    """The inverse of the matrix, in the parts in which `factor` takes it."""
    inverse, _ = lapack.dpotri(lower, lower=1)
    flat = inverse.reshape(-1, order="F")
    return flat[:: len(lower) + 1].copy(), flat[_flat_places(len(lower))]


@lru_cache(maxsize=4)
def _flat_places(count: int) -> npt.NDArray[np.intp]:
    rows, columns = pairs(count)
    return rows + columns * count
