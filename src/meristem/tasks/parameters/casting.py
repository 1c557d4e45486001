"""Values of the store as what the code expects: typed by the annotation, else by the value that the code has.

A value that the code cannot use is refused with what is expected, never bent: 0.5 does not become the integer 0.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

from meristem.tasks.parameters.json_values import JSON, to_json

UNKNOWN = object()  # as an annotation or a value: there is none

_TRUE, _FALSE = ("true", "yes", "on", "1", "t", "y"), ("false", "no", "off", "0", "f", "n")
_LISTS = (list, Sequence, MutableSequence, typing.Iterable)
_MAPPINGS = (dict, Mapping, MutableMapping)


class CannotCast(ValueError):
    """The text says what is expected, such as "a whole number"."""


def cast(value: JSON, current: Any, wanted: Any = UNKNOWN) -> Any:
    """`value` of the store as the code wants it.

    Args:
        value: What the store has.
        current: What the code has. Where it is the same as `value`, it is returned itself, untouched.
        wanted: The annotation, where there is one.

    Raises:
        CannotCast: It is nothing of the kind.
    """
    if _same(to_json(current), value):
        return current
    return _by_value(value, current) if wanted is UNKNOWN else _by_annotation(value, wanted, current)


def _same(one: JSON, other: JSON) -> bool:
    """Equal as JSON, where true is not 1."""
    if isinstance(one, bool) is not isinstance(other, bool) or one != other:
        return False
    if isinstance(one, list):
        return all(_same(a, b) for a, b in zip(one, other, strict=True))
    return not isinstance(one, dict) or all(_same(one[key], other[key]) for key in one)


def _by_value(value: JSON, current: Any) -> Any:
    """As the type of `current`; None may become anything, and anything None."""
    if value is None or current is None or type(current) is object:
        return value
    kind = type(current)
    if isinstance(current, (list, tuple, set, frozenset)):
        return _rebuilt(current, _items(value, current, kind))
    if isinstance(current, Mapping):
        return _expect(value, dict, "a mapping")
    if kind.__module__.partition(".")[0] == "numpy":
        return _like_numpy(value, current)
    return _by_annotation(value, kind, current)


def _items(value: JSON, current: Any, kind: type) -> list[Any]:
    items = _expect(value, list, "a list")
    kinds = {type(item) for item in current}
    if len(kinds) != 1 or kinds <= {type(None), dict, list, tuple, set}:
        return list(items)
    sample = next(iter(current))
    return [_by_value(item, sample) for item in items]


def _rebuilt(current: Any, items: list[Any]) -> Any:
    if hasattr(current, "_fields"):  # a named tuple
        if len(items) != len(current):
            raise CannotCast(f"a list of {len(current)} values")
        return type(current)(*items)
    return type(current)(items)


def _like_numpy(value: JSON, current: Any) -> Any:
    if getattr(current, "ndim", None) != 0:
        import numpy as np  # the code that is asked for has loaded it

        try:
            return np.asarray(value, dtype=current.dtype)
        except (TypeError, ValueError) as error:
            raise CannotCast(f"an array of {current.dtype}") from error
    return type(current)(_by_value(value, current.item()))


def _by_annotation(value: JSON, wanted: Any, current: Any) -> Any:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted in (Any, object) or isinstance(wanted, (str, typing.TypeVar)):
        return _by_value(value, current)
    if origin in (typing.Annotated, typing.Final, typing.ClassVar):
        return _by_annotation(value, arguments[0], current)
    if hasattr(wanted, "__supertype__"):  # NewType
        return _by_annotation(value, wanted.__supertype__, current)
    if origin in (typing.Union, types.UnionType):
        return _by_union(value, arguments, current)
    if origin is typing.Literal:
        return _by_literal(value, arguments)
    if wanted is None or wanted is type(None):
        return _null(value)
    kind = origin or wanted
    if not isinstance(kind, type):
        return _unchangeable(value, current)
    if caster := _CASTERS.get(kind):
        return caster(value)
    return _by_class(value, kind, arguments, current)


def _by_class(value: JSON, kind: type, arguments: tuple[Any, ...], current: Any) -> Any:
    if issubclass(kind, Enum):
        return _enum(value, kind)
    if issubclass(kind, tuple):
        return _tuple(value, arguments, current)
    if kind in _LISTS or issubclass(kind, list):
        made: Any = [_element(item, arguments) for item in _expect(value, list, "a list")]
        return made if kind in _LISTS else _made(kind, made)
    if issubclass(kind, AbstractSet):
        made = [_element(item, arguments) for item in _expect(value, list, "a list")]
        return frozenset(made) if issubclass(kind, frozenset) else set(made)
    if kind in _MAPPINGS or issubclass(kind, dict):
        given = _expect(value, dict, "a mapping")
        return {_key(key, arguments): _element(item, arguments[1:]) for key, item in given.items()}
    if issubclass(kind, PurePath):
        return (type(current) if isinstance(current, kind) else kind)(_expect(value, str, "a path"))
    if dataclasses.is_dataclass(kind):
        return _dataclass(value, kind)
    for scalar in (bool, int, float, str):
        if issubclass(kind, scalar):  # a subclass, such as a unit
            return kind(_CASTERS[scalar](value))
    return _unchangeable(value, current)


def _made(kind: Any, items: list[Any]) -> Any:
    return kind(items)  # a list of the script's own kind


def _by_union(value: JSON, arguments: tuple[Any, ...], current: Any) -> Any:
    """The member whose JSON it is already, else the first that it can become."""
    exact = {type(None): type(None), bool: bool, int: int, float: float, str: str}.get(type(value))
    if exact in arguments:
        return value
    expected: list[str] = []
    for one in arguments:
        try:
            return _by_annotation(value, one, current)
        except CannotCast as error:
            expected.append(str(error))
    raise CannotCast(" or ".join(dict.fromkeys(expected)))


def _by_literal(value: JSON, options: tuple[Any, ...]) -> Any:
    for same in (lambda one: _same(to_json(one), value), lambda one: str(one) == value):
        for option in options:
            if same(option):
                return option
    raise CannotCast(f"one of {', '.join(map(repr, options))}")


def _enum(value: JSON, kind: type[Enum]) -> Enum:
    for one in kind:
        if one.name == value:
            return one
    for one in kind:
        if _same(to_json(one.value), value) or str(one.value) == value:
            return one
    raise CannotCast(f"one of {', '.join(one.name for one in kind)}")


def _tuple(value: JSON, arguments: tuple[Any, ...], current: Any) -> Any:
    items = _expect(value, list, "a list")
    if hasattr(current, "_fields"):
        return _rebuilt(current, items)
    if not arguments or arguments[-1] is Ellipsis:
        return tuple(_element(item, arguments) for item in items)
    if len(items) != len(arguments):
        raise CannotCast(f"a list of {len(arguments)} values")
    return tuple(_element(item, (one,)) for item, one in zip(items, arguments, strict=True))


def _element(item: JSON, arguments: tuple[Any, ...]) -> Any:
    return cast(item, UNKNOWN, arguments[0]) if arguments else item


def _key(key: str, arguments: tuple[Any, ...]) -> Any:
    return _by_annotation(key, arguments[0], UNKNOWN) if arguments else key


def _dataclass(value: JSON, kind: Any) -> Any:
    given = _expect(value, dict, "a mapping")
    hints = hints_of(kind)
    made = {name: _element(item, (hints[name],)) if name in hints else item for name, item in given.items()}
    try:
        return kind(**made)
    except TypeError as error:
        raise CannotCast(f"the fields of {kind.__name__} ({error})") from error


def hints_of(kind: Any) -> dict[str, Any]:
    """Annotations of a class by name; none where they name what does not exist here."""
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:  # evaluating them runs code of users
        return {}


def _unchangeable(value: JSON, current: Any) -> Any:
    if current is UNKNOWN:
        return value
    raise CannotCast(f"{to_json(current)!r}, as in the code: a {type(current).__name__} cannot be made from it")


def _expect(value: JSON, kind: Any, name: str) -> Any:
    if not isinstance(value, kind):
        raise CannotCast(name)
    return value


def _null(value: JSON) -> None:
    if value is not None and not (isinstance(value, str) and value.lower() in ("none", "null", "")):
        raise CannotCast("null")


def _bool(value: JSON) -> bool:
    text = str(value).lower() if isinstance(value, (bool, int, str)) else ""
    if text not in _TRUE + _FALSE:
        raise CannotCast("true or false")
    return text in _TRUE


def _int(value: JSON) -> int:
    try:
        if isinstance(value, str):
            return int(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and int(value) == value:
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise CannotCast("a whole number")


def _float(value: JSON) -> float:
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise CannotCast("a number")


def _str(value: JSON) -> str:
    if isinstance(value, (list, dict)) or value is None:
        raise CannotCast("a text")
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _complex(value: JSON) -> complex:
    try:
        return complex(value)
    except (TypeError, ValueError):
        raise CannotCast("a complex number") from None


def _seconds(value: JSON) -> timedelta:
    try:
        return timedelta(seconds=_float(value))
    except (OverflowError, ValueError):
        raise CannotCast("a number of seconds") from None


def _decimal(value: JSON) -> Decimal:
    try:
        return Decimal(str(_float(value)) if isinstance(value, float) else str(value))
    except ArithmeticError:
        raise CannotCast("a number") from None


def _uuid(value: JSON) -> UUID:
    try:
        return UUID(value)
    except (AttributeError, TypeError, ValueError):
        raise CannotCast("a UUID") from None


def _by_iso(kind: Any, name: str) -> Callable[[JSON], Any]:
    def made(value: JSON) -> Any:
        try:
            return kind.fromisoformat(value)
        except (TypeError, ValueError):
            raise CannotCast(name) from None

    return made


_CASTERS: dict[Any, Callable[[JSON], Any]] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    complex: _complex,
    Decimal: _decimal,
    timedelta: _seconds,
    UUID: _uuid,
    datetime: _by_iso(datetime, "a date and time such as 2026-01-31T12:00:00"),
    date: _by_iso(date, "a date such as 2026-01-31"),
    time: _by_iso(time, "a time such as 12:00:00"),
    Path: lambda value: Path(_expect(value, str, "a path")),
}
