"""Values of Python, numpy and pandas as JSON."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

RESULT_LIMIT_CHARACTERS = 512 << 10  # of a task: a line of the spool stays below 1 MiB, and tables of tasks small


def dumps(value: Any, *, limit_characters: int | None = None) -> str:
    """`value` as JSON text; arrays become lists, dates and paths text.

    Raises:
        TypeError, ValueError: It has no such form, or more characters than `limit_characters`.
    """
    text = json.dumps(value, default=_known, ensure_ascii=False)
    if limit_characters is not None and len(text) > limit_characters:
        raise ValueError(f"it has {len(text):,} characters, the limit is {limit_characters:,}")
    return text


def plain(value: Any) -> Any:
    """`value` as `json.loads` would give it back. Raises TypeError or ValueError as `dumps`."""
    return json.loads(dumps(value))


def cell(value: Any) -> Any:
    """One value of a table: a number, a text, a truth value, or None for what is missing."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        try:
            value = value.item()
        except (TypeError, ValueError):
            return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    return value if isinstance(value, (bool, int)) else None if str(value) in ("NaT", "<NA>") else str(value)


def _known(value: Any) -> Any:
    for method in ("tolist", "to_plotly_json"):  # arrays and their scalars; parts of plotly figures
        if callable(getattr(value, method, None)):
            return getattr(value, method)()
    if isinstance(value, (PurePath, dt.date, dt.time)):
        return str(value) if isinstance(value, PurePath) else value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON")
