"""Rules that look at a trial's own curve: a limit that it has to keep, and patience."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from meristem.errors import InputError
from meristem.stopping.curve import Curve
from meristem.stopping.rule import is_best, number, positive_or_zero, whole_number


class Threshold:
    """Stops a trial whose objective is not as good as `value` once it has reached step `after`.

    The limit is the user's word for what is not good: unlike other rules it stops also the best so far when
    that breaks it.

    Args:
        value: In the sense of the objective: the least worth having where it is made large (accuracy), the
            most where it is made small (loss).
        after: The first step at which it counts.
        maximize: Whether the objective is made large; the study says so.
    """

    def __init__(self, value: float, after: float = 0, maximize: bool = False) -> None:
        self.value = number("value", value)
        self.after = number("after", after)
        self.maximize = bool(maximize)

    def why_stop(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        step = curve.last_step
        if step is None or step < self.after:
            return None
        best, limit = curve.best, -self.value if self.maximize else self.value
        if best is None or best <= limit:
            return None
        side = "at least" if self.maximize else "at most"
        return f"the best until step {step:g} is not {side} {self.value:g}"


class Patience:
    """Stops a trial that has not become better for `steps` steps, unless it is the best so far.

    With `validations=N` it is what Clara Train calls `EarlyStop(val_times_threshold=N)`, but that it spares the best
    trial: one that a rule has stopped is not taken as the best. `meristem.callbacks.EarlyStop` ends any training.

    Args:
        steps: How long to wait, in the unit of the reported steps; by default 10.
        by: By how much the objective must have become better to count.
        warm_up: It stops nothing at lower steps than this.
        validations: How long to wait, in reports of the objective, instead of steps.
    """

    def __init__(
        self, steps: float | None = None, by: float = 0, warm_up: float = 0, validations: int | None = None
    ) -> None:
        if steps is not None and validations is not None:
            raise InputError("patience has both steps and validations; give one of them.")
        self.steps = number("steps", 10 if steps is None else steps, above=0)
        self.by = positive_or_zero("by", by)
        self.warm_up = number("warm_up", warm_up)
        self.validations = None if validations is None else whole_number("validations", validations, at_least=1)

    def why_stop(self, curve: Curve, others: Sequence[Curve]) -> str | None:
        step, improved = curve.last_step, curve.improved(self.by)
        if step is None or improved is None or step < self.warm_up:
            return None
        waited, enough, unit = step - improved, self.steps, "steps"
        if self.validations is not None:
            waited, enough, unit = len(curve.steps) - bisect_right(curve.steps, improved), self.validations, "reports"
        if waited < enough or is_best(curve, others):
            return None
        return f"no better for {waited:g} {unit}, and not the best"
