"""What the public face of datasets takes: one rule for each name of an argument, since one name means one thing.

`checked` stands before every public method. What is of the wrong kind is told before anything is done, all at once.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, TypeVar

from meristem.errors import InputError
from meristem.manifests.entry import is_well_coded, too_long
from meristem.store.dataset_rows import VersionRow
from meristem.store.store import Store

P = ParamSpec("P")
R = TypeVar("R")
_LONGEST_SHOWN = 60  # characters of what was given


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Has the arguments checked, and taken as they are meant: one text for a list of one, a numpy number for a number.

    Raises:
        InputError: What cannot be taken, with every mistake. (TypeError: An argument is missing, or there is no such.)
    """
    known = signature(function)
    several = {name for name, parameter in known.parameters.items() if parameter.kind is Parameter.VAR_POSITIONAL}

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound, problems = known.bind(*args, **kwargs), []
        for name, given in bound.arguments.items():
            rule = RULES.get(name)
            if rule is None:
                continue
            try:
                taken = rule(given)
                bound.arguments[name] = tuple(taken) if name in several else taken
            except _NotTaken as refused:
                problems.append(f"{name}={given!r:.{_LONGEST_SHOWN}} {refused}")
        if problems:
            raise InputError(f"{function.__name__}() cannot take this", problems)
        return function(*bound.args, **bound.kwargs)

    return call


class _NotTaken(Exception):
    """Says what should have been given, as the end of a sentence."""


def _name(given: Any) -> str | None:
    """A text by which the store is asked."""
    if given is None:
        return None
    if not isinstance(given, str):
        raise _NotTaken(f"is no text but {_kind(given)}")
    if "\0" in given or any("\ud800" <= c <= "\udfff" for c in given):
        raise _NotTaken("has characters that no name has")
    return given


def _sentence(given: Any) -> str | None:
    if given is None or isinstance(given, str):
        return given
    raise _NotTaken(f"is no text but {_kind(given)}")


def _label(given: Any) -> str:
    if isinstance(given, (str, int, float)):
        return str(given)
    raise _NotTaken(f"is no text but {_kind(given)}")


def _inside(given: Any) -> str:
    """A path, folder or glob in a version."""
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str):
        raise _NotTaken(f"is no path but {_kind(given)}")
    if not is_well_coded(text):
        raise _NotTaken("has characters that stand for no bytes")
    return text


def _path(given: Any) -> Any:
    """A path on this machine."""
    text = _inside(given)
    if not text:
        raise _NotTaken("names no file; '.' is the current folder")
    if "\0" in text:
        raise _NotTaken("has a NUL character")
    if problem := too_long(text):
        raise _NotTaken(problem)
    return given


def _url(given: Any) -> str:
    if text := _inside(given).strip():
        return text
    raise _NotTaken("is no URL")


def _store(given: Any) -> Any:
    if given is None or isinstance(given, Store):
        return given
    if isinstance(given, str) and "://" in given:
        return _inside(given)
    return os.fspath(_path(given))


def _number(given: Any) -> int | None:
    if given is None:
        return None
    try:
        if not isinstance(given, bool):
            return operator.index(given)
    except TypeError:
        pass
    raise _NotTaken("is no whole number")


def _id(given: Any) -> Any:
    return _name(given) if isinstance(given, str) else _number(given)


def _version(given: Any) -> Any:
    if isinstance(getattr(given, "row", None), VersionRow):
        return given
    if given is None or isinstance(given, (bool, float)):
        raise _NotTaken("is no version: give a dataset, an id, or a name 'PROJECT/NAME@VERSION'")
    return _id(given)


def _yes_or_no(given: Any) -> bool:
    found = given.item() if type(given).__module__ == "numpy" and getattr(given, "shape", None) == () else given
    if isinstance(found, int) and found in (0, 1):
        return bool(found)
    raise _NotTaken("is neither True nor False")


def _callable(given: Any) -> Any:
    if given is None or callable(given):
        return given
    raise _NotTaken("cannot be called")


def _several(one: Callable[[Any], Any], *, or_none: bool = False) -> Callable[[Any], list[Any] | None]:
    """What may be given as a list of things; one of them is a list of one, None is none (or stays, where it is all)."""

    def rule(given: Any) -> list[Any] | None:
        if given is None:
            return None if or_none else []
        alone = isinstance(given, (str, bytes, int, Mapping, os.PathLike)) or hasattr(given, "row")
        if alone or not isinstance(given, Iterable):
            return [one(given)]
        return [one(each) for each in given]

    return rule


RULES: Mapping[str, Callable[[Any], Any]] = {
    "project": _name,
    "name": _name,
    "version": _name,
    "tags": _several(_name),
    "id": _id,
    "description": _sentence,
    "message": _sentence,
    "parents": _several(_version),
    "versions": _several(_version),
    "other": _version,
    "store": _store,
    "path": _path,
    "more": _several(_path),
    "folder": _path,
    "sources": _several(_path),
    "dataset_path": _inside,
    "what": _inside,
    "urls": _several(_url),
    "files": _several(_inside, or_none=True),
    "wildcard": _several(_inside, or_none=True),
    "part": _number,
    "num_parts": _number,
    "title": _label,
    "series": _label,
    "progress": _callable,
    "tell": _callable,
    "transform": _callable,
    "path_column": _sentence,
    **dict.fromkeys(
        ("recursive", "background", "overwrite", "exact", "only_published", "auto_create", "writable_copy", "publish",
         "force", "heal", "allow_empty"), _yes_or_no,
    ),
}  # fmt: skip
"""By the names of arguments; those that are missing here check for themselves what they are given."""


def _kind(given: Any) -> str:
    return f"of type {type(given).__name__}"
