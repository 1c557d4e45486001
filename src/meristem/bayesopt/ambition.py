"""What several objectives are measured against: the reference point, and losses scaled by it.

Hypervolume depends on the scale on which losses are measured, so that a scale may be moved and stretched but
not bent where volume counts. Beyond the reference nothing counts, and losses are drawn in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meristem.bayesopt.kernel import Array
from meristem.bayesopt.pareto import non_dominated

_MARGIN = 0.1
_LEAST_TRADE = 0.02
_BEND = 2.0  # losses so many scales above the median are drawn in where they do not count
_REACH = 1.0  # losses beyond the knee never count for more than so many distances from best to knee
_LARGEST_ERROR = 1e3  # a value known no better than that is as good as unknown
_LARGEST = 1e150  # losses beyond this are taken as this, so that no difference or square overflows


def infer_reference(losses: Array, thresholds: Sequence[float | None] = ()) -> Array:
    """The worst losses that still count: the thresholds, else a little worse than the worst on the front.

    Points that give up much of one objective for next to nothing of the others do not set it: the front is
    that of properly efficient points, with trade-offs of at most 1 to 50 on the front's own scale.

    Args:
        losses: What is reached, or can be by what is known, shape (n, m), n at least 1, finite.
        thresholds: By objective, None where there is none; or nothing at all.

    Returns:
        Shape (m,): the nadir of the front plus a tenth of the front's range.

    Sources: Daulton et al., "Parallel Bayesian Optimization of Multiple Noisy Objectives with Expected
    Hypervolume Improvement" (2021), appendix; Geoffrion, "Proper efficiency" (1968).
    """
    values = np.clip(losses, -_LARGEST, _LARGEST)
    front = values[non_dominated(values)]
    best, width = front.min(axis=0), np.ptp(front, axis=0)
    for spare in (np.median(values, axis=0) - best, np.ptp(values, axis=0), np.maximum(np.abs(best), 1.0)):
        width = np.where(width > 1e-12 * np.abs(best), width, spare)
    shares = (front - best) / width
    proper = front[non_dominated(shares + _LEAST_TRADE * shares.sum(axis=1, keepdims=True))]
    found = proper.max(axis=0) + _MARGIN * np.maximum(np.ptp(proper, axis=0), 1e-3 * width)
    given = [None] * len(found) if not len(thresholds) else list(thresholds)
    return np.array([f if own is None else own for own, f in zip(given, found, strict=True)], dtype=float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From losses of one objective to about zero mean and unit variance.

    Attributes:
        zero, unit: Losses are measured from `zero` in multiples of `unit`.
        knee: From here on, in these multiples, they are drawn in.
        mean, std: What is taken off and divided by at last.
    """

    zero: float
    unit: float
    knee: float
    mean: float
    std: float

    @classmethod
    def of(cls, losses: Array, reference: float) -> Scale:
        """The scale for losses of shape (n,), n at least 1: linear up to `reference` and for what is usual."""
        values = np.clip(losses, -_LARGEST, _LARGEST)
        zero = float(values.min())
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        usual = middle + _BEND * max((high - low) / 1.35, (middle - zero) / 4.0)
        knee = max(float(np.clip(reference, -_LARGEST, _LARGEST)), float(usual))
        unit = min(knee, float(values.max())) - zero
        if unit <= 1e-12 * abs(zero):
            unit = float(values.max()) - zero or 1.0
        with np.errstate(over="ignore"):
            bend = float(np.clip((np.float64(knee) - zero) / unit, -_LARGEST, _LARGEST))
        raw = cls(zero=zero, unit=unit, knee=bend, mean=0.0, std=1.0)
        scaled = raw.apply(values)
        spread = float(scaled.std())
        return cls(zero=zero, unit=unit, knee=raw.knee, mean=float(scaled.mean()), std=spread if spread > 0 else 1.0)

    def apply(self, losses: Array) -> Array:
        """Scaled losses, finite, in the same order."""
        multiples = self._multiples(losses)
        beyond = np.clip(multiples - self.knee, 0.0, _LARGEST)
        bent = np.minimum(multiples, self.knee) + _REACH * (beyond / (beyond + _REACH))
        return np.asarray((bent - self.mean) / self.std, dtype=float)

    def errors(self, losses: Array, sems: Array) -> Array:
        """Standard errors of the scaled losses, for small standard errors of the losses; all of shape (n,)."""
        with np.errstate(over="ignore"):
            straight = np.clip(sems, 0.0, _LARGEST) / self.unit / self.std
        beyond = np.clip(self._multiples(losses) - self.knee, 0.0, _LARGEST)
        return np.asarray(np.minimum(straight * (_REACH / (beyond + _REACH)) ** 2, _LARGEST_ERROR), dtype=float)

    def _multiples(self, losses: Array) -> Array:
        with np.errstate(over="ignore"):
            found = (np.clip(losses, -_LARGEST, _LARGEST) - self.zero) / self.unit
        return np.asarray(np.clip(found, -_LARGEST, _LARGEST), dtype=float)
