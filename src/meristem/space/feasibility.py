"""Decides whether constraints fit their space: known numeric parameters, and room for at least one point.

Whole-number parameters count as whole; callables are not looked into.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from meristem.errors import SpaceError, did_you_mean
from meristem.space.conditions import Conditions
from meristem.space.constraints import (
    Constraint,
    LinearConstraint,
    PythonConstraint,
    place_of,
    read_constraint,
)
from meristem.space.parameters import Choice, Fixed, Float, Int, Parameter, Parameters
from meristem.space.values import describe, identity

Bounds = Mapping[str, tuple[float, float]]
Readable = Mapping[str, Parameter | None]  # None: could not be read


def read_constraints(given: Any, parameters: Readable) -> tuple[list[Constraint], list[str]]:
    """The constraints that `given` states, and what is wrong with them."""
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        return [], [f"constraints must be a list of texts or callables, not {describe(given)}"]
    found: list[Constraint] = []
    problems: list[str] = []
    for item in given:
        if isinstance(item, Constraint):
            item = item.text if isinstance(item, LinearConstraint) else getattr(item, "function", item)
        if callable(item):
            found.append(PythonConstraint(item))
        elif not isinstance(item, str):
            problems.append(f"constraint {describe(item)} must be text or a callable")
        else:
            try:
                constraint = read_constraint(item)
            except ValueError as error:
                problems.append(f"constraint {item!r} {error}")
                continue
            wrong = _naming_problems(constraint, parameters)
            problems += [f"constraint {item!r} {p}" for p in wrong]
            found += [] if wrong else [constraint]
    return found, problems


def infeasible(
    constraints: Sequence[Constraint], parameters: Mapping[str, Parameter], conditions: Conditions
) -> list[str]:
    """Which linear constraints can never hold, alone or together, where they count."""
    linear = [c for c in constraints if isinstance(c, LinearConstraint)]
    problems: dict[str, None] = {}  # in order, each once
    settled: set[str] = set()
    for constraint in linear:
        left = conditions.together(constraint.names)
        if left is None:
            continue  # its parameters are never active at once: it never counts
        here = set(constraint.names) | set(left) | {n for n, tests in conditions.plan if not tests}
        bounds = {
            name: _bounds(parameters[name], list(left[name].values()) if name in left else None)
            for name in here
            if is_numeric(parameters[name])
        }
        group = [c for c in linear if here.issuperset(c.names)]
        alone = [c for c in group if _impossible(c, bounds)]
        for c in alone:
            problems[f"constraint {c.label} can never hold within the ranges of {', '.join(c.names)}"] = None
        labels = ", ".join(c.label for c in group)
        if alone or len(group) == 1 or (case := f"{labels} {bounds}") in settled:
            continue
        settled.add(case)
        if _impossible_together(group, bounds, parameters):
            problems[f"constraints {labels} can never hold together within the ranges"] = None
    return list(problems)


def contradicted(
    constraints: Sequence[Constraint], parameters: Mapping[str, Parameter], conditions: Conditions, fixed: Parameters
) -> list[str]:
    """Which linear constraints can never hold, alone or together, where parameters have the values `fixed`.

    Only those whose parameters exist whatever the others are: what need not count leaves room.
    """
    sure: set[str] = set()
    for name, tests in conditions.plan:
        if all(parent in sure and parent in fixed and identity(fixed[parent]) in allowed for parent, allowed in tests):
            sure.add(name)
    group = [c for c in constraints if isinstance(c, LinearConstraint) and sure.issuperset(c.names)]
    if not any(name in fixed for c in group for name in c.names):
        return []  # the space itself has been looked at already
    held = {n: Fixed(fixed[n]) if n in fixed else parameters[n] for c in group for n in c.names}
    bounds = {name: _bounds(parameter, None) for name, parameter in held.items()}
    if alone := [c for c in group if _impossible(c, bounds)]:
        return [f"constraint {c.label} can never hold with them" for c in alone]
    if len(group) < 2 or not _impossible_together(group, bounds, held):
        return []
    for constraint in list(group):  # only those that it takes
        fewer = [c for c in group if c is not constraint]
        group = fewer if _impossible_together(fewer, bounds, held) else group
    return [f"constraints {', '.join(c.label for c in group)} can never hold together with them"]


def import_constraint(item: Any, passed: list[Callable[[Parameters], bool]]) -> Any:
    """A constraint from its JSON form; one of `passed` (which is then used up) where the place fits.

    Raises:
        SpaceError: The callable cannot be imported.
    """
    if not isinstance(item, Mapping) or not isinstance(item.get("python"), str):
        return item
    place = item["python"]
    for index, function in enumerate(passed):
        if place_of(function) == place:
            return passed.pop(index)
    module, _, path = place.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing user code may raise anything
        raise SpaceError(
            f"The constraint {place} cannot be imported ({type(error).__name__}: {error}).",
            fix="Constraints that are lambdas, local functions or functions of a script cannot be stored: "
            "pass the space again where the study is opened, or move the function into a module.",
        ) from error
    return found


def is_numeric(parameter: Parameter) -> bool:
    """Whether its values can stand in a linear constraint."""
    if isinstance(parameter, (Float, Int)):
        return True
    values = parameter.choices if isinstance(parameter, Choice) else [getattr(parameter, "value", None)]
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def _naming_problems(constraint: LinearConstraint, parameters: Readable) -> list[str]:
    problems = []
    for name in constraint.names:
        if name not in parameters:
            hint = did_you_mean(name, list(parameters))
            problems.append(f"names {name!r}, which is not a parameter. {hint}".rstrip())
            continue
        parameter = parameters[name]
        if parameter is not None and not parameter.problems() and not is_numeric(parameter):
            problems.append(f"names {name!r}, whose values are not numbers; use a Python function")
    return problems


def _bounds(parameter: Parameter, left: list[Any] | None) -> tuple[float, float]:
    if left is not None:
        return min(left), max(left)
    if isinstance(parameter, (Float, Int)):
        return parameter.low, parameter.high
    values = [parameter.value] if isinstance(parameter, Fixed) else getattr(parameter, "choices", ())
    return min(values), max(values)


def _impossible(constraint: LinearConstraint, bounds: Bounds) -> bool:
    least = constraint.least(bounds)
    slack = 1e-12 * (abs(least) + abs(constraint.bound))
    return least >= constraint.bound if constraint.strict else least > constraint.bound + slack


def _impossible_together(
    group: Sequence[LinearConstraint], bounds: Bounds, parameters: Mapping[str, Parameter]
) -> bool:
    names = sorted({name for constraint in group for name in constraint.names})
    tries = ({n: bounds[n][0] for n in names}, {n: bounds[n][1] for n in names})
    middle = {n: (bounds[n][0] + bounds[n][1]) / 2 for n in names}
    whole = [isinstance(p := parameters[n], Int) and p.step in (None, 1) for n in names]
    if any(all(c.holds(point) for c in group) for point in (*tries, *([] if any(whole) else [middle]))):
        return False
    return _no_solution(group, [bounds[name] for name in names], names, whole)


def _no_solution(
    group: Sequence[LinearConstraint],
    bounds: Sequence[tuple[float, float]],
    names: list[str],
    whole: list[bool],
) -> bool:
    """Whether the linear program has no solution; strict constraints must be met with room to spare."""
    from scipy.optimize import linprog  # heavy: only where no easy point settles it

    low = np.array([pair[0] for pair in bounds], dtype=float)
    width = np.array([pair[1] for pair in bounds], dtype=float) - low
    unit = np.where(whole, 1.0, np.where(width > 0, width, 1.0))  # continuous ones from 0 to 1
    terms = np.array([[c.terms.get(name, 0.0) for name in names] for c in group])
    rows, limits = terms * unit, np.array([c.bound for c in group]) - terms @ low
    scale = np.abs(rows).max(axis=1, keepdims=True)
    strict = np.array([[float(c.strict)] for c in group])  # column of the slack, which is maximized
    answer = linprog(
        [0.0] * len(names) + [-1.0],
        A_ub=np.hstack([rows / scale, strict]),
        b_ub=limits / scale[:, 0],
        bounds=[*((0.0, high) for high in width / unit), (0.0, 1.0)],
        integrality=np.array([*whole, False], dtype=np.uint8),
    )
    return bool(answer.status == 2 or (answer.status == 0 and strict.any() and -float(answer.fun or 0.0) < 1e-9))
