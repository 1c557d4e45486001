"""Walks through a training configuration: which mappings are components, and where search notation may stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from meristem.bundles.dialect import Dialect
from meristem.bundles.places import Place


class Role(Enum):
    """What a mapping of the configuration is."""

    FIRST_LEVEL = "first level"
    COMPONENT = "component"
    ARGS = "arguments of a component"
    SECTION = "section"
    PARKED = "under a key that begins with _"


def mappings(config: Mapping[str, Any], dialect: Dialect) -> Iterator[tuple[Place, Mapping[str, Any], Role]]:
    """Every mapping with its place and role, in the order of the text; what is parked is left out.

    Search notation itself is not walked through.
    """
    stack: list[tuple[Place, Any, Role]] = [((), config, Role.FIRST_LEVEL)]
    while stack:
        place, node, role = stack.pop()
        if isinstance(node, Mapping):
            yield place, node, role
        stack += [
            ((*place, key), item, within)
            for key, item, within in reversed(_children(node, role, dialect))
            if isinstance(item, (dict, list, Mapping)) and within is not Role.PARKED
        ]


def without_notation(config: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """A copy, which shares nothing with `config`, without the search notation."""
    copied: dict[str, Any] = _copy(config, Role.FIRST_LEVEL, dialect)
    return copied


def _copy(node: Any, role: Role, dialect: Dialect) -> Any:
    if isinstance(node, Mapping):
        return {key: _copy(item, within, dialect) for key, item, within in _children(node, role, dialect)}
    if isinstance(node, list):
        return [_copy(item, within, dialect) for _, item, within in _children(node, role, dialect)]
    return node


def _children(node: Any, role: Role, dialect: Dialect) -> list[tuple[Any, Any, Role]]:
    """Key or position, value and role of all that stands in `node`, but for search notation."""
    if isinstance(node, list):
        return [(index, item, _role(None, item, role, dialect)) for index, item in enumerate(node)]
    return [
        (key, item, _role(str(key), item, role, dialect))
        for key, item in node.items()
        if not _is_notation(key, item, role, dialect)
    ]


def _is_notation(key: str, value: Any, role: Role, dialect: Dialect) -> bool:
    if role not in (Role.FIRST_LEVEL, Role.COMPONENT):
        return False
    return dialect.is_notation(key, value, first_level=role is Role.FIRST_LEVEL)


def _role(key: str | None, node: Any, around: Role, dialect: Dialect) -> Role:
    if isinstance(node, (str, int, float)):
        return Role.SECTION  # most are, and asking costs time in configurations that list their data
    if around is Role.PARKED or (key or "").startswith("_"):
        return Role.PARKED
    if around is Role.COMPONENT and key is not None and key == dialect.args_key:
        return Role.ARGS
    return Role.COMPONENT if dialect.is_component(node) else Role.SECTION
