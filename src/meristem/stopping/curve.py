"""Learning curves as values: one loss over steps, lower is better.

The engine gathers them in `Curves` from what trials report; stopping rules read them. Nothing is decided here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

WORST = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What one trial has reported of the objective so far.

    In order once built: steps rise, the last report of a step counts, a NaN or infinite loss is the worst of
    all (infinity), and reports without a finite step are left out. Steps may have gaps, and need not be those
    of other curves.

    Attributes:
        running: Whether more is to come; False also for trials that were stopped or failed.
        bracket: The group within which it is compared, of rules that have groups.
    """

    trial: int
    steps: tuple[float, ...]
    losses: tuple[float, ...]
    running: bool
    bracket: int = 0
    _lowest: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.losses):
            raise ValueError(f"A curve has a loss for each step, not {len(self.losses)} for {len(self.steps)}.")
        steps, losses = tuple(self.steps), tuple(v if math.isfinite(v) else WORST for v in self.losses)
        if not (all(map(math.isfinite, steps)) and all(a < b for a, b in pairwise(steps))):
            known = {step: loss for step, loss in zip(steps, losses, strict=True) if math.isfinite(step)}
            steps = tuple(sorted(known))
            losses = tuple(known[step] for step in steps)
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "losses", losses)
        object.__setattr__(self, "_lowest", tuple(accumulate(losses, min)))

    @property
    def last_step(self) -> float | None:
        """The highest step reported; None before the first report."""
        return self.steps[-1] if self.steps else None

    def reaches(self, step: float) -> bool:
        """Whether it is known at `step`: reported there, or before and after."""
        return bool(self.steps) and self.steps[0] <= step <= self.steps[-1]

    def at(self, step: float) -> float | None:
        """The loss at `step`, on a straight line between the reports around it; None outside of them."""
        if not self.reaches(step):
            return None
        place = bisect_right(self.steps, step) - 1
        before, loss = self.steps[place], self.losses[place]
        if step == before:
            return loss
        after, next_loss = self.steps[place + 1], self.losses[place + 1]
        if math.isinf(loss) or math.isinf(next_loss):
            return WORST
        share = (step - before) / (after - before)
        return (1.0 - share) * loss + share * next_loss

    def lowest(self, step: float) -> float | None:
        """The lowest loss up to `step`, the line between the reports around it included; None before the first."""
        place = bisect_right(self.steps, step)
        if not place:
            return None
        here = self.at(step)
        return self._lowest[place - 1] if here is None else min(here, self._lowest[place - 1])


class Curves:
    """The curves of all of a study's trials, as their reports come in; grows only."""

    def __init__(self) -> None:
        self._reports: dict[int, tuple[list[float], list[float]]] = {}
        self._brackets: dict[int, int] = {}
        self._ended: set[int] = set()
        self._built: dict[int, Curve] = {}

    def start(self, trial: int, *, bracket: int = 0) -> None:
        """A trial (again) runs; what an earlier attempt of it reported is forgotten."""
        self._reports[trial] = ([], [])
        self._brackets[trial] = bracket
        self._ended.discard(trial)
        self._built.pop(trial, None)

    def report(self, trial: int, step: float, loss: float) -> None:
        """Adds one measurement of the objective, as a loss."""
        steps, losses = self._reports.setdefault(trial, ([], []))
        steps.append(step)
        losses.append(loss)
        self._built.pop(trial, None)

    def end(self, trial: int) -> None:
        """The trial has ended, in whatever way."""
        self._ended.add(trial)
        self._built.pop(trial, None)

    def curve(self, trial: int) -> Curve:
        """The curve of `trial`, empty where nothing is known of it."""
        if trial not in self._built:
            steps, losses = self._reports.get(trial, ([], []))
            self._built[trial] = Curve(
                trial=trial,
                steps=tuple(steps),
                losses=tuple(losses),
                running=trial not in self._ended,
                bracket=self._brackets.get(trial, 0),
            )
        return self._built[trial]

    def others(self, trial: int) -> Sequence[Curve]:
        """All curves but that of `trial`, by number; those without a report are left out."""
        return [self.curve(n) for n in sorted(self._reports) if n != trial and self._reports[n][0]]

    def __len__(self) -> int:
        return len(self._reports)

    def __iter__(self) -> Iterator[Curve]:
        return (self.curve(number) for number in sorted(self._reports))
