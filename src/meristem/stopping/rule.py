"""What a stopping rule is, and the promise that all of them keep: the best so far goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from meristem.errors import InputError
from meristem.stopping.curve import Curve
from meristem.stopping.peers import Peers, peers_of


@runtime_checkable
class StoppingRule(Protocol):
    """Says which running trials are hopeless. Pure: the same curves, the same answer."""

    def why_stop(self, curve: Curve, others: Peers) -> str | None:
        """Why the trial of `curve` should be stopped, in words; None to let it go on.

        Asked at each measurement that a running trial reports.

        Args:
            others: The curves of the study's other trials, running and ended: a sequence of `Curve`, which also
                says where a loss stands among them without going through them.
        """
        ...


def is_best(curve: Curve, others: Sequence[Curve]) -> bool:
    """Whether no other curve was better by the step that `curve` has reached.

    Better by the lowest loss until there, or by the loss there, of those that are known there: who leads in
    either way is kept. A curve is never the best by an infinite loss.
    """
    lowest = curve.best
    if lowest is None or math.isinf(lowest):
        return False
    step, last = curve.steps[-1], curve.losses[-1]
    peers = peers_of(others)
    return not peers.any_lower_until(step, lowest) or (math.isfinite(last) and not peers.any_lower_by(step, last))


def whole_number(name: str, value: object, *, at_least: int) -> int:
    """`value` as an argument of a rule.

    Raises:
        InputError: It is not a whole number of at least `at_least`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise InputError(f"{name} must be a whole number of at least {at_least}, not {value!r}.")
    return value


def positive_or_zero(name: str, value: object) -> float:
    """As `number`, of at least 0."""
    if number(name, value) < 0:
        raise InputError(f"{name} must be at least 0, not {value!r}.")
    return number(name, value)


def number(name: str, value: object, *, above: float = -math.inf, at_most: float = math.inf) -> float:
    """`value` as an argument of a rule.

    Raises:
        InputError: It is not a finite number above `above` and at most `at_most`.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise InputError(f"{name} must be a finite number, not {value!r}.")
    if not value > above:
        raise InputError(f"{name} must be above {above:g}, not {value!r}.")
    if value > at_most:
        raise InputError(f"{name} must be at most {at_most:g}, not {value!r}.")
    return float(value)
