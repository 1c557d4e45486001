"""Losses on the scale of a Gaussian process and back again: straight, but for those that are far too bad. Pure.

A training that diverged has a loss of 1e12, or of 1e300. How bad it is means nothing; taken as it is, all other
losses would look equal. What lies far above the usual is therefore drawn in. Unlike the transforms of `outcomes`,
among which a search chooses, this one leaves usual losses exactly as they are, and leads back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.kernel import Array, Kinds, Mask, Points, distances
from meristem.bayesopt.outcomes import robustly_scaled

_KNEE = 6.0  # from so many robust scales above the median on, losses are drawn in
_REACH = 1.0  # and never count for more than _KNEE + _REACH
_VAGUE = 1.1  # in scales, the worst error of what was drawn in: one alone is ignored, several believed (measured)
_LOST = 20.0  # in scales; beyond, a trial counts as diverged
_ABSURD = 1e3  # a spread larger than so often that of the better half is one of trials that diverged
_FEWEST = 12
_FARTHEST = 1e9  # in scales; losses beyond count as equal
_LARGEST_ERROR = 1e3  # a value known no better than that is as good as unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Bend:
    """A rising curve from losses to values of zero mean and unit variance.

    Attributes:
        middle, scale: The median of the losses, and their robust spread.
        highest: The worst of them, in scales above the median; what is predicted beyond goes straight on.
        mean, std: Of the losses in scales after drawing in.
    """

    middle: float
    scale: float
    highest: float
    mean: float
    std: float

    @classmethod
    def of(cls, losses: Array, typical: Array | None = None) -> Bend:
        """The curve for finite losses, shape (n,), n at least 1.

        Args:
            typical: Those of them by which what is usual is measured, such as those of points `spread_out`.
        """
        typical = losses if typical is None else typical
        middle, scale = float(np.median(typical)), _spread(typical)
        raised = _in_scales(losses, middle, scale)
        drawn, weights = _draw_in(raised), _slope(raised)
        mean = float(np.average(drawn, weights=weights))
        std = float(np.average((drawn - mean) ** 2, weights=weights)) ** 0.5
        return cls(middle=middle, scale=scale, highest=float(raised.max()), mean=mean, std=std or 1.0)

    @property
    def unit(self) -> float:
        """What 1 of the values is in the unit of the losses, where these are not drawn in."""
        return self.scale * self.std

    def apply(self, losses: Array) -> Array:
        """Losses as values, shape (n,)."""
        return np.asarray((_draw_in(self._raised(losses)) - self.mean) / self.std, dtype=float)

    def errors(self, losses: Array, sems: Array) -> Array:
        """Standard errors of the values for small standard errors of the losses, all of shape (n,).

        What was drawn in is known no better than by as much as was drawn in: one trial that diverged must not shape
        what is believed of its surroundings, but several side by side do.
        """
        raised = self._raised(losses)
        with np.errstate(over="ignore"):
            known = np.minimum(sems / self.unit, _LARGEST_ERROR) * _slope(raised)
        missing = np.minimum(raised - _draw_in(raised), _VAGUE) / self.std
        return np.asarray(np.minimum(np.hypot(known, missing), _LARGEST_ERROR), dtype=float)

    def usual(self, losses: Array) -> Mask:
        """Which losses are not of trials that diverged, shape (n,)."""
        return self._raised(losses) <= _LOST

    def drawn_in(self, values: Array) -> Array:
        """Values in the unit of the losses, those that were drawn in left where they are."""
        return np.asarray(self.middle + self.scale * (self.mean + self.std * values), dtype=float)

    def losses(self, values: Array) -> Array:
        """The losses that values stand for: the inverse of `apply`, shape (n,)."""
        return np.asarray(self.middle + self.scale * self._drawn_out(values), dtype=float)

    def difference(self, high: Array, low: Array) -> Array:
        """By how much the loss of one value lies above that of another, without losing digits; shape (n,)."""
        return np.asarray(self.scale * (self._drawn_out(high) - self._drawn_out(low)), dtype=float)

    def _raised(self, losses: Array) -> Array:
        return np.minimum(_in_scales(losses, self.middle, self.scale), max(self.highest, _KNEE))

    def _drawn_out(self, values: Array) -> Array:
        drawn = self.mean + self.std * np.asarray(values, dtype=float)
        farthest = float(_draw_in(np.array([max(self.highest, _KNEE)]))[0]) - _KNEE
        bent = np.clip(drawn - _KNEE, 0.0, farthest)
        return np.minimum(drawn, _KNEE) + _REACH * bent / (_REACH - bent) + np.maximum(drawn - _KNEE - farthest, 0.0)


def spread_out(points: Points, kinds: Kinds) -> npt.NDArray[np.intp]:
    """A third of the points, but at least a dozen, each as far from those before it as can be.

    A search that has converged tried most points side by side; their losses do not tell how others usually differ.
    """
    chosen = [0]
    nearest = np.full(len(points), np.inf)
    for _ in range(min(len(points), max(_FEWEST, len(points) // 3)) - 1):
        apart = distances(points.pick(slice(chosen[-1], chosen[-1] + 1)), points, kinds).sum(axis=0)[0]
        nearest = np.minimum(nearest, apart)
        nearest[chosen[-1]] = -1.0
        chosen.append(int(np.argmax(nearest)))
    return np.array(chosen, dtype=np.intp)


def _spread(losses: Array) -> float:
    """A robust spread, also where up to half of the trials diverged."""
    scale = robustly_scaled(losses)[1]
    middle = np.median(losses)
    limit = _ABSURD * robustly_scaled(losses[losses <= middle])[1]
    if 0.0 < limit < scale:
        scale = robustly_scaled(losses[losses <= middle + limit])[1]
    return scale or 1.0


def _in_scales(losses: Array, middle: float, scale: float) -> Array:
    with np.errstate(over="ignore"):
        return np.clip((losses - middle) / scale, -_FARTHEST, _FARTHEST)


def _draw_in(raised: Array) -> Array:
    beyond = np.maximum(raised - _KNEE, 0.0)
    return np.asarray(np.minimum(raised, _KNEE) + _REACH * (beyond / (beyond + _REACH)), dtype=float)


def _slope(raised: Array) -> Array:
    """Of `_draw_in`: from 1 for usual losses to 0 for those that are far too bad."""
    return np.asarray((_REACH / (np.maximum(raised - _KNEE, 0.0) + _REACH)) ** 2, dtype=float)
