"""What a study is after: objectives, limits on metrics, and what measured metrics mean for them. Pure.

    "accuracy"              make it large            "latency <= 10"               a limit; "<" leaves 10 out
    "-loss"                 make it small            "latency <= 1.1 * baseline"   relative to the baseline trial
    "2*accuracy - latency"  make the sum large
    "accuracy, -latency"    two objectives

Everything that searches works with losses: lower is better.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from meristem.errors import InputError, did_you_mean
from meristem.linear import read_inequality, read_sum

BASELINE = "baseline"
_LIMIT_HOW = "Write a limit such as 'latency <= 10' or 'latency <= 1.1 * baseline'."
_SUM_HOW = "Bring them to one side, such as 'a - b <= 1.1 * baseline': the share is then of a - b at the baseline."

_COMMA = re.compile(r",(?=(?:[^`]*`[^`]*`)*[^`]*$)")  # outside of quoted names


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One metric, or a weighted sum of metrics, to be made large or small.

    Attributes:
        text: As the user wrote it, such as "-loss".
        terms: Weights by metric.
        maximize: Whether a larger `value` is better.
    """

    text: str
    terms: Mapping[str, float]
    maximize: bool

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Reads one objective.

        Raises:
            InputError: It is not a weighted sum of metrics.
        """
        if not isinstance(text, str):
            raise InputError(f"The objective must be text, not {type(text).__name__}: 'accuracy' or '-loss'.")
        plain = text.strip()
        name = plain.removeprefix("-").strip()
        if name and not name.startswith("-") and not any(mark in name for mark in ",*+<>=()`≤≥ \t\n"):
            return cls(text=plain, terms={name: 1.0}, maximize=not plain.startswith("-"))  # also "-val/loss"
        try:
            terms, constant = read_sum(plain, "metric")
        except ValueError as error:
            raise InputError(
                f"The objective {text!r} {error}", fix="Write 'accuracy' to maximize, '-loss' to minimize."
            ) from None
        terms = {name: weight for name, weight in terms.items() if weight != 0}
        if not terms or constant:
            raise InputError(
                f"The objective {text!r} {'has a constant, which changes nothing' if terms else 'names no metric'}.",
                fix="Write 'accuracy' to maximize, '-loss' to minimize, '2*accuracy - latency' for both.",
            )
        if len(terms) == 1 and (weight := next(iter(terms.values()))) in (1.0, -1.0):
            return cls(text=plain, terms=dict.fromkeys(terms, 1.0), maximize=weight > 0)
        return cls(text=plain, terms=terms, maximize=True)

    @property
    def metric(self) -> str:
        """The metric's name; of a sum, its text."""
        return next(iter(self.terms)) if len(self.terms) == 1 and 1.0 in self.terms.values() else self.text

    def value(self, metrics: Mapping[str, float]) -> float | None:
        """What `metrics` come to, in the user's sense; None where one is missing."""
        if any(name not in metrics for name in self.terms):
            return None
        return sum(weight * metrics[name] for name, weight in self.terms.items())

    def loss(self, value: float) -> float:
        """`value` in the sense in which lower is better; also from loss to value."""
        return 0.0 - value if self.maximize else value  # never -0.0

    def sem(self, sems: Mapping[str, float]) -> float | None:
        """The standard error of the value, taken as independent between metrics; None where none is known."""
        known = [weight * sems[name] for name, weight in self.terms.items() if name in sems]
        return math.hypot(*known) if known else None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeConstraint:
    """A limit: the sum of weight * metric over `terms` is at most `bound`, or below it.

    Relative to a baseline, `side` * (base + (share - 1) * |base|) is added to the bound: what the user wrote as
    share * base, which is the same unless the base is negative. Thus 1.1 is a tenth above and 0.9 a tenth below
    the baseline whatever its sign.

    Attributes:
        strict: Whether it must be below.
        share: Part of the base; 0 where the limit is not relative.
        base: What is taken at the baseline, by metric: a metric, or the sum as the user wrote it.
        side: -1 where the user wrote a lower limit, for which `terms` are turned round; else 1.
    """

    text: str
    terms: Mapping[str, float]
    bound: float
    strict: bool = False
    share: float = 0.0
    base: Mapping[str, float] = field(default_factory=dict)
    side: float = 1.0

    @classmethod
    def parse(cls, text: str) -> OutcomeConstraint:
        """Reads one limit.

        Raises:
            InputError: It is not a linear inequality of metrics.
        """
        if not isinstance(text, str):
            raise InputError(f"A limit must be text, not {type(text).__name__}: 'latency <= 10'.")
        try:
            found = read_inequality(text, _LIMIT_HOW, "metric")
        except ValueError as error:
            raise InputError(f"The limit {text!r} {error}") from None
        terms = dict(found.terms)
        relative = -terms.pop(BASELINE, 0.0)
        if not terms:
            raise InputError(f"The limit {text!r} names no metric.", fix=_LIMIT_HOW)
        if odd := [name for name in terms if name.lower() in ("nan", "inf", "infinity")]:
            raise InputError(f"The limit {text!r} has {odd[0]!r}, which is no finite number.", fix=_LIMIT_HOW)
        limit = cls(text=text.strip(), terms=terms, bound=found.bound, strict=found.strict)
        if not relative:
            return limit
        base, side = _base(text, terms, found.sides)
        return replace(limit, share=side * relative, base=base, side=side)

    @property
    def relative(self) -> bool:
        """Whether it needs the baseline's metrics."""
        return self.share != 0.0

    def excess(self, metrics: Mapping[str, float], baseline: Mapping[str, float] | None = None) -> float | None:
        """By how much `metrics` break it; at most 0 where they keep it, None where that is not known.

        What must be below its limit and is equal to it breaks it by next to nothing, which is above 0.
        """
        total = _sum(self.terms, metrics)
        limit: float | None = self.bound
        if self.relative:
            base = None if baseline is None else _sum(self.base, baseline)
            limit = None if base is None else self.bound + self.side * (base + (self.share - 1.0) * abs(base))
        if total is None or limit is None:
            return None
        if self.strict and total == limit:
            return max(math.ulp(total), sys.float_info.min)
        return total - limit

    def sem(self, sems: Mapping[str, float]) -> float | None:
        """The standard error of the excess; None where none is known."""
        known = [weight * sems[name] for name, weight in self.terms.items() if name in sems]
        return math.hypot(*known) if known else None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """All that a study is after.

    Attributes:
        objectives: At least one.
        thresholds: Of several objectives: the worst value worth having, by metric, in the user's sense.
            Hypervolume is measured from there.
    """

    objectives: tuple[Objective, ...]
    constraints: tuple[OutcomeConstraint, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(
        cls,
        objective: str | Sequence[str],
        constraints: Sequence[str] = (),
        thresholds: Mapping[str, float] | None = None,
    ) -> Goals:
        """Reads them as the user writes them.

        Raises:
            InputError: Something of it cannot be used; lists every mistake.
        """
        problems: list[str] = []
        objectives: list[Objective] = []
        limits: list[OutcomeConstraint] = []
        if isinstance(constraints, str) or not isinstance(constraints, Sequence):
            problems.append("outcome constraints must be a list, such as ['latency <= 10']")
            constraints = ()
        parts = _COMMA.split(objective) if isinstance(objective, str) else objective
        if not isinstance(parts, Sequence) or not parts:
            raise InputError(
                f"The objective must be text, or a list of texts, not {objective!r:.60}.",
                fix="Write 'accuracy', '-loss', or 'accuracy, -loss' for both.",
            )
        for part in parts:
            try:
                objectives.append(Objective.parse(part))
            except InputError as error:
                problems.append(str(error))
        for text in constraints:
            try:
                limits.append(OutcomeConstraint.parse(text))
            except InputError as error:
                problems.append(str(error))
        names = [o.metric for o in objectives]
        problems += [f"the objective {name!r} stands there twice" for name in set(names) if names.count(name) > 1]
        problems += _threshold_problems(thresholds or {}, names)
        if thresholds and len(parts) == 1:
            problems.append("thresholds are for several objectives; of a single one nothing is measured from them")
        if problems:
            if len(problems) == 1:
                raise InputError(problems[0])
            raise InputError("The goals of the study cannot be used", problems)
        floors = {name: float(value) for name, value in (thresholds or {}).items()}
        return cls(objectives=tuple(objectives), constraints=tuple(limits), thresholds=floors)

    def values(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The objectives in the user's sense, by name, those that are there."""
        found = {o.metric: o.value(metrics) for o in self.objectives}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def single(self) -> bool:
        return len(self.objectives) == 1

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that objectives and limits name, each once."""
        named: list[Objective | OutcomeConstraint] = [*self.objectives, *self.constraints]
        return tuple(dict.fromkeys(name for part in named for name in part.terms))

    def losses(self, metrics: Mapping[str, float]) -> tuple[float, ...] | None:
        """The losses of all objectives; None unless every one is there and finite."""
        found: list[float] = []
        for objective in self.objectives:
            value = objective.value(metrics)
            if value is None or not math.isfinite(value):
                return None
            found.append(objective.loss(value))
        return tuple(found)

    def excesses(
        self, metrics: Mapping[str, float], baseline: Mapping[str, float] | None = None
    ) -> tuple[float | None, ...]:
        """By how much each limit is broken (see `OutcomeConstraint.excess`)."""
        return tuple(limit.excess(metrics, baseline) for limit in self.constraints)

    def keeps_limits(self, metrics: Mapping[str, float], baseline: Mapping[str, float] | None = None) -> bool:
        """Whether every limit is known to be kept. A relative one needs a baseline to be."""
        return all(e is not None and e <= 0 for e in self.excesses(metrics, baseline))

    def reference(self) -> tuple[float | None, ...]:
        """The thresholds as losses, by objective; None where there is none."""
        return tuple(
            o.loss(self.thresholds[o.metric]) if o.metric in self.thresholds else None for o in self.objectives
        )

    def __str__(self) -> str:
        return ", ".join(map(str, self.objectives))


def _threshold_problems(thresholds: Any, names: Sequence[str]) -> list[str]:
    if not isinstance(thresholds, Mapping):
        return ["thresholds must map objectives to numbers, such as {'accuracy': 0.8}"]
    problems = [
        f"the threshold of {name!r} is of no objective. {did_you_mean(str(name), names)}"
        for name in thresholds
        if name not in names
    ]
    return problems + [
        f"the threshold of {name!r} must be a finite number, not {value!r:.60}"
        for name, value in thresholds.items()
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value)
    ]


def _sum(terms: Mapping[str, float], metrics: Mapping[str, float]) -> float | None:
    values = [metrics.get(name) for name in terms]
    if any(value is None or not math.isfinite(value) for value in values):
        return None
    return sum(weight * value for weight, value in zip(terms.values(), values, strict=True) if value is not None)


def _base(
    text: str, terms: Mapping[str, float], sides: tuple[Mapping[str, float], Mapping[str, float]]
) -> tuple[dict[str, float], float]:
    """What the baseline stands for, and whether `terms` are that (1) or turned round (-1).

    Raises:
        InputError: It stands for no one sum.
    """
    name, weight = next(iter(terms.items()))
    if len(terms) == 1:
        return {name: 1.0}, math.copysign(1.0, weight)
    left, right = ({n: a for n, a in side.items() if n != BASELINE and a != 0} for side in sides)
    if left and right:
        raise InputError(f"The limit {text!r} has metrics on both sides, and a baseline.", fix=_SUM_HOW)
    written = left or right
    return written, math.copysign(1.0, weight * written[name])
