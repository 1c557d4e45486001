"""Parameters of an object as "Section/name" values, and values of the store put in the place of the object's own.

Pure: what is stored where is for others to say. Nested fields have names with more parts: "General/optimizer/lr".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from meristem.errors import InputError
from meristem.tasks.parameters.casting import CannotCast, cast
from meristem.tasks.parameters.editing import parse_value
from meristem.tasks.parameters.forms import AS_STORED, Field, Form, form_inside, form_of
from meristem.tasks.parameters.json_values import JSON, key_text, shown, to_json

__all__ = ["Replaced", "flatten", "parse_value", "replace", "unflatten"]

_LONGEST_NAME = 500
_DEEPEST = 50

# (name, stored value, field) to the value for the code; raises CannotCast.
Caster = Callable[[str, JSON, Field], Any]


@dataclass(slots=True, kw_only=True)
class Replaced:
    """What `replace` did.

    Attributes:
        holder: The object; a new one where it cannot be changed.
        taken: Names whose values went to fields that it has.
        added: Names that it did not have and has now, each with the mapping and the key that hold it.
        unknown: Names that it does not have and does not take.
    """

    holder: Any
    taken: set[str] = field(default_factory=set)
    added: dict[str, tuple[MutableMapping[Any, Any], Any]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def flatten(holder: Any, section: str = "") -> dict[str, JSON]:
    """The fields of `holder` as JSON by name, in their order; `section` is the first part of the names.

    Raises:
        InputError: It has no fields, or two of one name.
    """
    form = form_of(holder)
    if form is None:
        raise InputError(
            f"{shown(holder)} has no named values.",
            fix="Connect a dict, a dataclass, a pydantic model, an argparse parser or namespace, or an object.",
        )
    found: dict[str, JSON] = {}
    problems: list[str] = []
    for name, value in _leaves(holder, form, section or None, depth=0):
        if name in found:
            problems.append(f"{name} stands for two values; rename one")
        if len(name) > _LONGEST_NAME:
            problems.append(f"{name[:60]}… has more than {_LONGEST_NAME} characters")
        found[name] = value
    if problems:
        raise InputError("These parameters cannot be named", problems)
    return found


def unflatten(values: Mapping[str, JSON]) -> dict[str, Any]:
    """Nested mappings of values by name; the inverse of `flatten` for dicts whose keys are texts without "/"."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = name.split("/")
        holder = nested
        for part in path:
            inner = holder.setdefault(part, {})
            if not isinstance(inner, dict):  # "a" and "a/b" both have a value: the longer name wins
                inner = holder[part] = {}
            holder = inner
        holder[last] = value
    return nested


def replace(holder: Any, values: Mapping[str, JSON], section: str = "", *, caster: Caster | None = None) -> Replaced:
    """Put `values` in the place of those of `holder`, each cast to what is there or annotated.

    In place, nested mappings too, except where an object is frozen. A mapping takes names that it does not have.

    Args:
        values: By name; names outside of `section` are passed over.
        caster: Casts in place of `casting.cast`.

    Raises:
        InputError: Values that cannot take their place, all of them listed. Nothing was changed then, except where an
            object refused its values as a whole.
    """
    form = form_of(holder)
    if form is None:
        raise InputError(f"{shown(holder)} has no named values.")
    prefix = f"{section}/" if section else ""
    wanted = dict(_spread((name, value) for name, value in values.items() if name.startswith(prefix)))
    plan = _Plan(wanted, caster or _cast)
    change = plan.of(holder, form, section or None)
    plan.refuse()
    result = Replaced(holder=change(), taken=plan.taken)
    plan.refuse()
    rest = [name for name in wanted if name not in plan.taken]
    result.added = plan.added
    result.unknown = [name for name in rest if name not in plan.added]
    return result


def _leaves(holder: Any, form: Form, section: str | None, depth: int) -> Iterator[tuple[str, JSON]]:
    for one in form.fields(holder):
        name = _joined(section, one.key)
        inner = form_inside(one.value) if depth < _DEEPEST else None  # deeper: it may contain itself
        if inner is None or not inner.fields(one.value):
            yield name, to_json(one.value)
        else:
            yield from _leaves(one.value, inner, name, depth + 1)


