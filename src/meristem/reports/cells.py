"""How the cells of a table are written: each column with as many digits as tell its rows apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from meristem.reports.card import Table
from meristem.reports.style import number

FEWEST, MOST = 3, 7  # significant digits


def texts_of(table: Table) -> list[list[str]]:
    """The rows that a page shows, as text."""
    shown = table.rows[: table.most]
    digits = [digits_of(column) for column in zip(*shown, strict=True)]
    return [[number(cell, d) for cell, d in zip(row, digits, strict=True)] for row in shown]


def digits_of(values: Sequence[Any]) -> int:
    """How many significant digits tell neighbours apart that differ, as far as 7 digits do."""
    pairs = [(a, b) for a, b in pairwise(v for v in values if is_number(v) and math.isfinite(v)) if a != b]

    def apart(digits: int) -> int:
        return sum(number(a, digits) != number(b, digits) for a, b in pairs)

    wanted = apart(MOST)
    return next(digits for digits in range(FEWEST, MOST + 1) if apart(digits) == wanted)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
