"""Reads parameters from plain data: the specifications of a study file, and their short forms."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from meristem.errors import did_you_mean
from meristem.space.parameters import Choice, Fixed, Float, Int, Parameter
from meristem.space.values import describe, plain

OPTIONS: dict[str, tuple[str, ...]] = {
    "float": ("log", "step", "default", "when"),
    "int": ("log", "step", "default", "when"),
    "choice": ("ordered", "default", "when"),
    "fixed": ("when",),
}


def read_parameters(given: Any) -> tuple[dict[str, Parameter | None], list[str]]:
    """Name to parameter (None: could not be read), and what is wrong with them.

    Pairs of name and parameter are taken too; there, a name may come twice, which is a mistake.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else _pairs(given)
    if pairs is None:
        return {}, [f"parameters must be a mapping of names to parameters, not {describe(given)}"]
    if not pairs:
        return {}, ["it has no parameters; give at least one"]
    read: dict[str, Parameter | None] = {}
    problems: list[str] = []
    seen: dict[str, str] = {}
    for name, item in pairs:
        if problem := _name_problem(name):
            problems.append(problem)
            continue
        alike = seen.setdefault(unicodedata.normalize("NFC", name), name)
        if name in read or alike != name:
            how = "" if alike == name else " (it differs from another in Unicode encoding only)"
            problems.append(f"{name}: duplicate name{how}")
            continue
        read[name], wrong = read_parameter(item)
        problems += [f"{name}: {p}" for p in wrong]
    return read, problems


def read_parameter(given: Any) -> tuple[Parameter | None, list[str]]:
    """The parameter that `given` stands for, and what is wrong with it.

    A parameter stands for itself, a mapping such as `{"float": [0, 1], "log": True}` is a
    specification, a list is a `Choice`, a bare value is `Fixed`.
    """
    if isinstance(given, Parameter):
        return given, given.problems()
    if isinstance(given, Mapping):
        return _read_mapping(given)
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(plain(v), (int, float)) for v in given):
        low, high = given
        return None, [f"a pair of numbers may mean a range or a choice: write Float({low}, {high}) or [{low}, {high}]"]
    if isinstance(given, (list, tuple)):
        parameter: Parameter = Choice(given)
    elif given is None or isinstance(plain(given), (bool, int, float, str)):
        parameter = Fixed(given)
    else:
        what = "Float, Int, Choice, Fixed, a list, a value or a mapping"
        return None, [f"must be {what}, not {describe(given)}"]
    return parameter, parameter.problems()


def _read_mapping(given: Mapping[Any, Any]) -> tuple[Parameter | None, list[str]]:
    kinds = [kind for kind in OPTIONS if kind in given]
    if len(kinds) != 1:
        what = "has no kind" if not kinds else f"has several kinds ({', '.join(kinds)})"
        near = [did_you_mean(str(key), list(OPTIONS)) for key in given if not kinds]
        return None, [f"{what}; give exactly one of {', '.join(OPTIONS)}. {''.join(near)}".rstrip()]
    kind = kinds[0]
    known = (kind, *OPTIONS[kind])
    problems = [
        f"unknown key {key!r}. {did_you_mean(str(key), known)}Known: {', '.join(known)}"
        for key in given
        if key not in known
    ]
    options = {str(key): value for key, value in given.items() if key in OPTIONS[kind]}
    parameter = _build(kind, given[kind], options)
    if parameter is None:
        return None, [f"{kind} must be [low, high], not {describe(given[kind])}", *problems]
    return parameter, problems + parameter.problems()


def _build(kind: str, value: Any, options: dict[str, Any]) -> Parameter | None:
    if kind == "fixed":
        return Fixed(value, **options)
    if kind == "choice":
        return Choice(value, **options)
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    # An option left empty in YAML is None: as if it were not there.
    given = {key: option for key, option in options.items() if option is not None}
    return Float(*value, **given) if kind == "float" else Int(*value, **given)


def _pairs(given: Any) -> list[tuple[Any, Any]] | None:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        return None
    pairs = list(given)
    return pairs if all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs) else None


def _name_problem(name: Any) -> str | None:
    if not isinstance(name, str):
        return f"the name {describe(name)} must be text"
    if not name.strip():
        return f"the name {name!r} is empty"
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"the name {name!r} is not valid Unicode"
    return None