def _joined(section: str | None, key: Any) -> str:
    return key_text(key) if section is None else f"{section}/{key_text(key)}"


def _spread(values: Iterator[tuple[str, JSON]]) -> Iterator[tuple[str, JSON]]:
    """A mapping that is stored under one name counts as its values under theirs."""
    for name, value in values:
        if isinstance(value, dict) and value:
            yield from _spread((f"{name}/{key}", item) for key, item in value.items())
        else:
            yield name, value


def _cast(name: str, value: JSON, one: Field) -> Any:
    return value if one.wanted is AS_STORED else cast(value, one.value, one.wanted)


def _names_inside(names: Iterable[str]) -> dict[str, list[str]]:
    """By each first part of a name ("a", "a/b" of "a/b/c"), the names that begin with it."""
    inside: dict[str, list[str]] = {}
    for name in names:
        end = name.find("/")
        while end >= 0:
            inside.setdefault(name[:end], []).append(name)
            end = name.find("/", end + 1)
    return inside


class _Plan:
    """Casts everything first, so that either all values are put in place or none."""

    def __init__(self, values: Mapping[str, JSON], caster: Caster) -> None:
        self._values, self._caster = values, caster
        self._inside = _names_inside(values)
        self._problems: list[str] = []
        self.taken: set[str] = set()
        self.added: dict[str, tuple[MutableMapping[Any, Any], Any]] = {}

    def of(self, holder: Any, form: Form, section: str | None) -> Callable[[], Any]:
        """What will change `holder` and return it, or its successor."""
        leaves: dict[Any, Any] = {}
        parts: dict[Any, Callable[[], Any]] = {}
        for one in form.fields(holder):
            name = _joined(section, one.key)
            inner = form_inside(one.value)
            below = self._below(name)
            if inner is not None and inner.fields(one.value) and name not in self._values:
                if below:
                    parts[one.key] = self.of(one.value, inner, name)
            elif name in self._values:
                self._leaf(leaves, name, self._values[name], one)
                self.taken.add(name)
            elif below:  # empty in the code, filled in the store
                self._leaf(leaves, name, unflatten(below), one)
                self.taken.update(f"{name}/{rest}" for rest in below)
        more = self._more(section) if form.takes_more else {}

        def change() -> Any:
            values = leaves | {key: part() for key, part in parts.items()}
            try:
                changed = form.replace(holder, values) if values else holder
            except CannotCast as error:
                self._problems.append(f"{section or 'the values'}: expected is {error}")
                return holder
            for name, value in more.items():
                self._add(changed, form, name, section, value)
            return changed

        return change

    def refuse(self) -> None:
        if self._problems:
            raise InputError(
                "These parameters of the store do not fit the code", self._problems, "Edit them, or the code."
            )

    def _leaf(self, leaves: dict[Any, Any], name: str, value: JSON, one: Field) -> None:
        try:
            fresh = self._caster(name, value, one)
        except CannotCast as error:
            self._problems.append(f"{name} is {shown(value)}; expected is {error}")
            return
        if fresh is not one.value:
            leaves[one.key] = fresh

    def _below(self, name: str) -> dict[str, JSON]:
        prefix = f"{name}/"
        return {one[len(prefix) :]: self._values[one] for one in self._inside.get(name, ())}

    def _more(self, section: str | None) -> dict[str, JSON]:
        """Those below `section` that no field has taken, here or deeper."""
        names = self._values if section is None else self._inside.get(section, ())
        found = {name: self._values[name] for name in names if name not in self.taken and name not in self.added}
        self.added |= {name: ({}, None) for name in found}  # the mapping follows when it is put there
        return found

    def _add(self, holder: Any, form: Form, name: str, section: str | None, value: JSON) -> None:
        *path, last = name[0 if section is None else len(section) + 1 :].split("/")
        for part in path:
            inner = next((one.value for one in form.fields(holder) if key_text(one.key) == part), None)
            if not isinstance(inner, Mapping):
                form.replace(holder, {part: {}})
                inner = holder[part]
            holder = inner
            form = form_of(holder) or form
        form.replace(holder, {last: value})
        self.added[name] = (holder, last)
