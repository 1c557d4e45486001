"""The forms in which code keeps its parameters, each seen as named fields that can be replaced.

dict and other mappings, dataclass, pydantic, argparse.Namespace, attrs, OmegaConf, plain object or class. Libraries
are recognized by what their objects carry, never imported before the code has done so.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import types
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from meristem.tasks.parameters.casting import UNKNOWN, CannotCast, hints_of

AS_STORED = object()  # as an annotation: whatever the store has is taken as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: `key` is how the object names it, `wanted` its annotation or UNKNOWN."""

    key: Any
    value: Any
    wanted: Any = UNKNOWN


class Form(Protocol):
    takes_more: bool  # names that it does not have yet

    def fields(self, holder: Any) -> list[Field]: ...

    def replace(self, holder: Any, values: Mapping[Any, Any]) -> Any:
        """Put the values of some fields in place; returns `holder`, or its successor where it cannot be changed.

        Raises:
            CannotCast: It refuses them.
        """
        ...


def form_inside(value: Any) -> Form | None:
    """The form of a value inside of others; None where it is one value, such as a number or an unknown object."""
    if _is_omegaconf(value):
        return _OMEGACONF
    if isinstance(value, Mapping):
        return _MAPPING if value else None
    if isinstance(value, type):
        return None
    if hasattr(type(value), "model_fields") and hasattr(type(value), "model_validate"):
        return _PYDANTIC
    if dataclasses.is_dataclass(value):
        return _DATACLASS
    if isinstance(value, (argparse.Namespace, types.SimpleNamespace)) or hasattr(type(value), "__attrs_attrs__"):
        return _OBJECT
    return None


def form_of(holder: Any) -> Form | None:
    """The form of what is connected itself; None where it has no fields."""
    if isinstance(holder, Mapping) and not _is_omegaconf(holder):
        return _MAPPING
    if form := form_inside(holder):
        return form
    plain = isinstance(holder, (str, bytes, int, float, complex, list, tuple, set, frozenset, type(None)))
    return None if plain or inspect.isroutine(holder) or inspect.ismodule(holder) else _OBJECT


def _is_omegaconf(value: Any) -> bool:
    return type(value).__module__ == "omegaconf.dictconfig"


class _Mapping:
    takes_more = True

    def fields(self, holder: Mapping[Any, Any]) -> list[Field]:
        return [Field(key=key, value=value) for key, value in holder.items()]

    def replace(self, holder: Mapping[Any, Any], values: Mapping[Any, Any]) -> Any:
        if not isinstance(holder, MutableMapping):
            return {**holder, **values}
        for key, value in values.items():
            holder[key] = value
        return holder


class _Object:
    takes_more = False

    def fields(self, holder: Any) -> list[Field]:
        hints = hints_of(holder if isinstance(holder, type) else type(holder))
        found = self._values(holder)
        return [Field(key=name, value=value, wanted=hints.get(name, UNKNOWN)) for name, value in found.items()]

    def replace(self, holder: Any, values: Mapping[Any, Any]) -> Any:
        for name, value in values.items():
            try:
                setattr(holder, name, value)
            except (AttributeError, TypeError) as error:
                raise CannotCast(f"nothing, for it cannot be changed ({error})") from error
        return holder

    def _values(self, holder: Any) -> dict[str, Any]:
        kind = holder if isinstance(holder, type) else type(holder)
        if isinstance(holder, argparse.Namespace):
            return dict(vars(holder))
        found: dict[str, Any] = {}
        for one in reversed(kind.__mro__[:-1]):
            found |= vars(one)
            found |= {name: getattr(holder, name) for name in _slots(one) if hasattr(holder, name)}
        if holder is not kind:
            found |= vars(holder) if hasattr(holder, "__dict__") else {}
        return {name: value for name, value in found.items() if not name.startswith("_") and _is_data(value)}


def _slots(kind: type) -> tuple[str, ...]:
    named = vars(kind).get("__slots__", ())
    return (named,) if isinstance(named, str) else tuple(named)


