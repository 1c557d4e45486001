"""Constraints between parameters: linear ones, read from text, and any Python callable.

A constraint counts only when all parameters that it names are active.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from meristem.errors import SpaceError
from meristem.space.parameters import Parameters

Terms: TypeAlias = dict[str, float]
Linear: TypeAlias = tuple[Terms, float]  # coefficients, constant

_COMPARISONS = {"<=": "<=", "≤": "<=", "=<": "<=", "<": "<", ">=": ">=", "≥": ">=", "=>": ">=", ">": ">"}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<quoted>`(?:[^`]|``)+`)|(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\*\*|//|<=|>=|==|!=|=<|=>|[-+*/()<>=≤≥])|(?P<unknown>\S))"
)
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
    try:
        return _Reader(text).read()
    except RecursionError:
        raise ValueError("has too many parentheses within each other. " + _HOW) from None


class _Reader:
    """Recursive descent: comparison of sums, of products, of factors."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [(m.lastgroup or "", m.group(m.lastgroup or 0)) for m in _TOKEN.finditer(text)]
        self.next = 0

    def read(self) -> LinearConstraint:
        left = self._sum()
        kind, operator = self._take()
        if operator in ("==", "=", "!="):
            raise ValueError(f"uses {operator!r}, which leaves no room; use <= or >=, or drop a parameter")
        if kind != "operator" or operator not in _COMPARISONS:
            what = f"has {operator!r}" if kind else "ends"
            hint = f" (for a product, write *{operator})" if kind == "name" else ""
            raise ValueError(f"{what} where a comparison was expected{hint}. {_HOW}")
        right = self._sum()
        kind, rest = self._take()
        if rest in _COMPARISONS:
            raise ValueError("compares twice; split it into two constraints")
        if kind:
            raise ValueError(f"has {rest!r} where nothing more was expected. {_HOW}")
        return self._state(_COMPARISONS[operator], left, right)

    def _state(self, operator: str, left: Linear, right: Linear) -> LinearConstraint:
        if operator.startswith(">"):
            left, right = right, left
        terms, constant = _add(left, right, -1.0)
        if not all(map(math.isfinite, [*terms.values(), constant])):
            raise ValueError("has numbers that are not finite")
        terms = {name: a for name, a in terms.items() if a != 0}
        if not terms:
            raise ValueError(f"compares no parameters. {_HOW}")
        strict = operator in ("<", ">")
        return LinearConstraint(self.text.strip(), terms, -constant + 0.0, strict)

    def _sum(self) -> Linear:
        total = self._product()
        while self._peek() in ("+", "-"):
            sign = -1.0 if self._take()[1] == "-" else 1.0
            total = _add(total, self._product(), sign)
        return total

    def _product(self) -> Linear:
        product = self._factor()
        while (operator := self._peek()) in ("*", "/", "**", "//"):
            self._take()
            product = self._multiply(product, self._factor(), operator)
        return product

    def _multiply(self, left: Linear, right: Linear, operator: str) -> Linear:
        if operator == "*" and (not left[0] or not right[0]):
            (terms, constant), scale = (right, left[1]) if not left[0] else (left, right[1])
        elif operator == "/" and not right[0]:
            if right[1] == 0:
                raise ValueError("divides by zero")
            (terms, constant), scale = left, 1.0 / right[1]
        else:
            raise ValueError(f"is not linear: {operator!r} between two parameters or not supported. {_HOW}")
        return {name: a * scale for name, a in terms.items()}, constant * scale

    def _factor(self) -> Linear:
        sign = 1.0
        while self._peek() in ("+", "-"):
            sign = -sign if self._take()[1] == "-" else sign
        kind, token = self._take()
        if kind == "number":
            return {}, sign * float(token)
        if kind in ("name", "quoted"):
            if self._peek() == "(":
                raise ValueError(f"is not linear: it calls {token!r}. {_HOW}")
            name = token if kind == "name" else token[1:-1].replace("``", "`")
            return {name: sign}, 0.0
        if token == "(":
            terms, constant = self._sum()
            if self._take()[1] != ")":
                raise ValueError("has a parenthesis that is not closed")
            return {name: a * sign for name, a in terms.items()}, constant * sign
        seen = f"has {token!r}" if kind else "ends"
        raise ValueError(f"{seen} where a number or a parameter was expected. {_HOW}")

    def _peek(self) -> str:
        kind, token = self.tokens[self.next] if self.next < len(self.tokens) else ("", "")
        return token if kind == "operator" else ""

    def _take(self) -> tuple[str, str]:
        self.next += 1
        return self.tokens[self.next - 1] if self.next <= len(self.tokens) else ("", "")


def _add(left: Linear, right: Linear, sign: float) -> Linear:
    terms = dict(left[0])
    for name, a in right[0].items():
        terms[name] = terms.get(name, 0.0) + sign * a
    return terms, left[1] + sign * right[1]


def _not_none(answer: Any) -> Any:
    if answer is None:
        raise TypeError("it returned None, not True or False")
    return answer
