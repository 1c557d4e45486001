"""Lets executors and handlers in the style of Clara AutoML stand where Meristem's own do, by name, path or object.

They are known by their methods. The adapters are components like any other, named `clara`, and found by that name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from meristem.clara.interfaces import is_claras
from meristem.components import ComponentSpec, build, check_args, find_class

_ADAPTER = ComponentSpec(name="clara")
_ADAPTERS_OWN = ("gpus",)  # arguments that the adapter takes where the component does not


def adapted(kind: str, given: Any, **supplied: Any) -> Any:
    """The object `given`, behind an adapter where it needs one; `supplied` are the adapter's arguments."""
    if isinstance(given, type) or not is_claras(kind, given):
        return given
    return build(kind, _ADAPTER, component=given, **supplied)


def build_adapted(kind: str, spec: ComponentSpec, **supplied: Any) -> Any:
    """Builds the component, behind an adapter where it needs one; `supplied` arguments are added to those of `spec`.

    Raises:
        UnknownComponent: No such class.
        InputError: Its arguments do not fit, or its constructor refuses them.
    """
    target = find_class(kind, spec)
    if not is_claras(kind, target):
        return build(kind, spec, **supplied)
    own, adapters = _parted(target, {**spec.args, **supplied})
    return adapted(kind, build(kind, replace(spec, args=own)), **adapters)


def problems_with_args(kind: str, spec: ComponentSpec) -> list[str]:
    """What is wrong with the arguments of `spec`, as sentences.

    Raises:
        UnknownComponent: No such class.
    """
    target = find_class(kind, spec)
    own = _parted(target, spec.args)[0] if is_claras(kind, target) else spec.args
    return check_args(kind, replace(spec, args=own))


def _parted(target: Callable[..., Any], args: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the component, and of its adapter."""
    taken = inspect.signature(target).parameters if inspect.isclass(target) else {}
    adapters = {name: args[name] for name in _ADAPTERS_OWN if name in args and name not in taken}
    return {name: value for name, value in args.items() if name not in adapters}, adapters