def _is_data(value: Any) -> bool:
    described = isinstance(value, (property, classmethod, staticmethod, type)) or inspect.isdatadescriptor(value)
    return not (described or inspect.isroutine(value))


class _Dataclass:
    takes_more = False

    def fields(self, holder: Any) -> list[Field]:
        hints = hints_of(type(holder))
        # Those without `init` are computed from the others.
        named = [field.name for field in dataclasses.fields(holder) if field.init]
        return [Field(key=name, value=getattr(holder, name), wanted=hints.get(name, UNKNOWN)) for name in named]

    def replace(self, holder: Any, values: Mapping[Any, Any]) -> Any:
        try:
            if type(holder).__dataclass_params__.frozen:
                return dataclasses.replace(holder, **values)
            for name, value in values.items():
                setattr(holder, name, value)
        except (TypeError, ValueError, AttributeError) as error:  # what __post_init__ or a property checks
            raise CannotCast(f"what {type(holder).__name__} accepts ({error})") from error
        return holder


class _Pydantic:
    takes_more = False

    def fields(self, holder: Any) -> list[Field]:
        told = type(holder).model_fields
        return [Field(key=name, value=getattr(holder, name), wanted=one.annotation) for name, one in told.items()]

    def replace(self, holder: Any, values: Mapping[Any, Any]) -> Any:
        """All at once, so that checks of several fields see the new values of all."""
        kind = type(holder)
        whole = {name: getattr(holder, name) for name in kind.model_fields} | dict(values)
        try:
            fresh = self._validated(kind, whole)
        except ValueError as error:
            raise CannotCast(f"what {kind.__name__} accepts ({_first_line(error)})") from error
        if kind.model_config.get("frozen"):
            return fresh
        for name in values:
            holder.__dict__[name] = fresh.__dict__[name]
        holder.__pydantic_fields_set__.update(values)
        return holder

    def _validated(self, kind: Any, whole: Mapping[str, Any]) -> Any:
        try:
            return kind.model_validate(whole, by_name=True)
        except TypeError:  # before pydantic 2.11
            aliases = {name: one.alias or name for name, one in kind.model_fields.items()}
            return kind.model_validate({aliases[name]: value for name, value in whole.items()})


def _first_line(error: ValueError) -> str:
    listed = getattr(error, "errors", None)
    if not callable(listed):
        return str(error).splitlines()[0]
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'as a whole'}: {one['msg']}" for one in listed())


class _OmegaConf:
    takes_more = True

    def fields(self, holder: Any) -> list[Field]:
        from omegaconf import OmegaConf  # its object is here, so it is loaded

        whole: Any = OmegaConf.to_container(holder, resolve=False)
        return [self._field(holder, key, value) for key, value in whole.items()] if isinstance(whole, dict) else []

    def _field(self, holder: Any, key: Any, value: Any) -> Field:
        if isinstance(value, dict) and value:
            return Field(key=key, value=holder[key])
        # "${other}" and "???" may become anything; the types of structured configurations are checked when it is put.
        open_text = isinstance(value, str) and ("${" in value or value == "???")
        return Field(key=key, value=value, wanted=AS_STORED if open_text else UNKNOWN)

    def replace(self, holder: Any, values: Mapping[Any, Any]) -> Any:
        from omegaconf import open_dict, read_write  # its object is here, so it is loaded
        from omegaconf.errors import OmegaConfBaseException

        with read_write(holder), open_dict(holder):
            for key, value in values.items():
                if value is holder._get_node(key):
                    continue  # a part that was changed in place
                try:
                    holder[key] = value
                except OmegaConfBaseException as error:
                    raise CannotCast(str(error).splitlines()[0]) from error
        return holder


_MAPPING, _OBJECT, _DATACLASS, _PYDANTIC, _OMEGACONF = _Mapping(), _Object(), _Dataclass(), _Pydantic(), _OmegaConf()
