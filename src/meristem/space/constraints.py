"""Constraints between parameters: linear ones, read from text, and any Python callable.

A constraint counts only when all parameters that it names are active.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meristem.errors import SpaceError
from meristem.linear import read_inequality
from meristem.space.parameters import Parameters

_HOW = "Write a linear inequality such as 'x1 + 2*x2 <= 1', or give a Python function."


class Constraint:
    """Something that must hold between the values of active parameters."""

    @abstractmethod
    def holds(self, active: Parameters) -> bool:
        """Whether it holds; True where it does not count."""

    @abstractmethod
    def to_json(self) -> str | dict[str, str]:
        """As text, or as the place of its function."""

    @property
    @abstractmethod
    def label(self) -> str:
        """How errors name it."""


@dataclass(frozen=True)
class LinearConstraint(Constraint):
    """The sum of coefficient * parameter over `terms` is at most `bound`, or below it where `strict`."""

    text: str
    terms: Mapping[str, float]
    bound: float
    strict: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.terms)

    @property
    def label(self) -> str:
        return repr(self.text)

    @cached_property
    def _pairs(self) -> tuple[tuple[str, float], ...]:
        return tuple(self.terms.items())

    def holds(self, active: Parameters) -> bool:
        total = size = 0.0
        for name, coefficient in self._pairs:
            if name not in active:
                return True
            part = coefficient * active[name]
            total += part
            size += abs(part)
        if self.strict:
            return bool(total < self.bound)
        return bool(total <= self.bound + 1e-12 * (size + abs(self.bound)))  # 0.1 + 0.2 <= 0.3

    def least(self, bounds: Mapping[str, tuple[float, float]]) -> float:
        """The least value of the sum within `bounds`."""
        return sum(a * bounds[name][0 if a > 0 else 1] for name, a in self._pairs)

    def to_json(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash(self.text)


@dataclass(frozen=True, slots=True)
class PythonConstraint(Constraint):
    """A callable of the active parameters that says whether they are allowed."""

    function: Callable[[Parameters], bool]

    @property
    def label(self) -> str:
        return place_of(self.function)

    def holds(self, active: Parameters) -> bool:
        try:
            answer: Any = self.function(dict(active))
            return bool(_not_none(answer))
        except Exception as error:  # a user's function may raise anything
            raise SpaceError(
                f"The constraint {self.label} raised {type(error).__name__}: {error}.",
                fix="It is called with a mapping of the active parameters only and returns True or False; "
                "for parameters with conditions use parameters.get(name).",
            ) from error

    def to_json(self) -> dict[str, str]:
        return {"python": self.label}


def place_of(function: Callable[..., Any]) -> str:
    """Where to import `function` from, as "module:qualname"."""
    owner = function if hasattr(function, "__qualname__") else type(function)
    name = owner.__qualname__ if owner is function else f"{owner.__qualname__}(…)"
    return f"{getattr(owner, '__module__', '?')}:{name}"


def read_constraint(text: str) -> LinearConstraint:
    """The linear constraint that `text` states.

    Raises:
        ValueError: It is not linear, or not one inequality.
    """
    found = read_inequality(text, _HOW)
    return LinearConstraint(text.strip(), found.terms, found.bound, found.strict)


def _not_none(answer: Any) -> Any:
    if answer is None:
        raise TypeError("it returned None, not True or False")
    return answer
