"""Spans of time as people write and read them: 90, 10m, 1h30m; 5 min 3 s."""

from __future__ import annotations

import re
from datetime import timedelta

from meristem.errors import InputError

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)\s*")
_LONGEST_DAYS = 3650


def read_duration(text: str) -> timedelta:
    """The span that `text` stands for: seconds, or numbers with s, m, h or d.

    Raises:
        InputError: It is none.
    """
    given = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", given):
        given += "s"
    parts = _PART.findall(given)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not parts or _PART.sub("", given) or seconds > _LONGEST_DAYS * 86400:
        raise InputError(f"{text!r:.60} is no span of time.", fix="Write seconds (90), or 10m, 1h30m, 2d.")
    return timedelta(seconds=seconds)


def shown_duration(seconds: float | None, *, short: bool = False) -> str | None:
    """A span for people, of its two largest units: 0.8 s, 12 s, 5 min 3 s, 2 h 5 min; of its largest, if `short`."""
    if seconds is None:
        return None
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest and not short else "")
    return f"{whole} s"
