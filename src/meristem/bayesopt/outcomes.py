"""Makes raw losses fit for a Gaussian process, and chooses which trials it is fitted to.

Losses may be constant, few, or span 300 orders of magnitude (a training that diverged); lower is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.kernel import Array

_LARGEST = 1e300  # differences of losses must not overflow
_LARGEST_ERROR = 1e3  # a value known no better than that is as good as unknown
_FARTHEST = 1e9  # in scales; losses beyond count as equal
_BEND = 2.0  # from so many scales above the median on, how bad a loss is matters less and less
_REACH = 2.0  # and never counts for more than _BEND + _REACH


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Losses on a common scale, zero mean and unit variance.

    Attributes:
        values: Shape (n,); all zeros when the losses are equal.
        slopes: Shape (n,); change of the value with the loss, to carry small errors over.
        log_jacobian: Sum of the logarithms of the slopes, to compare transforms by evidence.
    """

    values: Array
    slopes: Array
    log_jacobian: float

    def variances(self, sems: Array) -> Array:
        """Variances of the values for small standard errors of the losses, shape (n,)."""
        errors = np.minimum(sems, _LARGEST) * np.minimum(self.slopes, _LARGEST / np.maximum(sems, 1.0))
        return np.asarray(np.minimum(errors, _LARGEST_ERROR) ** 2, dtype=float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """A way to standardize losses: a rising curve, then zero mean and unit variance.

    Attributes:
        name: As shown to users, such as "power 0.5".
        curve: From losses in robust scales above their median to a value and the logarithm of its slope.
    """

    name: str
    curve: Callable[[Array], tuple[Array, Array]]

    def apply(self, losses: npt.ArrayLike) -> Outcomes:
        """Standardizes finite `losses`, shape (n,); invariant to their scale and shift."""
        raised, scale = robustly_scaled(losses)
        if not len(raised) or scale <= 0.0:
            return Outcomes(values=np.zeros_like(raised), slopes=np.ones_like(raised), log_jacobian=0.0)
        values, log_slopes = self.curve(raised)
        spread = float(values.std())
        if spread <= 0.0:
            return Outcomes(values=np.zeros_like(raised), slopes=np.ones_like(raised), log_jacobian=-np.inf)
        # Losses of 1e-300 scale have slopes beyond what a float holds.
        log_slopes = log_slopes - np.log(scale) - np.log(spread)
        return Outcomes(
            values=(values - values.mean()) / spread,
            slopes=np.exp(np.minimum(log_slopes, 690.0)),
            log_jacobian=float(log_slopes.sum()),
        )


def _bent(raised: Array) -> tuple[Array, Array]:
    """Straight up to two scales above the median, then drawn in smoothly."""
    beyond = np.maximum(raised - _BEND, 0.0)
    bent = np.minimum(raised, _BEND) + _REACH * (beyond / (beyond + _REACH))
    return bent, 2.0 * np.log(_REACH / (beyond + _REACH))


def _power(exponent: float) -> Transform:
    """Yeo and Johnson (2000), "A new family of power transformations"."""

    def curve(raised: Array) -> tuple[Array, Array]:
        above, below = np.maximum(raised, 0.0), np.maximum(-raised, 0.0)
        high = np.log1p(above) if exponent == 0 else np.expm1(exponent * np.log1p(above)) / exponent
        low = np.log1p(below) if exponent == 2 else np.expm1((2 - exponent) * np.log1p(below)) / (2 - exponent)
        return high - low, (exponent - 1.0) * np.sign(raised) * np.log1p(np.abs(raised))

    return Transform(name=f"power {exponent:g}", curve=curve)


def _logarithm(floor: float) -> Transform:
    """The logarithm of how far a loss lies above the best, plus `floor` times the median's distance from it."""

    def curve(raised: Array) -> tuple[Array, Array]:
        above = raised - raised.min()
        unit = max(float(np.median(above)), 1e-3)
        lifted = above / unit + floor
        return np.log(lifted), -np.log(lifted) - np.log(unit)

    return Transform(name=f"log {floor:g}", curve=curve)


STRAIGHT = Transform(name="straight", curve=lambda raised: (raised, np.zeros_like(raised)))
BENT = Transform(name="bent", curve=_bent)
TRANSFORMS = (
    BENT,
    STRAIGHT,
    *(_power(exponent) for exponent in (0.5, 0.0, -0.5, -1.0)),
    *(_logarithm(floor) for floor in (1.0, 0.3, 0.1, 0.03)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcessScale:
    """From by how much a limit is broken to values of about unit size; zero, where it is just kept, stays zero.

    Attributes:
        typical: The excess from which on more counts less and less.
        size: How large the bent values are.
    """

    typical: float
    size: float

    @classmethod
    def of(cls, excesses: npt.ArrayLike) -> ExcessScale:
        """The scale for finite excesses, shape (n,); at most 0 where the limit is kept."""
        sizes = np.abs(np.clip(np.asarray(excesses, dtype=float), -_LARGEST, _LARGEST))
        typical = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 1.0
        raw = cls(typical=max(typical, np.finfo(float).tiny), size=1.0)
        bent = raw.apply(excesses)
        return cls(typical=raw.typical, size=(float(np.sqrt(np.mean(bent * bent))) if len(bent) else 1.0) or 1.0)

    def apply(self, excesses: npt.ArrayLike) -> Array:
        values: Array = np.clip(np.asarray(excesses, dtype=float), -_LARGEST, _LARGEST)
        with np.errstate(over="ignore"):
            bent = np.arcsinh(np.clip(values / self.typical, -_FARTHEST, _FARTHEST))
        return np.asarray(bent / self.size, dtype=float)

    @property
    def unit(self) -> float:
        """The excess that one unit near zero stands for."""
        return self.typical * self.size


def likely_normal(losses: npt.ArrayLike) -> Transform:
    """The power transform after which the losses look most like a normal sample."""
    powers = [STRAIGHT, *(t for t in TRANSFORMS if t.name.startswith("power"))]
    return max(powers, key=lambda t: t.apply(losses).log_jacobian)


def robustly_scaled(losses: npt.ArrayLike) -> tuple[Array, float]:
    """How many scales losses lie above their median, and the scale; 0 where all are equal."""
    values: Array = np.clip(np.asarray(losses, dtype=float), -_LARGEST, _LARGEST)
    if not len(values):
        return values, 0.0
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    scale = max((high - low) / 1.35, (middle - values.min()) / 4.0)
    if scale <= np.finfo(float).tiny:
        scale = values.max() - middle
    if scale <= np.finfo(float).tiny:
        return np.zeros_like(values), 0.0
    with np.errstate(over="ignore"):
        return np.clip((values - middle) / scale, -_FARTHEST, _FARTHEST), float(scale)


def choose_subset(losses: npt.ArrayLike, limit: int) -> npt.NDArray[np.intp]:
    """Which of the trials, given oldest first, to fit to: the best, the latest, and some of every quality.

    Returns:
        At most `limit` indices in rising order; all of them when there are no more than that.
    """
    values = np.asarray(losses, dtype=float)
    count = len(values)
    if count <= limit:
        return np.arange(count)
    ranked = np.argsort(values, kind="stable")
    chosen = np.zeros(count, dtype=bool)
    chosen[ranked[: limit // 3]] = True
    chosen[count - limit // 3 :] = True
    rest = ranked[~chosen[ranked]]
    wanted = limit - int(chosen.sum())
    chosen[rest[np.linspace(0, len(rest) - 1, num=min(wanted, len(rest))).astype(int)]] = True
    return np.flatnonzero(chosen)
