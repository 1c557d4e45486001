"""Values of a training's code as JSON: what is stored of a parameter.

Numbers of numpy become numbers; NaN and infinities the texts "nan", "inf", "-inf", which JSON has no numbers for.
What JSON cannot hold (a function, a device) is stored as text that says what it is; it is the same text in each run.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

JSON = Any  # None | bool | int | float | str | list[JSON] | dict[str, JSON]

_TEXT_LIMIT = 1000  # characters of the text that stands for an object
_ARRAY_LIMIT = 1000  # numbers of an array that are stored one by one


def to_json(value: Any) -> JSON:
    """`value` as JSON; never fails."""
    try:
        return _to_json(value)
    except Exception:  # objects of users may raise anything
        return f"<{type(value).__name__}>"


def _to_json(value: Any) -> JSON:
    match value:
        case Enum():
            return value.name
        case None | bool() | int() | float() | str():
            return _scalar(value)
        case Mapping():
            return {key_text(key): _to_json(item) for key, item in value.items()}
        case list() | tuple():
            return [_to_json(item) for item in value]
        case set() | frozenset():
            return sorted((_to_json(item) for item in value), key=lambda item: (type(item).__name__, str(item)))
        case UUID():
            return str(value)
        case os.PathLike():
            return os.fsdecode(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return _scalar(value.total_seconds())
    if type(value).__module__.partition(".")[0] == "numpy":
        return _of_numpy(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(type(value), "model_fields"):
        return {name: _to_json(getattr(value, name)) for name in type(value).model_fields}
    return text_of(value)


def _scalar(value: bool | int | float | str | None) -> JSON:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, str):
        return str.__str__(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _of_numpy(value: Any) -> JSON:
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return _to_json(value.item())
    if hasattr(value, "tolist") and value.size <= _ARRAY_LIMIT:
        return _to_json(value.tolist())
    if hasattr(value, "tolist"):
        return f"<array of shape {tuple(value.shape)}, {value.dtype}>"
    return text_of(value)


def text_of(value: Any) -> str:
    """What `value` is, as text without addresses in memory, so that it does not change from run to run."""
    if isinstance(value, type) or callable(value):
        name = getattr(value, "__qualname__", None)
        if name:
            return f"{getattr(value, '__module__', '')}.{name}"
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…"


def key_text(key: Any) -> str:
    """A key of a mapping as a part of a parameter's name."""
    return key if type(key) is str else str(to_json(key))


def shown(value: Any) -> str:
    """`value` for an error, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
