"""Plain values: what a parameter's value looks like once numpy and enums are taken off, and when two are one.

`True` and `1` are two values, `1` and `1.0` are one; tuples are lists, as they would be after JSON.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import numpy as np

INT_LIMIT = 2**53  # beyond it, JSON readers (and floats) no longer tell neighbours apart
_SCALARS = (bool, int, float, str)


def plain(value: Any) -> Any:
    """`value` as bool, int, float, str, None, list or dict where it stands for one; else unchanged."""
    kind = type(value)
    if kind is float or kind is int or kind is str or kind is bool or value is None:
        return value
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    for scalar in _SCALARS:
        if isinstance(value, scalar):
            return scalar(value) if scalar is not str else str.__str__(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return value


def try_plain(value: Any) -> Any:
    """As `plain`, and `value` itself where it cannot be walked through (it contains itself, say)."""
    try:
        return plain(value)
    except Exception:  # objects of users may raise anything; whoever checks the value reports it
        return value


def identity(value: Any) -> Hashable:
    """Equal for two values exactly when they count as one; always hashable."""
    kind = type(value)
    if kind is str or kind is int or kind is float or value is None:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return ("bool", value)
    if kind is list or kind is tuple:
        return ("list", tuple([identity(item) for item in value]))
    if kind is dict:
        return ("dict", frozenset((key, identity(item)) for key, item in value.items()))
    unwrapped = try_plain(value)
    return identity(unwrapped) if type(unwrapped) is not kind else ("object", repr(value))


def number_problem(value: Any) -> str | None:
    """Why `value` is not a finite number, if it is not."""
    if isinstance(value, str):
        return f"must be a number, not the text {shorten(value)}{_yaml_hint(value)}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"must be a number, not {describe(value)}"
    if isinstance(value, int):
        return None if abs(value) < 1 << 1023 else "must be small enough for a floating-point number"
    return None if np.isfinite(value) else f"must be finite, not {value}"


def integer_problem(value: Any) -> str | None:
    """Why `value` is not an integer that every JSON reader keeps, if it is not."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"must lie within ±2**53, not {shorten(value)}" if abs(value) > INT_LIMIT else None
    problem = number_problem(value) or f"must be a number, not {value}"
    return problem.replace("a number", "an integer")


def json_problem(value: Any) -> str | None:
    """Why `value` would not survive being written as JSON and read back, if it would not."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
        same = identity(json.loads(text)) == identity(value)
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        return f"{describe(value)} is not a JSON value (text, number, true, false, null, list, mapping)"
    return "an integer in it lies beyond ±2**53" if _has_large_integer(value) else None


def describe(value: Any) -> str:
    """A short way to show any value and its type in an error."""
    return f"{shorten(value)} ({type(value).__name__})"


def shorten(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # a user's __repr__ may raise anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def dumps(value: Any) -> str:
    """Canonical JSON text; what JSON cannot hold is written as its `repr`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=repr)


def _has_large_integer(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return any(_has_large_integer(item) for item in value)
    return isinstance(value, int) and abs(value) > INT_LIMIT


def _yaml_hint(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return ""
    return f" (in YAML 1.1, write {number!r} with a point and without quotes)"
