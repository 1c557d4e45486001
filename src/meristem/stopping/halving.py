"""Successive halving by stopping: at rising steps (rungs) only the best part of the trials goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from meristem.errors import InputError
from meristem.stopping.curve import Curve
from meristem.stopping.peers import Peers, peers_of
from meristem.stopping.rule import is_best, number, whole_number

_LEAST_REDUCTION = 1.1


class Rungs:
    """The steps at which trials are judged: `first`, then each time `reduction` times as many.

    Args:
        reduction: At least 1.1.
        last: No rung lies there or beyond; None: there is no end.

    Raises:
        InputError: There is no rung, or they lie so close together that there is no end of them.
    """

    def __init__(self, first: float, reduction: float, last: float | None = None) -> None:
        self.first = number("min_step", first, above=0)
        self.reduction = number("reduction", reduction)
        if self.reduction < _LEAST_REDUCTION:
            raise InputError(f"reduction must be at least {_LEAST_REDUCTION:g}, not {reduction!r}.")
        self.last = None if last is None else number("max_step", last, above=0)
        if self.last is not None and self.last <= self.first:
            raise InputError(f"max_step must be above min_step={first!r}, not {last!r}: nothing would be judged.")

    def highest(self, step: float) -> float | None:
        """The highest rung up to `step`; None below the first."""
        found = None
        for rung in self._rungs():
            if rung > step:
                break
            found = rung
        return found

    def _rungs(self) -> Iterator[float]:
        rung = self.first
        while math.isfinite(rung) and (self.last is None or rung < self.last):
            yield rung
            rung *= self.reduction


def outranked(curve: Curve, others: Peers, rung: float, reduction: float) -> str | None:
    """Why `curve` is not in the best 1/`reduction` of all that came to `rung`; None when it is, or is the best.

    The losses at the rung are compared, not the lowest until there: a lucky early dip says little about the
    end. One at least goes on.
    """
    own = curve.at(rung)
    if own is None:
        return None
    better, reached = others.place(rung, own)
    if better < max(1, math.floor((reached + 1) / reduction)) or is_best(curve, others):
        return None
    return f"at step {rung:g}, {better} of {reached} others were better; the best of each {reduction:g} go on"


class Asha:
    """Asynchronous successive halving, the variant that stops: whoever comes to a rung is judged at once.

    A trial is judged by the highest rung that it has reached, against all that ever reached it, and again
    when more have: an early verdict among few is thus mended. After Li et al., "A System for Massively
    Parallel Hyperparameter Tuning" (MLSys 2020).

    Args:
        reduction: One of so many goes on at each rung.
        min_step: The first rung.
        max_step: Where trials end; nothing is judged there or beyond. None: not known.
    """

    def __init__(self, reduction: float = 2, min_step: float = 1, max_step: float | None = None) -> None:
        self.rungs = Rungs(min_step, reduction, max_step)

    def why_stop(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        step = curve.last_step
        rung = None if step is None else self.rungs.highest(step)
        return None if rung is None else outranked(curve, peers_of(others), rung, self.rungs.reduction)


class SuccessiveHalving:
    """Synchronous successive halving: a trial is judged once its whole cohort has come to the rung or ended.

    Trials are not held back meanwhile, so it saves only where much of a cohort runs at the same time. After
    Jamieson and Talwalkar, "Non-stochastic Best Arm Identification" (AISTATS 2016).

    Args:
        cohort: Trials 1 to `cohort` are compared with each other, then the next as many, and so on.
        reduction: One of so many goes on at each rung.
        min_step: The first rung.
        max_step: Where trials end; nothing is judged there or beyond. None: not known.
    """

    def __init__(
        self, cohort: int = 9, reduction: float = 2, min_step: float = 1, max_step: float | None = None
    ) -> None:
        self.cohort = whole_number("cohort", cohort, at_least=2)
        self.rungs = Rungs(min_step, reduction, max_step)

    def why_stop(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        step = curve.last_step
        rung = None if step is None else self.rungs.highest(step)
        if rung is None:
            return None
        peers = peers_of(others).alike(curve, self._cohort_of)
        there = len(peers) + len(peers.silent)  # who has yet to start may still come
        if there < self.cohort - 1 or any(peer.running and not peer.reaches(rung) for peer in peers):
            return None
        return outranked(curve, peers, rung, self.rungs.reduction)

    def _cohort_of(self, trial: int, bracket: int) -> int:
        return (trial - 1) // self.cohort


class Hyperband:
    """Successive halving in several brackets, of which some judge early and some late.

    Guards against curves that cross: what looks bad early gets its time in a later bracket. Trials are
    compared within their bracket. After Li et al., "Hyperband" (JMLR 2018), asynchronously as `Asha`.

    Args:
        reduction: One of so many goes on at each rung.
        min_step: The first rung of bracket 0; that of bracket k is `reduction`**k times as far.
        max_step: Where trials end; it decides how many brackets there are. None: not known, three brackets.
        by_number: Trials are spread over the brackets by their numbers; False: by the bracket that their
            curves carry, as the controller of the same name chose it.
    """

    def __init__(
        self, reduction: float = 2, min_step: float = 1, max_step: float | None = None, by_number: bool = True
    ) -> None:
        base = Rungs(min_step, reduction, max_step)
        count = 3 if base.last is None else max(1, math.ceil(math.log(base.last / base.first, base.reduction) - 1e-9))
        self.reduction = base.reduction
        self.by_number = bool(by_number)
        self._rungs = [Rungs(base.first * base.reduction**k, base.reduction, base.last) for k in range(count)]
        # Hyperband gives each bracket about the same budget, so one that judges late gets fewer trials.
        shares = [base.reduction ** (count - 1 - k) / (count - k) for k in range(count)]
        self._until = [sum(shares[: k + 1]) / sum(shares) for k in range(count)]

    @property
    def brackets(self) -> int:
        return len(self._rungs)

    def bracket(self, trial: int) -> int:
        """The bracket of a trial by its number; any run of numbers is spread evenly, by the golden ratio."""
        place = (trial * (math.sqrt(5) - 1) / 2) % 1.0
        return next((k for k, until in enumerate(self._until) if place < until), len(self._until) - 1)

    def why_stop(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        bracket, step = self._bracket_of(curve.trial, curve.bracket), curve.last_step
        rungs = self._rungs[min(bracket, self.brackets - 1)]
        rung = None if step is None else rungs.highest(step)
        if rung is None:
            return None
        found = outranked(curve, peers_of(others).alike(curve, self._bracket_of), rung, self.reduction)
        return None if found is None else f"{found} (bracket {bracket})"

    def _bracket_of(self, trial: int, bracket: int) -> int:
        return self.bracket(trial) if self.by_number else max(0, bracket)
