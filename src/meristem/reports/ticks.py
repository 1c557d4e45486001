"""Where an axis has its ticks: at round numbers, of whole numbers at whole ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

_NEAR = 0.07  # of the axis: ticks nearer to an end would be written over its own
_SLACK = 1e-9


def round_step(low: float, high: float, *, most: int = 6, whole: bool = False) -> float:
    """The distance of at most so many ticks between `low` and `high`: 1, 2 or 5 times a power of ten.

    Args:
        whole: The step is a whole number.
    """
    rough = (high - low) / max(1, most - 1)
    if not math.isfinite(rough) or rough <= 0.0:
        return 1.0
    power = math.floor(math.log10(rough))
    step = next(s for s in (float(f"{digit}e{power + more}") for more in (0, 1) for digit in (1, 2, 5)) if s >= rough)
    return max(1.0, step) if whole else step


def round_ticks(low: float, high: float, *, most: int = 6, whole: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, rising."""
    step = round_step(low, high, most=most, whole=whole)
    first, last = math.ceil(low / step - _SLACK), math.floor(high / step + _SLACK)
    return [float(f"{place * step:.12g}") for place in range(first, min(last, first + 2 * most) + 1)]


def with_ends(ticks: Sequence[float], low: float, high: float) -> list[float]:
    """The ticks with both ends of the axis, without those so near to an end that both could not be read."""
    least = _NEAR * (high - low)
    return [low, *(tick for tick in ticks if low + least < tick < high - least), *([high] if high > low else [])]


def around(low: float, high: float, *, most: int = 6) -> tuple[float, float]:
    """The nearest round numbers at or below `low`, and at or above `high`."""
    step = round_step(low, high, most=most)
    ends = math.floor(low / step + _SLACK) * step, math.ceil(high / step - _SLACK) * step
    return float(f"{ends[0]:.12g}"), float(f"{ends[1]:.12g}")


def log_ticks(low: float, high: float) -> list[float]:
    """Round values from `low` to `high`: powers of ten, where there are few of them with 2 and 5, else some of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if len(powers) <= 4 else (1,)
    found = [float(f"{d}e{p}") for p in powers for d in digits]
    found = [tick for tick in found if low * (1 - _SLACK) <= tick <= high * (1 + _SLACK)]
    return [found[place] for place in sample_evenly(len(found), 8)] or [low]


def sample_evenly(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, evenly, first and last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
