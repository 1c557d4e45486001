"""Reads linear expressions and inequalities: "2*a - b", "x1 + 2*x2 <= 1".

Names are words, or anything between backticks. Spaces state constraints on their parameters with it, studies
their objectives and the limits of their metrics.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TypeAlias

Terms: TypeAlias = dict[str, float]
Linear: TypeAlias = tuple[Terms, float]  # coefficients, constant

_COMPARISONS = {"<=": "<=", "≤": "<=", "=<": "<=", "<": "<", ">=": ">=", "≥": ">=", "=>": ">=", ">": ">"}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<quoted>`(?:[^`]|``)+`)|(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\*\*|//|<=|>=|==|!=|=<|=>|[-+*/()<>=≤≥])|(?P<unknown>\S))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inequality:
    """The sum of coefficient * name over `terms` is at most `bound`, or below it where `strict`.

    Attributes:
        sides: The terms as they were written, left and right of the comparison.
    """

    terms: Terms
    bound: float
    strict: bool
    sides: tuple[Terms, Terms]


def read_sum(text: str, what: str = "name") -> Linear:
    """The coefficients and the constant of a linear expression, such as "2*a - b + 1".

    Args:
        what: What names stand for, for the error.

    Raises:
        ValueError: It is not linear.
    """
    reader = _Reader(text, f"Write a linear expression of {what}s such as '2*a - b'.", what)
    return reader.whole_sum()


def read_inequality(text: str, how: str, what: str = "parameter") -> Inequality:
    """The linear inequality that `text` states.

    Args:
        how: How to write one, for the error.

    Raises:
        ValueError: It is not linear, or not one inequality.
    """
    try:
        return _Reader(text, how, what).inequality()
    except RecursionError:
        raise ValueError("has too many parentheses within each other. " + how) from None


class _Reader:
    """Recursive descent: comparison of sums, of products, of factors."""

    def __init__(self, text: str, how: str, what: str) -> None:
        self.how, self.what = how, what
        self.tokens = [(m.lastgroup or "", m.group(m.lastgroup or 0)) for m in _TOKEN.finditer(text)]
        self.next = 0

    def whole_sum(self) -> Linear:
        try:
            found = self._sum()
        except RecursionError:
            raise ValueError("has too many parentheses within each other. " + self.how) from None
        self._expect_end()
        if not all(map(math.isfinite, [*found[0].values(), found[1]])):
            raise ValueError("has numbers that are not finite")
        return found

    def inequality(self) -> Inequality:
        left = self._sum()
        kind, operator = self._take()
        if operator in ("==", "=", "!="):
            raise ValueError(f"uses {operator!r}, which leaves no room; use <= or >=, or drop a {self.what}")
        if kind != "operator" or operator not in _COMPARISONS:
            what = f"has {operator!r}" if kind else "ends"
            hint = f" (for a product, write *{operator})" if kind == "name" else ""
            raise ValueError(f"{what} where a comparison was expected{hint}. {self.how}")
        right = self._sum()
        if self._peek() in _COMPARISONS:
            raise ValueError("compares twice; split it into two constraints")
        self._expect_end()
        return self._state(_COMPARISONS[operator], left, right)

    def _expect_end(self) -> None:
        kind, rest = self._take()
        if kind:
            raise ValueError(f"has {rest!r} where nothing more was expected. {self.how}")

    def _state(self, operator: str, left: Linear, right: Linear) -> Inequality:
        sides = left[0], right[0]
        if operator.startswith(">"):
            left, right = right, left
        terms, constant = _add(left, right, -1.0)
        if not all(map(math.isfinite, [*terms.values(), constant])):
            raise ValueError("has numbers that are not finite")
        terms = {name: a for name, a in terms.items() if a != 0}
        if not terms:
            raise ValueError(f"compares no {self.what}s. {self.how}")
        return Inequality(terms=terms, bound=-constant + 0.0, strict=operator in ("<", ">"), sides=sides)

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
            raise ValueError(f"is not linear: {operator!r} between two {self.what}s or not supported. {self.how}")
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
                raise ValueError(f"is not linear: it calls {token!r}. {self.how}")
            name = token if kind == "name" else token[1:-1].replace("``", "`")
            return {name: sign}, 0.0
        if token == "(":
            terms, constant = self._sum()
            if self._take()[1] != ")":
                raise ValueError("has a parenthesis that is not closed")
            return {name: a * sign for name, a in terms.items()}, constant * sign
        seen = f"has {token!r}" if kind else "ends"
        raise ValueError(f"{seen} where a number or a {self.what} was expected. {self.how}")

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
