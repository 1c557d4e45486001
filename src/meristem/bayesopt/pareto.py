"""Which points no other point beats in every objective: Pareto fronts, ranks, and how crowded a front is.

Rows are points, columns are losses: lower is better. Losses must be finite. Equal points share their fate.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.kernel import Array, Mask

Ranks = npt.NDArray[np.intp]


def non_dominated(losses: npt.ArrayLike) -> Mask:
    """Which points are on the Pareto front: none is at least as good in all objectives and better in one.

    Args:
        losses: Shape (n, m).

    Returns:
        Shape (n,). Of equal points either all or none are on it.
    """
    values = _table(losses)
    front = np.zeros(len(values), dtype=bool)
    # In this order nothing is dominated by what comes later, so the first of what is left is on the front.
    left = np.lexsort(values.T[::-1])
    while len(left):
        first = values[left[0]]
        equal = (values[left] == first).all(axis=1)
        front[left[equal]] = True
        beaten = (values[left] >= first).all(axis=1)
        left = left[~beaten]
    return front


def crowding(losses: npt.ArrayLike) -> Array:
    """How much room each point has among its neighbours of one front; infinite at the ends.

    The sum over the objectives of the distance between the two neighbours, as a share of the whole range.

    Args:
        losses: Shape (n, m).

    Returns:
        Shape (n,); the more, the lonelier.

    Source: Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (2002), section III-B.
    """
    values = _table(losses)
    count = len(values)
    room = np.zeros(count)
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        with np.errstate(over="ignore", invalid="ignore"):
            width = ordered[-1] - ordered[0] if count else 0.0
            gaps = (ordered[2:] - ordered[:-2]) / width if 0 < width < np.inf else np.zeros(max(0, count - 2))
        room[order[1:-1]] += gaps
        room[order[:1]] = room[order[-1:]] = np.inf
    return room


def fittest(losses: npt.ArrayLike, count: int) -> tuple[Ranks, Ranks, Array]:
    """The `count` best points: whole fronts, and of the last one the loneliest.

    Args:
        losses: Shape (n, m).

    Returns:
        Which points, the best first; their ranks; their crowding among the chosen of their front. All of
        shape (min(n, count),).

    Source: Deb et al. (2002), section III-C.
    """
    values = _table(losses)
    left = np.arange(len(values))
    chosen: list[Ranks] = []
    rank_of: list[Ranks] = []
    room_of: list[Array] = []
    while len(left) and count > 0:
        front = non_dominated(values[left])
        room = crowding(values[left[front]])
        order = np.argsort(-room, kind="stable")[:count]
        chosen.append(left[front][order])
        rank_of.append(np.full(len(order), len(rank_of), dtype=np.intp))
        room_of.append(room[order])
        left, count = left[~front], count - len(order)
    if not chosen:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp), np.zeros(0)
    return np.concatenate(chosen), np.concatenate(rank_of), np.concatenate(room_of)


def _table(losses: npt.ArrayLike) -> Array:
    values = np.asarray(losses, dtype=float)
    return values[:, None] if values.ndim == 1 else values
