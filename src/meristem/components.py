"""Finds and builds components (controllers, executors, handlers) that a user names.

A component is given as `{"name": …, "args": {…}}` (an entry point, ours are found the same way),
as `{"path": "package.module.Class", "args": {…}}` (on PYTHONPATH), as a bare name, or as an object.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from meristem.errors import InputError, UnknownComponent, did_you_mean

KINDS = {
    "controller": "meristem.controllers",
    "executor": "meristem.executors",
    "handler": "meristem.handlers",
    "stopping rule": "meristem.stopping_rules",
    "ending rule": "meristem.ending_rules",
    "runner": "meristem.runners",
    "metric": "meristem.metrics",
}

# Names of other products for components of ours, which their configurations may keep using.
ALIASES = {
    "controller": {"ReinforcementController": "reinforcement", "TestController": "test"},
    "executor": {"MMARExecutor": "mmar"},
    "handler": {
        "MMARHandler": "mmar", "StatsHandler": "stats", "MMARStatsHandler": "mmar_stats",
        "MMARTensorboardHandler": "tensorboard",
    },
}  # fmt: skip

_import_folders: list[str] = []
_STAND_INS = Path(__file__).parent / "clara" / "shim"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSpec:
    """A component as data: which class, with which arguments."""

    name: str | None = None
    path: str | None = None
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.name or self.path or "?"

    def to_json(self) -> dict[str, Any]:
        head = {"name": self.name} if self.name else {"path": self.path}
        return {**head, "args": dict(self.args)} if self.args else dict(head)


def spec_of(kind: str, given: str | Mapping[str, Any] | ComponentSpec) -> ComponentSpec:
    """The specification that `given` stands for.

    Raises:
        InputError: When it is neither a name nor a mapping with `name` or `path`, and perhaps `args`.
    """
    if isinstance(given, ComponentSpec):
        return given
    if isinstance(given, str):
        return ComponentSpec(path=given) if "." in given else ComponentSpec(name=given)
    problems = []
    if not isinstance(given, Mapping):
        raise InputError(f"The {kind} must be a name or {{name|path, args}}, not {type(given).__name__}.")
    if unknown := set(given) - {"name", "path", "args"}:
        problems.append(f"unknown keys {sorted(map(str, unknown))} (known: name, path, args)")
    if not (given.get("name") or given.get("path")):
        problems.append("'name' or 'path' is missing")
    if not isinstance(given.get("args") or {}, Mapping):
        problems.append("'args' must be a mapping of argument names to values")
    problems += [f"{key!r} must be text" for key in ("name", "path") if not isinstance(given.get(key, ""), str)]
    if problems:
        raise InputError(f"The {kind} is not usable", problems)
    # As in MMAR configurations, `name` beside `path` is only a label.
    path = given.get("path")
    return ComponentSpec(name=None if path else given.get("name"), path=path, args=dict(given.get("args") or {}))


def known_names(kind: str) -> list[str]:
    return sorted(_entry_points(kind))


def find_class(kind: str, spec: ComponentSpec) -> Any:
    """The class or function that `spec` names.

    Raises:
        UnknownComponent: No such name, or the path cannot be imported.
    """
    if spec.path is None:
        points = _entry_points(kind)
        name = spec.name or "?"
        name = name if name in points else ALIASES.get(kind, {}).get(name, name)
        if name not in points:
            raise UnknownComponent(kind, name, list(points))
        return points[name].load()
    module_name, _, attribute = spec.path.replace(":", ".").rpartition(".")
    if not module_name:
        raise UnknownComponent(kind, spec.path, known_names(kind), "a path is package.module.Class")
    import_from(Path.cwd())  # console scripts, unlike `python`, leave the working directory out
    try:
        module = _import(module_name)
    except Exception as error:  # importing user code may raise anything
        raise UnknownComponent(
            kind, spec.path, known_names(kind), f"importing {module_name} raised {type(error).__name__}: {error}"
        ) from error
    if not hasattr(module, attribute):
        raise UnknownComponent(kind, spec.path, known_names(kind), f"{module_name} has no {attribute!r}")
    return getattr(module, attribute)


def import_from(folder: Path, *, first: bool = False) -> None:
    """Puts `folder` on the import path, where users' components are looked for. May be repeated."""
    entry = str(folder)
    if entry not in sys.path:
        sys.path.insert(0 if first else len(sys.path), entry)
        _import_folders.append(entry)


def make_automl_importable() -> None:
    """Lets components for Clara AutoML import `automl`: ours stands in where it is not installed. May be repeated."""
    if (entry := str(_STAND_INS)) not in sys.path:
        sys.path.append(entry)  # last, so that an installed one comes first
    found = sys.modules.get("automl")
    if found is not None and getattr(found, "__file__", None) is None:
        del sys.modules["automl"]  # a plain folder of that name, such as an MMAR has, was taken for it


def import_folders() -> list[str]:
    """What `import_from` added: kept with a study, so that resuming it from elsewhere finds its components."""
    return list(_import_folders)


def _import(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "automl":
            raise
    make_automl_importable()
    return import_module(module)


def check_args(kind: str, spec: ComponentSpec, supplied: tuple[str, ...] = ()) -> list[str]:
    """What is wrong with the arguments of `spec`, as sentences; `supplied` are given by us."""
    target = find_class(kind, spec)
    if not inspect.isclass(target):
        return []
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return []
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return []
    known = [n for n, p in parameters.items() if n not in supplied and p.kind is not p.VAR_POSITIONAL]
    problems = [
        f"{kind} {spec.label!r} has no argument {name!r}. {did_you_mean(name, known)}"
        f"Known: {', '.join(known) or 'none'}"
        for name in spec.args
        if name not in known
    ]
    required = [n for n in known if parameters[n].default is inspect.Parameter.empty]
    problems += [f"{kind} {spec.label!r} needs the argument {n!r}" for n in required if n not in spec.args]
    return problems


def build(kind: str, spec: ComponentSpec, **supplied: Any) -> Any:
    """Builds the component; `supplied` arguments are added to those of `spec`.

    Raises:
        UnknownComponent: No such class.
        InputError: Its arguments do not fit, or its constructor refuses them.
    """
    target = find_class(kind, spec)
    if problems := check_args(kind, spec, tuple(supplied)):
        raise InputError(f"The {kind} {spec.label!r} cannot be built", problems)
    if not inspect.isclass(target) and not spec.args and not supplied:
        return target  # a plain function or a ready object
    try:
        return target(**spec.args, **supplied)
    except InputError:
        raise
    except Exception as error:  # a user's constructor may raise anything
        raise InputError(f"The {kind} {spec.label!r} cannot be built", [f"{type(error).__name__}: {error}"]) from error


@cache
def _entry_points(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=KINDS[kind])}
