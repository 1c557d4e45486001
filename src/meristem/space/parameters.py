"""The kinds of parameter: what each may be, what contradicts itself in it, which values it refuses.

Constructors take anything, so that a `Space` can list every mistake of every parameter at once.
How values lie in the unit cube is decided in `encoding`, who is active in `conditions`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from meristem.space.values import (
    describe,
    dumps,
    identity,
    integer_problem,
    json_problem,
    number_problem,
    shorten,
    try_plain,
)

Parameters: TypeAlias = Mapping[str, Any]
When: TypeAlias = Mapping[str, Any]

GRID_LIMIT = 2**50  # more values than this and their places in [0, 1] run together
LOG_INT_LIMIT = 2**44  # beyond it, exp(log(n)) may miss n by more than a half


class Parameter:
    """One named thing that may be chosen; see `Float`, `Int`, `Choice` and `Fixed`."""

    __slots__ = ()
    kind: ClassVar[str] = ""

    when: When | None

    @property
    @abstractmethod
    def ordinal(self) -> bool:
        """Whether nearby places in the unit interval mean nearby values."""

    @property
    @abstractmethod
    def cardinality(self) -> int | None:
        """How many values it has; None: infinitely many."""

    @abstractmethod
    def problems(self) -> list[str]:
        """All that contradicts itself; conditions are checked by the space, which knows the parents."""

    @abstractmethod
    def refuses(self, value: Any) -> str | None:
        """Why `value` is not one of its values; None where it is."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Its specification, as in a study file."""

    def _when_json(self) -> dict[str, Any]:
        return {} if self.when is None else {"when": self.when}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parameter):
            return NotImplemented
        return type(self) is type(other) and dumps(self.to_json()) == dumps(other.to_json())

    def __hash__(self) -> int:
        return hash(dumps(self.to_json()))


@dataclass(frozen=True, slots=True, eq=False)
class Float(Parameter):
    """A real number from `low` to `high`, both included.

    Args:
        log: Places are spread evenly over orders of magnitude; needs `low` > 0.
        step: Only `low`, `low + step`, … up to `high`.
        default: Where a search starts, if given.
        when: Exists only when other parameters have these values (a list: any of them).
    """

    kind: ClassVar[str] = "float"

    low: float
    high: float
    _: KW_ONLY
    log: bool = False
    step: float | None = None
    default: float | None = None
    when: When | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high", "step", "default"):
            object.__setattr__(self, name, _as_float(getattr(self, name)))
        object.__setattr__(self, "when", try_plain(self.when))

    @property
    def ordinal(self) -> bool:
        return True

    @property
    def cardinality(self) -> int | None:
        if self.low == self.high:
            return 1
        return None if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def problems(self) -> list[str]:
        found = _range_problems(self, number_problem)
        if not found and not math.isfinite(self.high - self.low):
            found.append("the range from low to high is too wide for floating-point numbers")
        if not found and self.step is not None:
            found += self._grid_problems(self.step)
        return found or _default_problems(self)

    def refuses(self, value: Any) -> str | None:
        value = _as_float(value)
        if problem := number_problem(value):
            return problem
        if not self.low <= value <= self.high:
            return f"must lie from {self.low} to {self.high}, not {value}"
        if self.step is None:
            return None
        nearest = self.low + round((value - self.low) / self.step) * self.step
        if abs(value - nearest) <= 1e-6 * self.step:
            return None
        return f"must be {self.low} plus a multiple of {self.step}, not {value}"

    def to_json(self) -> dict[str, Any]:
        return {"float": [self.low, self.high], **_range_json(self), **self._when_json()}

    def _grid_problems(self, step: float) -> list[str]:
        if step < 4 * math.ulp(max(abs(self.low), abs(self.high))):
            return [f"step ({step}) is too small beside low and high to tell neighbours apart"]
        return _count_problems((self.high - self.low) / step)


@dataclass(frozen=True, slots=True, eq=False)
class Int(Parameter):
    """A whole number from `low` to `high`, both included; arguments as for `Float`."""

    kind: ClassVar[str] = "int"

    low: int
    high: int
    _: KW_ONLY
    log: bool = False
    step: int | None = None
    default: int | None = None
    when: When | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high", "step", "default"):
            object.__setattr__(self, name, _as_int(getattr(self, name)))
        object.__setattr__(self, "when", try_plain(self.when))

    @property
    def ordinal(self) -> bool:
        return True

    @property
    def cardinality(self) -> int | None:
        return (self.high - self.low) // (self.step or 1) + 1

    def problems(self) -> list[str]:
        found = _range_problems(self, integer_problem)
        if not found:
            found += _count_problems((self.high - self.low) / (self.step or 1))
            if self.log and self.high > LOG_INT_LIMIT:
                found.append(f"high ({self.high}) is above 2**44, too large for log=True; use Float")
        return found or _default_problems(self)

    def refuses(self, value: Any) -> str | None:
        value = _as_int(value)
        if problem := integer_problem(value):
            return problem
        if not self.low <= value <= self.high:
            return f"must lie from {self.low} to {self.high}, not {value}"
        if self.step and (value - self.low) % self.step:
            return f"must be {self.low} plus a multiple of {self.step}, not {value}"
        return None

    def to_json(self) -> dict[str, Any]:
        return {"int": [self.low, self.high], **_range_json(self), **self._when_json()}


