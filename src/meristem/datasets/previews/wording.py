"""How values are written for people: one line, no control characters, few digits."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB", "EB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain(text: str, longest: int = 200) -> str:
    """One line; what a terminal or a reader could be fooled by is escaped; long text is cut with an ellipsis."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def plain_path(path: str, longest: int = 120) -> str:
    """A path that is cut in its middle where it is long: its end tells most."""
    shown = plain(path, 10_000)
    return shown if len(shown) <= longest else f"{shown[: longest // 3]}…{shown[-(longest - longest // 3 - 1) :]}"


def cut(text: str, longest: int) -> str:
    """Text as it is, cut with an ellipsis where it is long."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def number(value: float | int | str | None, digits: int = 4) -> str:
    """A value with so many significant digits, thousands separated."""
    if value is None:
        return ""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**12 else f"{value:.4g}"
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    if not 1e4 <= abs(value) < 1e9:
        return f"{value:.{digits}g}"
    return f"{value:,.0f}"


def bytes_text(size: int) -> str:
    """1 KB is 1,000 bytes."""
    amount, place = float(size), 0
    while amount >= 999.5 and place < len(_UNITS) - 1:
        amount, place = amount / 1000, place + 1
    return f"{size} B" if place == 0 else f"{amount:.3g} {_UNITS[place]}"


def counted(count: int, noun: str, several: str = "") -> str:
    """ "1 file", "2 files"."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def share(part: int, whole: int) -> str:
    """In percent; what is little is not called nothing, what is nearly all not all."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if percent < 0.1:
        return "< 0.1 %"
    if percent > 99.9 and part != whole:
        return "> 99.9 %"
    return f"{percent:.0f} %" if percent >= 9.95 else f"{percent:.1f} %"


def moment(seconds: float) -> str:
    """A moment as ISO 8601, UTC; "" where it lies outside of the calendar."""
    try:
        found = _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return ""
    text = found.replace(tzinfo=None).isoformat(sep=" ", timespec="auto")
    return text.removesuffix(" 00:00:00") if text.endswith(" 00:00:00") else text
