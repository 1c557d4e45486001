"""Decides which parameters are active: which exist, given the values of others.

Conditions are checked and put into topological order once, so that a point is walked through in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from meristem.errors import did_you_mean
from meristem.space.encoding import codec_of
from meristem.space.parameters import Parameter
from meristem.space.values import describe, identity, shorten


class _Missing:
    """Stands for an active parameter without a value; equal to no value."""

    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()
Allowed = dict[Hashable, Any]  # identity -> value


class Conditions:
    """The conditions of a space, ready to be walked through.

    Attributes:
        order: All names, parents before children, else as declared.
        allowed: For each name and parent, the parent's values under which it exists.
        plan: The same, compiled for `walk`.
    """

    __slots__ = ("allowed", "any", "order", "plan")

    def __init__(self, parameters: Mapping[str, Parameter], order: Iterable[str]) -> None:
        self.order = tuple(order)
        self.allowed = {name: _allowed_values(parameters[name].when, parameters) for name in self.order}
        self.any = any(self.allowed.values())
        self.plan = tuple(
            (name, tuple((parent, frozenset(values)) for parent, values in self.allowed[name].items()))
            for name in self.order
        )

    def walk(self, value_of: Callable[[str], Any]) -> dict[str, Any]:
        """The active names with their values, parents first; `value_of` is asked for active names only."""
        found: dict[str, Any] = {}
        for name, tests in self.plan:
            for parent, allowed in tests:
                if parent not in found or identity(found[parent]) not in allowed:
                    break
            else:
                found[name] = value_of(name)
        return found

    def together(self, names: Iterable[str]) -> dict[str, Allowed] | None:
        """What must hold for all `names` to be active at once: the values left to each of their ancestors.

        `names` themselves are among the keys only where they are ancestors; None where it is impossible.
        """
        left: dict[str, Allowed] = {}
        seen, waiting = set(), list(names)
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for parent, values in self.allowed[name].items():
                waiting.append(parent)
                before = left.get(parent)
                left[parent] = values if before is None else {k: v for k, v in before.items() if k in values}
                if not left[parent]:
                    return None
        return left


def condition_problems(parameters: Mapping[str, Parameter | None]) -> list[str]:
    """What is wrong with the conditions of `parameters` (None: one that could not be read)."""
    problems = []
    for name, parameter in parameters.items():
        when = None if parameter is None else parameter.when
        if when is None:
            continue
        if not isinstance(when, Mapping) or not when:
            problems.append(f"{name}: when must map other parameters to their values, not {describe(when)}")
            continue
        for parent, given in when.items():
            problems += [f"{name}: {p}" for p in _when_problems(parent, given, parameters)]
    if not problems:
        problems += [f"{' -> '.join(map(str, c))}: cyclic conditions" for c in arrange(parameters)[1]]
    if not problems:
        problems += _never_active(parameters)
    return problems


def arrange(parameters: Mapping[str, Parameter | None]) -> tuple[list[str], list[list[str]]]:
    """The names with parents before children, else as declared; and the cycles that prevent it."""
    parents = {n: [q for q in ((p and p.when) or {}) if q in parameters] for n, p in parameters.items()}
    order: list[str] = []
    cycles: list[list[str]] = []
    placed: set[str] = set()
    waiting = list(parameters)
    while waiting:
        ready = next((n for n in waiting if placed.issuperset(parents[n])), None)
        if ready is None:
            cycles.append(_find_cycle(waiting[0], parents, placed))
            order += (done := cycles[-1][:-1])
        else:
            order += (done := [ready])
        placed.update(done)
        waiting = waiting[1:] if done == waiting[:1] else [n for n in waiting if n not in placed]
    return order, cycles


def _allowed_values(when: Any, parameters: Mapping[str, Parameter]) -> dict[str, Allowed]:
    """A `when` as parent -> allowed values; a list means any of its items."""
    allowed: dict[str, Allowed] = {}
    for parent, given in (when or {}).items():
        canonical = codec_of(parameters[parent]).canonical  # as points have them: 3 for 3.0
        values = map(canonical, given if isinstance(given, list) else [given])
        allowed[parent] = {identity(value): value for value in values}
    return allowed


def _when_problems(parent: Any, given: Any, parameters: Mapping[str, Parameter | None]) -> list[str]:
    if not isinstance(parent, str) or parent not in parameters:
        known = [name for name in parameters if isinstance(name, str)]
        hint = did_you_mean(parent, known) if isinstance(parent, str) else ""
        return [f"when names {shorten(parent)}, which is not a parameter. {hint}".rstrip()]
    if given == []:
        return [f"when leaves no value to {parent!r}; list at least one"]
    owner = parameters[parent]
    if owner is None or owner.problems():
        return []  # its own mistakes are reported already
    values = given if isinstance(given, list) else [given]
    return [f"when can never hold: {parent!r} {p}" for p in map(owner.refuses, values) if p]


def _find_cycle(start: str, parents: Mapping[str, list[str]], placed: set[str]) -> list[str]:
    path = [start]
    while True:
        step = next(parent for parent in parents[path[-1]] if parent not in placed)
        if step in path:
            return [*path[path.index(step) :], step]
        path.append(step)


def _never_active(parameters: Mapping[str, Parameter | None]) -> list[str]:
    known = {n: parameter for n, parameter in parameters.items() if parameter and not parameter.problems()}
    if len(known) < len(parameters):
        return []
    conditions = Conditions(known, arrange(known)[0])
    return [
        f"{name}: can never be active, because the conditions of its parents contradict its own"
        for name in known
        if conditions.together([name]) is None
    ]