@dataclass(frozen=True, slots=True, eq=False)
class Choice(Parameter):
    """One of several JSON values; `True` and `1` are two values, tuples become lists.

    Args:
        ordered: The order of `choices` means something (small, medium, large).
        default: Where a search starts; without it (or with None), the first of `choices`.
    """

    kind: ClassVar[str] = "choice"

    choices: Sequence[Any]
    _: KW_ONLY
    ordered: bool = False
    default: Any = None
    when: When | None = None

    def __post_init__(self) -> None:
        given: Any = self.choices
        if isinstance(given, (list, tuple, range)) or (isinstance(given, np.ndarray) and given.ndim == 1):
            object.__setattr__(self, "choices", tuple(try_plain(item) for item in given))
        for name in ("default", "when"):
            object.__setattr__(self, name, try_plain(getattr(self, name)))

    @property
    def ordinal(self) -> bool:
        return self.ordered

    @property
    def cardinality(self) -> int | None:
        return len(self.choices)

    def problems(self) -> list[str]:
        if not isinstance(self.choices, tuple):
            return [f"choices must be a list, not {describe(self.choices)}"]
        if not self.choices:
            return ["choices is empty; give at least one"]
        found = [f"choice {problem}" for problem in map(json_problem, self.choices) if problem]
        if not isinstance(self.ordered, bool):
            found.append(f"ordered must be true or false, not {describe(self.ordered)}")
        if found:
            return found
        if repeated := _repeated(self.choices):
            return [f"choices has duplicates: {', '.join(map(shorten, repeated))}"]
        return _default_problems(self)

    def refuses(self, value: Any) -> str | None:
        value = try_plain(value)
        if json_problem(value) is None and identity(value) in map(identity, self.choices):
            return None
        shown = ", ".join(map(shorten, self.choices[:10])) + (", …" if len(self.choices) > 10 else "")
        return f"must be one of {shown}, not {describe(value)}"

    def to_json(self) -> dict[str, Any]:
        head: dict[str, Any] = {"choice": _listed(self.choices)}
        if self.ordered:
            head["ordered"] = self.ordered
        if self.default is not None:
            head["default"] = self.default
        return {**head, **self._when_json()}


@dataclass(frozen=True, slots=True, eq=False)
class Fixed(Parameter):
    """One JSON value that every trial gets; it takes no part in the search."""

    kind: ClassVar[str] = "fixed"

    value: Any
    _: KW_ONLY
    when: When | None = None

    def __post_init__(self) -> None:
        for name in ("value", "when"):
            object.__setattr__(self, name, try_plain(getattr(self, name)))

    @property
    def ordinal(self) -> bool:
        return False

    @property
    def cardinality(self) -> int | None:
        return 1

    def problems(self) -> list[str]:
        problem = json_problem(self.value)
        return [f"value {problem}"] if problem else []

    def refuses(self, value: Any) -> str | None:
        value = try_plain(value)
        if json_problem(value) is None and identity(value) == identity(self.value):
            return None
        return f"is fixed to {shorten(self.value)}, not {describe(value)}"

    def to_json(self) -> dict[str, Any]:
        return {"fixed": self.value, **self._when_json()}


def _as_float(value: Any) -> Any:
    value = try_plain(value)
    if isinstance(value, int) and not isinstance(value, bool) and number_problem(value) is None:
        return float(value)
    return value


def _as_int(value: Any) -> Any:
    value = try_plain(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _range_problems(parameter: Float | Int, problem_of: Callable[[Any], str | None]) -> list[str]:
    """Contradictions between low, high, log and step, in the order in which they are written."""
    low, high, log, step = parameter.low, parameter.high, parameter.log, parameter.step
    found = [f"{name} {p}" for name, value in (("low", low), ("high", high)) if (p := problem_of(value))]
    if not found and low > high:
        found.append(f"low ({low}) is above high ({high}); swap them")
    if not isinstance(log, bool):
        found.append(f"log must be true or false, not {describe(log)}")
    elif log and problem_of(low) is None and low <= 0:
        found.append(f"log needs low above 0, not {low}")
    if step is not None:
        ranged = not any(map(problem_of, (low, high))) and low <= high
        found += _step_problems(step, problem_of(step), high - low if ranged else math.inf)
        if log is True:
            found.append("log and step cannot be combined; list the values with Choice(…, ordered=True)")
    return found


def _step_problems(step: Any, problem: str | None, width: float) -> list[str]:
    if problem:
        return [f"step {problem}"]
    if step <= 0:
        return [f"step must be above 0, not {step}"]
    # Rounding may leave a range just short of its only step: 100.1 - 100.0 < 0.1.
    return [f"step ({step}) is larger than the range ({width})"] if step * (1 - 1e-9) > width > 0 else []


def _count_problems(steps: float) -> list[str]:
    too_many = "more than 2**50 values, too many to tell apart; use Float without step"
    return [too_many] if steps > GRID_LIMIT else []


def _default_problems(parameter: Float | Int | Choice) -> list[str]:
    problem = None if parameter.default is None else parameter.refuses(parameter.default)
    return [f"default {problem}"] if problem else []


def _range_json(parameter: Float | Int) -> dict[str, Any]:
    found: dict[str, Any] = {"log": parameter.log} if parameter.log else {}
    for name in ("step", "default"):
        if (value := getattr(parameter, name)) is not None:
            found[name] = value
    return found


def _listed(values: Any) -> Any:
    return list(values) if isinstance(values, tuple) else values


def _repeated(values: Iterable[Any]) -> list[Any]:
    seen, repeated = set(), []
    for value in values:
        if identity(value) in seen:
            repeated.append(value)
        seen.add(identity(value))
    return repeated
