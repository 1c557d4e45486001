"""Axes that leave out what is far off, so that the rest can be told apart; and that say so in the figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meristem.reports.style import number, value_axis

_REACH = 10.0  # interquartile ranges from the middle half: what is farther is left out
_MARGIN = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Focus:
    """The values that are shown, from the lowest to the highest; and how many lie outside."""

    low: float
    high: float
    below: int
    above: int

    @property
    def outside(self) -> int:
        return self.below + self.above


def focus_of(values: Sequence[float]) -> Focus | None:
    """What to show of `values`; None: no value is so far off that the others could not be told apart."""
    known = sorted(v for v in values if v is not None and math.isfinite(v))
    if len(known) < 5:
        return None
    low, high = known[len(known) // 4], known[(3 * len(known)) // 4]
    reach = _REACH * (high - low)
    kept = [v for v in known if low - reach <= v <= high + reach]
    if reach <= 0 or len(kept) == len(known):
        return None
    below = sum(v < kept[0] for v in known)
    return Focus(low=kept[0], high=kept[-1], below=below, above=len(known) - len(kept) - below)


def focused_axis(
    title: str, values: Sequence[float], *, level: float | None = None, also: Sequence[float] = ()
) -> tuple[dict[str, Any], str]:
    """As `value_axis`, but without what is far off; and a sentence that says how much that is.

    The figure says so itself, by `outside` of the axis.

    Args:
        level: Is to be seen in any case: a limit, a baseline.
        also: Is drawn as well, such as ends of intervals, but is not counted.
    """
    axis = value_axis(title, [*values, *([] if level is None else [level])])
    found = None if axis.get("type") == "log" else focus_of([*values, *also])
    if found is None:
        return axis, ""
    low, high = (found.low, found.high) if level is None else (min(found.low, level), max(found.high, level))
    margin = _MARGIN * ((high - low) or 1.0)
    low, high = low - margin, high + margin
    below, above = sum(v < low for v in values), sum(v > high for v in values)
    marks = {"below": f"↓ {_lie(below)} below {number(low)}" if below else "",
             "above": f"↑ {_lie(above)} above {number(high)}" if above else ""}  # fmt: skip
    count = below + above
    said = f" {_lie(count)} outside the figure." if count else ""
    return {**axis, "range": [low, high], "outside": marks}, said


def _lie(count: int) -> str:
    return f"{count} value lies" if count == 1 else f"{count} values lie"
