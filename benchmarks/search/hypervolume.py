"""The hypervolume that losses dominate, exactly, for two and three objectives; what multi-objective runs are judged by.

Kept apart from Meristem's own, so that the judge is not one of the judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def hypervolume(losses: ArrayLike, reference: Sequence[float]) -> float:
    """The volume below `reference` that is dominated by `losses`, shape (n, m) with m = 2 or 3."""
    points = np.asarray(losses, dtype=float).reshape(-1, len(reference))
    points = points[(points < np.asarray(reference)).all(axis=1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 2:
        return _area(points, reference)
    points = points[np.argsort(points[:, 2])]
    heights = np.append(points[:, 2], reference[2])
    slabs = np.diff(heights)
    # Between two heights, all points up to there count; the slab is the area that they dominate.
    return float(sum(h * _area(points[: i + 1, :2], reference[:2]) for i, h in enumerate(slabs) if h > 0))


def _area(points: NDArray[np.float64], reference: Sequence[float]) -> float:
    points = points[np.lexsort((points[:, 1], points[:, 0]))]
    lowest = np.minimum.accumulate(points[:, 1])
    steps = np.append(points[1:, 0], reference[0]) - points[:, 0]
    return float(np.sum(steps * (reference[1] - lowest)))
