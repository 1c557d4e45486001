"""How much of the space of losses a set of points beats, and the rest of it as boxes.

Rows are points, columns are losses (lower is better); the reference is the worst point that still counts.
Everything rests on one construction, the local upper bounds of a set of points: the corners of the region
that no point dominates. From them both the dominated region (for the volume) and the region still to be won
(for the acquisition) fall into boxes that do not overlap.

Sources: Lacour, Klamroth, Fonseca, "A box decomposition algorithm to compute the hypervolume indicator"
(2017), equation 2; Dächert et al., "Efficient computation of the search region in multi-objective
optimization" (2017), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.kernel import Array
from meristem.bayesopt.pareto import non_dominated


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """Boxes that do not overlap: corners `low` and `high`, both of shape (k, m); `low` may be -inf."""

    low: Array
    high: Array

    def __len__(self) -> int:
        return len(self.low)


def hypervolume(losses: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """The volume of all that at least one point beats and that is better than `reference`; exact.

    Args:
        losses: Shape (n, m); points that are not better than the reference everywhere count nothing.
        reference: Shape (m,).
    """
    corner = np.asarray(reference, dtype=float)
    front = _front(losses, corner)
    if not len(front):
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - front.min())
    if len(corner) == 2:
        ordered = front[np.argsort(front[:, 0])]
        above = np.concatenate([corner[1:], ordered[:-1, 1]])
        return float(np.sum((corner[0] - ordered[:, 0]) * (above - ordered[:, 1])))
    if len(corner) == 3:
        return _swept(front, corner)
    found = dominated_boxes(front, corner)
    return float(np.prod(found.high - found.low, axis=1).sum())


def dominated_boxes(losses: npt.ArrayLike, reference: npt.ArrayLike) -> Boxes:
    """What the points beat and what is better than `reference`, as boxes."""
    corner = np.asarray(reference, dtype=float)
    return _dominated(_front(losses, corner), corner)


def undominated_boxes(losses: npt.ArrayLike, reference: npt.ArrayLike) -> Boxes:
    """What is better than `reference` and beaten by no point, as boxes that are open towards minus infinity."""
    corner = np.asarray(reference, dtype=float)
    upper, _ = _upper_bounds(_front(losses, corner), corner)
    # Seen from the other side, the upper bounds are the points and the region below them is what they beat.
    mirrored = _dominated(-upper, np.full(len(corner), np.inf))
    return Boxes(low=-mirrored.high, high=-mirrored.low)


def _front(losses: npt.ArrayLike, corner: Array) -> Array:
    """The distinct points on the front that are better than the corner, in lexicographic order."""
    values = np.asarray(losses, dtype=float).reshape(-1, len(corner))
    values = np.unique(values[(values < corner).all(axis=1)], axis=0)
    return values[non_dominated(values)]


def _swept(front: Array, corner: Array) -> float:
    """Three objectives: slices along the last, each as wide as what the points so far beat in the others."""
    ordered = front[np.argsort(front[:, 2], kind="stable")]
    depths = np.diff(np.concatenate([ordered[:, 2], corner[2:]]))
    first = np.argsort(ordered[:, 0], kind="stable")
    x, y = ordered[first, 0], ordered[first, 1]
    widths = np.diff(np.concatenate([x, corner[:1]]))
    volume = 0.0
    lowest = np.full(len(x), corner[1])  # of the points taken in, the least second loss left of each strip
    place = np.empty(len(first), dtype=np.intp)
    place[first] = np.arange(len(first))
    for step, depth in enumerate(depths):
        at = place[step]
        np.minimum(lowest[at:], y[at], out=lowest[at:])
        if depth > 0:
            volume += depth * float(widths @ (corner[1] - lowest))
    return volume


def _dominated(front: Array, corner: Array) -> Boxes:
    upper, defining = _upper_bounds(front, corner)
    low, high = np.empty_like(upper), np.empty_like(upper)
    low[:, 0], high[:, 0] = defining[:, 0, 0], corner[0]
    for j in range(1, len(corner)):
        low[:, j], high[:, j] = defining[:, :j, j].max(axis=1), upper[:, j]
    kept = (low < high).all(axis=1)
    return Boxes(low=low[kept], high=high[kept])


def _upper_bounds(front: Array, corner: Array) -> tuple[Array, Array]:
    """The local upper bounds of `front`, shape (k, m), and the points that define each, shape (k, m, m).

    A bound's coordinate j is that of its defining point j. Works on the ranks of the coordinates, ties broken
    by place, since the update is exact only where no two points share a coordinate; what the broken ties add
    has no volume.
    """
    count, width = front.shape
    order = np.argsort(front, axis=0, kind="stable")
    rank = np.empty((count, width), dtype=np.intp)
    np.put_along_axis(rank, order, np.arange(1, count + 1)[:, None].repeat(width, axis=1), axis=0)
    upper = np.full((1, width), count + 1)
    defining = np.zeros((1, width, width), dtype=np.intp)
    defining[0, range(width), range(width)] = count + 1
    for point in rank:
        upper, defining = _with_point(point, upper, defining)
    # By rank: below all (for lack of a defining point), the points in order, the reference.
    values = np.concatenate([np.full((1, width), -np.inf), np.take_along_axis(front, order, axis=0), corner[None]])
    columns = np.arange(width)
    return values[upper, columns], values[defining, columns]


def _with_point(
    point: npt.NDArray[np.intp], upper: npt.NDArray[np.intp], defining: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The bounds once `point` has been added: those above it give way to up to m new ones each."""
    above = (point < upper).all(axis=1)
    if not above.any():
        return upper, defining
    old_upper, old_defining = upper[above], defining[above]
    uppers, defined = [upper[~above]], [defining[~above]]
    for j in range(len(point)):
        others = np.delete(old_defining[:, :, j], j, axis=1)
        kept = point[j] > others.max(axis=1, initial=0)
        new_upper, new_defining = old_upper[kept], old_defining[kept]
        new_upper[:, j] = point[j]
        new_defining[:, j] = point
        uppers.append(new_upper)
        defined.append(new_defining)
    return np.concatenate(uppers), np.concatenate(defined)
