"""Frozen dataclasses as plain data and back, by their type hints; what stands at its default is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Lists, dicts, texts and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        named = ((field, getattr(value, field.name)) for field in fields(value))
        return {f.name: to_plain(item) for f, item in named if f.default is MISSING or item != f.default}
    return [to_plain(item) for item in value] if isinstance(value, tuple) else value


def from_plain(kind: type[T], data: Any) -> T:
    """A value of `kind`; fields that it does not have are passed over.

    Raises:
        TypeError: `data` does not fit.
        ValueError: As well.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"{kind.__name__} is not an object")
    hints = _hints(kind)  # type: ignore[arg-type]
    return kind(**{name: _value(hint, data[name]) for name, hint in hints.items() if name in data})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, data: Any) -> Any:
    if isinstance(hint, UnionType):
        if data is None and NoneType in get_args(hint):
            return None
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        return _value(kinds[0], data) if len(kinds) == 1 else _one_of(kinds, data)
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), data)
    if isinstance(hint, type) and is_dataclass(hint):
        return from_plain(hint, data)
    if issubclass(hint, Enum):
        return hint(data)
    return _one_of([hint], data)


def _tuple(hints: tuple[Any, ...], data: Any) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise TypeError("a list is missing")
    if hints[-1] is Ellipsis:
        return tuple(_value(hints[0], item) for item in data)
    return tuple(_value(hint, item) for hint, item in zip(hints, data, strict=True))


def _one_of(kinds: list[Any], data: Any) -> Any:
    if isinstance(data, bool) or not isinstance(data, (*kinds, *([int] if float in kinds else []))):
        raise TypeError(f"{str(data)[:40]!r} stands where {' or '.join(k.__name__ for k in kinds)} is expected")
    return data
