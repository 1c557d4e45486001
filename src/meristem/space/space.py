"""A search space: named parameters, the conditions under which they exist, constraints between them.

Pure and immutable. Controllers ask it for points, the study checks points against it; it decides
nothing about what to try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meristem.errors import ParameterError, SpaceError, did_you_mean
from meristem.space.conditions import MISSING, Conditions, arrange, condition_problems
from meristem.space.constraints import Constraint, PythonConstraint
from meristem.space.counting import count_points, walk_points
from meristem.space.encoding import codec_of
from meristem.space.feasibility import contradicted, import_constraint, infeasible, read_constraints
from meristem.space.parameters import Fixed, Parameter, Parameters
from meristem.space.polytope import Polytope
from meristem.space.specs import read_parameters
from meristem.space.values import describe, dumps, plain, shorten

SAMPLE_TRIES = 10_000
_NARROW_TRIES = 2_000  # a space in which that many find nothing is narrow
EXACT_SIZE_LIMIT = 100_000

Given = Mapping[str, Any] | Iterable[tuple[str, Any]]
Callables = Sequence[str | Callable[[Parameters], bool] | Constraint]


class Space:
    """What may be chosen.

    Args:
        parameters: Name to parameter, or to its specification as plain data (see `specs`).
        constraints: Linear inequalities as text ("x1 + 2*x2 <= 1"; names that are not identifiers
            between backticks), or callables of the active parameters that say whether they are allowed.

    Raises:
        SpaceError: It contradicts itself; lists every mistake.
    """

    def __init__(self, parameters: Given, constraints: Callables = ()) -> None:
        read, problems = read_parameters(parameters)
        problems += condition_problems(read)
        found, wrong = read_constraints(constraints, read)
        kept = {name: parameter for name, parameter in read.items() if parameter is not None}
        if not problems:
            self._conditions = Conditions(kept, arrange(read)[0])
            wrong += infeasible(found, kept, self._conditions)
        if problems := problems + wrong:
            raise SpaceError("The space cannot be used", problems)
        self.parameters: Mapping[str, Parameter] = MappingProxyType(kept)
        self.constraints: tuple[Constraint, ...] = tuple(found)
        self.names: tuple[str, ...] = tuple(kept)
        self.dimensions: tuple[str, ...] = tuple(n for n, p in kept.items() if not isinstance(p, Fixed))
        self._codecs = {name: codec_of(parameter) for name, parameter in kept.items()}
        self._places = {name: place for place, name in enumerate(self.dimensions)}
        self._reorder = self._conditions.order != self.names
        self._keyed = tuple((n, f"{dumps(n)}:", self._codecs[n].text) for n in sorted(self.names))

    @cached_property
    def size(self) -> int | None:
        """How many distinct points it has; None: infinitely many.

        Constraints are taken into account up to 100,000 points; above, they are left out.
        """
        count = count_points(self.parameters, self._conditions)
        if count is None or not self.constraints or count > EXACT_SIZE_LIMIT:
            return count
        return sum(1 for _ in self.points())

    def active(self, parameters: Parameters) -> tuple[str, ...]:
        """The names that exist given the values of their parents, in the order of the space."""
        found = self._walk(parameters)
        return tuple(name for name in self.names if name in found)

    def active_mask(self, parameters: Parameters) -> NDArray[np.bool_]:
        """Which dimensions are active, shape (d,)."""
        found = self._walk(parameters)
        return np.array([name in found for name in self.dimensions], dtype=bool)

    def check(self, parameters: Parameters) -> None:
        """Makes sure that `parameters` is a feasible point of this space.

        Raises:
            ParameterError: It is not; lists every mistake.
        """
        if not isinstance(parameters, Mapping):
            raise ParameterError(f"Parameters must map names to values, not be {describe(parameters)}.")
        problems = self._problems_with(parameters)
        if not problems:
            given = self._given(parameters)
            broken = [constraint for constraint in self.constraints if not constraint.holds(given)]
            problems = [f"constraint {constraint.label} does not hold" for constraint in broken]
        if problems:
            raise ParameterError("The parameters do not lie in the space", problems)

    def contradictions(self, fixed: Parameters) -> list[str]:
        """Which constraints can never hold where parameters have the values `fixed`, as far as can be told.

        Args:
            fixed: Values that lie within their parameters' ranges and exist together.

        Callables are asked only where nothing is left open.
        """
        problems = contradicted(self.constraints, self.parameters, self._conditions, fixed)
        single = {name: self._default(name) for name, p in self.parameters.items() if isinstance(p, Fixed)}
        found = self._walk({**single, **fixed})
        if problems or MISSING in found.values():
            return problems
        broken = [c for c in self.constraints if not c.holds(self._ordered(found))]
        return [f"constraint {c.label} can never hold with them" for c in broken]

    def complete(self, partial: Parameters, *, middle: bool = False) -> dict[str, Any]:
        """`partial` with fixed values and defaults filled in where active; nothing is dropped.

        Args:
            middle: What has neither value nor default is in the middle, as in `center`; else it stays missing.
        """
        fill = (lambda name: self._codecs[name].center()) if middle else self._default
        found = self._conditions.walk(lambda name: partial[name] if name in partial else fill(name))
        filled = {name: found[name] for name in self.names if found.get(name, MISSING) is not MISSING}
        return {**filled, **partial}

    def is_feasible(self, parameters: Parameters) -> bool:
        """Whether all constraints hold that count; `parameters` must otherwise lie in the space."""
        if not self.constraints:
            return True
        active = self._given(parameters)
        try:
            return all(constraint.holds(active) for constraint in self.constraints)
        except (TypeError, ValueError):
            self.check(parameters)
            raise

    def normalize(self, parameters: Parameters) -> dict[str, Any]:
        """The same point as plain Python values, in the order of the space; what is unknown comes last."""
        known = {n: self._codecs[n].canonical(parameters[n]) for n in self.names if n in parameters}
        rest = {name: plain(value) for name, value in parameters.items() if name not in known}
        return {**known, **rest}

    def encode(self, parameters: Parameters) -> NDArray[np.float64]:
        """The place of a point in the unit cube, shape (d,); 0.5 where inactive.

        Raises:
            ParameterError: It does not lie in the space.
        """
        units = [0.5] * len(self.dimensions)
        active = self._walk(parameters)
        try:
            for name, place in self._places.items():
                if name in active:
                    units[place] = self._codecs[name].encode(active[name])
        except (KeyError, TypeError, ValueError, OverflowError):
            self.check(parameters)
            raise
        return np.array(units, dtype=float)

    def decode(self, unit: ArrayLike) -> dict[str, Any]:
        """The point at a place of the unit cube: active and fixed parameters only.

        Args:
            unit: Shape (d,), finite; places outside [0, 1] count as the nearest inside.

        Raises:
            ParameterError: Wrong shape, or not finite.
        """
        array = np.asarray(unit, dtype=float)
        if array.shape != (len(self.dimensions),) or not np.isfinite(array).all():
            raise ParameterError(
                f"A place in the unit cube is {len(self.dimensions)} finite numbers, not {shorten(unit)}."
            )
        units, places, codecs = [*array.tolist(), 0.5], self._places, self._codecs
        # A fixed parameter has no place and takes the last unit, which it ignores.
        return self._ordered(self._conditions.walk(lambda n: codecs[n].decode(units[places.get(n, -1)])))

    def center(self) -> dict[str, Any]:
        """Defaults, else the middle (geometric where log), else the first choice; may break constraints."""
        return self._ordered(self._conditions.walk(lambda name: self._codecs[name].center()))

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        """A feasible point, uniform in the unit cube (nearly so where linear constraints leave next to no room).

        Raises:
            SpaceError: No feasible point in 10,000 tries.
        """
        if self._polytope is not None and (found := self._between_constraints(self._polytope, rng)) is not None:
            return found
        for _ in range(SAMPLE_TRIES):
            point = self.decode(rng.random(len(self.dimensions)))
            if self.is_feasible(point):
                return point
        raise SpaceError(
            f"No feasible point among {SAMPLE_TRIES:,} random ones",
            [f"constraint {constraint.label}" for constraint in self.constraints],
            fix="The constraints leave (almost) no room: widen them, narrow the ranges around the feasible "
            "region, or replace a parameter by the slack of a constraint.",
        )

    @cached_property
    def _polytope(self) -> Polytope | None:
        """Where linear constraints leave next to no room, what finds points all the same; else None."""
        if not self.constraints:
            return None
        rng = np.random.default_rng(0)  # its own, so that it is the same for every asker
        drawn = (self.decode(rng.random(len(self.dimensions))) for _ in range(_NARROW_TRIES))
        return None if any(map(self.is_feasible, drawn)) else Polytope.of(self.parameters, self.constraints)

    def _between_constraints(self, polytope: Polytope, rng: np.random.Generator) -> dict[str, Any] | None:
        for _ in range(polytope.roundings()):
            values = polytope.sample(rng)
            if values is None:
                return None
            point = self.normalize({**self.decode(rng.random(len(self.dimensions))), **values})
            if self.is_feasible(point):
                return point
        return None

    def points(
        self, levels: int = 5, *, most: int | None = None, fixed: Parameters | None = None
    ) -> Iterator[dict[str, Any]]:
        """Every distinct feasible point, lazily and in a stable order.

        Args:
            levels: How many values a continuous parameter takes, from end to end; 1: its middle.
            most: Looks at no more points than that, feasible or not.
            fixed: Parameters that take this value alone, where they exist.
        """
        if levels < 1:
            raise ParameterError(f"levels must be at least 1, not {levels}.")
        held = {name: (value,) for name, value in (fixed or {}).items()}
        walk = walk_points(
            self._conditions, lambda name: iter(held[name]) if name in held else self._codecs[name].values(levels)
        )
        for point in islice(walk, most):
            if self.is_feasible(point):
                yield {name: point[name] for name in self.names if name in point}

    def key(self, parameters: Parameters) -> str:
        """What tells two points apart: canonical JSON of the active values, sorted by name."""
        found = self._walk(parameters) if self._conditions.any else parameters
        parts = [
            head + text(found[name]) for name, head, text in self._keyed if name in found and found[name] is not MISSING
        ]
        return "{" + ",".join(parts) + "}"

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `from_json` builds the same space."""
        return {
            "parameters": {name: parameter.to_json() for name, parameter in self.parameters.items()},
            "constraints": [constraint.to_json() for constraint in self.constraints],
        }

    @classmethod
    def from_json(
        cls, data: Mapping[str, Any], constraints_callables: Sequence[Callable[[Parameters], bool]] = ()
    ) -> Space:
        """The space that `to_json` wrote.

        Args:
            constraints_callables: Functions for those constraints that cannot be imported, matched by place.

        Raises:
            SpaceError: It contradicts itself, or a constraint's function cannot be imported.
        """
        known = {"parameters", "constraints"}
        if not isinstance(data, Mapping) or set(data) - known or "parameters" not in data:
            raise SpaceError(f"A space in JSON has 'parameters', perhaps 'constraints'; not {describe(data)}.")
        constraints, passed = data.get("constraints") or (), list(constraints_callables)
        if isinstance(constraints, Sequence) and not isinstance(constraints, str):
            constraints = [import_constraint(item, passed) for item in constraints]
        return cls(data["parameters"], constraints)

    def __eq__(self, other: object) -> bool:
        return dumps(self.to_json()) == dumps(other.to_json()) if isinstance(other, Space) else NotImplemented

    def __hash__(self) -> int:
        return hash(dumps(self.to_json()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name!r}: {parameter!r}" for name, parameter in self.parameters.items())
        limits = ", ".join(constraint.label for constraint in self.constraints)
        return f"Space({{{shown}}}, constraints=[{limits}])" if limits else f"Space({{{shown}}})"

    def __reduce__(self) -> tuple[Any, ...]:
        functions = [c.function if isinstance(c, PythonConstraint) else c.to_json() for c in self.constraints]
        return (Space, (dict(self.parameters), functions))

    def _walk(self, parameters: Parameters) -> dict[str, Any]:
        return self._conditions.walk(lambda name: parameters.get(name, MISSING))

    def _given(self, parameters: Parameters) -> dict[str, Any]:
        """The active parameters that have a value, in the order of the space."""
        found = self._walk(parameters)
        return self._ordered({name: value for name, value in found.items() if value is not MISSING})

    def _ordered(self, found: dict[str, Any]) -> dict[str, Any]:
        return {name: found[name] for name in self.names if name in found} if self._reorder else found

    def _default(self, name: str) -> Any:
        parameter = self.parameters[name]
        if isinstance(parameter, Fixed):
            return self._codecs[name].center()
        return MISSING if getattr(parameter, "default", None) is None else self._codecs[name].center()

    def _problems_with(self, parameters: Parameters) -> list[str]:
        active = self._walk(parameters)
        problems = [
            f"{shorten(name)} is not a parameter. {did_you_mean(str(name), self.names)}".rstrip()
            for name in parameters
            if name not in self.parameters
        ]
        for name, parameter in self.parameters.items():
            if name in parameters and name not in active:
                problems.append(f"{name}: is given, but does not exist here (only when {parameter.when})")
            elif name in active and name not in parameters:
                problems.append(f"{name}: is missing")
            elif name in active and (problem := parameter.refuses(parameters[name])):
                problems.append(f"{name}: {problem}")
        return problems
