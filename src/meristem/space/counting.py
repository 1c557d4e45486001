"""Lists and counts the distinct points of a space with conditions, without building the whole product."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from meristem.space.conditions import Conditions
from meristem.space.parameters import Parameter
from meristem.space.values import identity

_INACTIVE = object()
_NONE = object()
_REST = object()  # any value that no condition names
State = frozenset[tuple[str, Any]]
ValuesOf = Callable[[str], Iterator[Any]]


def walk_points(conditions: Conditions, values_of: ValuesOf) -> Iterator[dict[str, Any]]:
    """Every distinct point, lazily: parents vary slowest. The yielded dict is changed afterwards."""
    plan = conditions.plan
    point: dict[str, Any] = {}
    open_levels: list[Iterator[Any]] = []

    def descend() -> None:
        name, tests = plan[len(open_levels)]
        active = all(p in point and identity(point[p]) in allowed for p, allowed in tests)
        open_levels.append(values_of(name) if active else iter((_INACTIVE,)))

    descend()
    while open_levels:
        name = plan[len(open_levels) - 1][0]
        value = next(open_levels[-1], _REST)
        point.pop(name, None)
        if value is _REST:
            open_levels.pop()
            continue
        if value is not _INACTIVE:
            point[name] = value
        if len(open_levels) == len(plan):
            yield point
        else:
            descend()


def count_points(parameters: Mapping[str, Parameter], conditions: Conditions) -> int | None:
    """How many distinct points there are, constraints apart; None: infinitely many.

    Goes through the parameters once, keeping for each combination of parents' values that later
    conditions still ask for how many points lead to it.
    """
    plan = _children_first(conditions)
    last_child = {parent: i for i, (_, tests) in enumerate(plan) for parent, _ in tests}
    states: dict[State, int] = {frozenset(): 1}
    for i, (name, tests) in enumerate(plan):
        size = parameters[name].cardinality
        named = {key for allowed in conditions.allowed.values() for key in allowed.get(name, ())}
        grown: dict[State, int] = {}
        for state, count in states.items():
            values = dict(state)
            active = all(values.get(parent, _REST) in allowed for parent, allowed in tests)
            if active and size is None:
                return None
            kept = frozenset(item for item in state if last_child[item[0]] > i)
            for label, ways in _branches(name in last_child, named, size or 0) if active else [(_NONE, 1)]:
                after = kept if label is _NONE else kept | {(name, label)}
                grown[after] = grown.get(after, 0) + count * ways
        states = grown
    return sum(states.values())


def _children_first(conditions: Conditions) -> list[tuple[str, Any]]:
    """The plan with each child as soon after its parents as can be, so that few states are open at once."""
    tests = dict(conditions.plan)
    children: dict[str, list[str]] = {}
    for name, parents in conditions.plan:
        for parent, _ in parents:
            children.setdefault(parent, []).append(name)
    placed: dict[str, None] = {}
    waiting = [name for name, parents in reversed(conditions.plan) if not parents]
    while waiting:
        name = waiting.pop()
        placed[name] = None
        ready = [c for c in children.get(name, ()) if all(parent in placed for parent, _ in tests[c])]
        waiting += reversed(ready)
    return [(name, tests[name]) for name in placed]


def _branches(parent: bool, named: set[Any], size: int) -> list[tuple[Any, int]]:
    """The classes into which conditions divide a parameter's values, with their sizes."""
    if not parent:
        return [(_NONE, size)]
    rest = [(_REST, size - len(named))] if size > len(named) else []
    return [*((key, 1) for key in named), *rest]
