"""When a whole study has enough: global stopping rules over the losses so far. Pure.

The engine asks after each trial that ended; a reason ends the study cleanly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

from meristem.components import build, find_class, spec_of
from meristem.errors import InputError
from meristem.stopping.losses import Losses
from meristem.stopping.prefix import Prefix
from meristem.stopping.rule import number, positive_or_zero, whole_number

KIND = "ending rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a study stands. Losses read as tuples; going through them costs more the more trials there were.

    Attributes:
        losses: Of all ended trials in the order in which they ended; None (or not finite) where one has none.
        regret: By how much a point may at most be better than the best, with high probability; None where no
            model says.
        measured: The finite losses, in order.
    """

    losses: Sequence[float | None]
    regret: float | None = None
    measured: Sequence[float] = field(init=False, repr=False, compare=False)
    _kept: Losses = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._keep(Losses(self.losses))

    @classmethod
    def of(cls, losses: Losses, *, regret: float | None = None) -> Standing:
        """The losses there are now, not copied, since a study's rule is asked after each of its trials."""
        made = object.__new__(cls)
        object.__setattr__(made, "losses", Prefix(losses.all))
        object.__setattr__(made, "regret", regret)
        made._keep(losses)
        return made

    def _keep(self, losses: Losses) -> None:
        object.__setattr__(self, "measured", Prefix(losses.measured))
        object.__setattr__(self, "_kept", losses)

    def lowest(self, *, before_last: int = 0) -> float | None:
        """The lowest of `measured`, the last so many left out; None where none remains."""
        count = len(self.measured) - before_last
        return self._kept.lowest[count - 1] if count > 0 else None

    def interquartile_range(self) -> float:
        """Of `measured`, which must not be empty."""
        return self._kept.interquartile_range(len(self.measured))


@runtime_checkable
class EndingRule(Protocol):
    """Says whether a study has enough. Pure."""

    def why_end(self, standing: Standing) -> str | None:
        """Why the study should end, in words; None to go on."""
        ...


class NoImprovement:
    """Ends a study whose best has hardly become better over the last trials.

    Hardly: by less than `share` of the interquartile range of all losses, so that the unit of the objective
    does not count.

    Args:
        window: Over how many trials that have a loss.
        share: Part of the interquartile range.
        min_trials: Not before so many trials have a loss; by default twice the window.
    """

    def __init__(self, window: int = 10, share: float = 0.1, min_trials: int | None = None) -> None:
        self.window = whole_number("window", window, at_least=1)
        self.share = positive_or_zero("share", share)
        self.min_trials = 2 * window if min_trials is None else whole_number("min_trials", min_trials, at_least=1)

    def why_end(self, standing: Standing) -> str | None:
        before, best = standing.lowest(before_last=self.window), standing.lowest()
        if before is None or best is None or len(standing.measured) < self.min_trials:
            return None
        gained = before - best
        if gained > self.share * standing.interquartile_range():
            return None
        return (
            f"the last {self.window} trials made the best better by {gained:.4g}, "
            f"at most {self.share:g} of the interquartile range of all"
        )


class TargetReached:
    """Ends a study once a trial is as good as `value`.

    Args:
        value: In the sense of the objective.
        maximize: Whether the objective is made large; the study says so.
    """

    def __init__(self, value: float, maximize: bool = False) -> None:
        self.value = number("value", value)
        self.maximize = bool(maximize)

    def why_end(self, standing: Standing) -> str | None:
        target, best = -self.value if self.maximize else self.value, standing.lowest()
        if best is None or best > target:
            return None
        return f"the target {self.value:g} is reached"


class RegretBound:
    """Ends a study once probably no point of the space is better than the best by more than `within`.

    After Makarova et al., "Automatic Termination for Hyperparameter Optimization" (AutoML 2022).

    Args:
        within: In the unit of the objective; a good one is the standard error of its measurement.
        min_trials: Not before so many trials have a loss: a model of few is too sure of itself.
    """

    def __init__(self, within: float, min_trials: int = 20) -> None:
        self.within = number("within", within, above=0)
        self.min_trials = whole_number("min_trials", min_trials, at_least=1)

    def why_end(self, standing: Standing) -> str | None:
        regret = standing.regret
        if regret is None or not regret <= self.within or len(standing.measured) < self.min_trials:
            return None
        return f"probably no point is better than the best by more than {regret:.4g} (asked for: {self.within:g})"


def build_ending(given: Any, *, maximize: bool = False) -> EndingRule:
    """The rule that `given` stands for: an object, a name, or a mapping of name or path and args.

    Raises:
        InputError: It stands for none.
    """
    if not isinstance(given, (str, Mapping)) and not isinstance(given, type) and hasattr(given, "why_end"):
        return cast(EndingRule, given)
    spec = spec_of(KIND, given)
    supplied = {"maximize": maximize} if find_class(KIND, spec) is TargetReached and "maximize" not in spec.args else {}
    rule = build(KIND, spec, **supplied)
    if not callable(getattr(rule, "why_end", None)):
        raise InputError(f"The ending rule {spec.label!r} is {type(rule).__name__}, which has no why_end(standing).")
    return cast(EndingRule, rule)
