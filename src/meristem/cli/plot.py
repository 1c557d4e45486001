"""Curves as text, in dots of braille: a look at a scalar without a browser. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of one character: four rows of two
_EMPTY = 0x2800


def plot(points: Sequence[tuple[float, float]], *, width: int = 72, height: int = 12) -> list[str]:
    """Lines of text that show `points` (x, y) and the ranges of both axes.

    Values that are not finite leave gaps. A point that follows on another is joined with it.

    Args:
        width, height: Of the field of dots, in characters.
    """
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if not finite:
        return ["(no finite values)"]
    across = _Axis([x for x, _ in finite], 2 * width)
    up = _Axis([y for _, y in finite], 4 * height)
    field = [[0] * width for _ in range(height)]
    before: tuple[int, int] | None = None
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            before = None
            continue
        here = across.at(x), 4 * height - 1 - up.at(y)
        for column, row in _line(before or here, here):
            field[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
        before = here
    labels = [""] * height
    labels[0], labels[-1] = f"{up.high:.5g}", f"{up.low:.5g}"
    margin = max(map(len, labels))
    lines = [f"{label:>{margin}} ┤{_text(row)}" for label, row in zip(labels, field, strict=True)]
    left, right = f"{across.low:g}", f"{across.high:g}"
    foot = f"{left}{right:>{max(1, width - len(left))}}"
    return [*lines, f"{'':>{margin}} └{'─' * width}", f"{'':>{margin}}  {foot}"]


class _Axis:
    """Where values lie on so many dots."""

    def __init__(self, values: Sequence[float], dots: int) -> None:
        self.low, self.high, self._dots = min(values), max(values), dots

    def at(self, value: float) -> int:
        # Halves first: the difference of two large numbers may be too large for one.
        span = self.high / 2 - self.low / 2
        if span <= 0:
            return self._dots // 2
        share = (value / 2 - self.low / 2) / span
        return min(self._dots - 1, max(0, round(share * (self._dots - 1))))


def _line(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots from `start` to `end`."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    return [
        (round(start[0] + (end[0] - start[0]) * i / steps), round(start[1] + (end[1] - start[1]) * i / steps))
        for i in range(steps + 1)
    ]


def _text(row: Sequence[int]) -> str:
    return "".join(chr(_EMPTY + cell) if cell else " " for cell in row).rstrip()
