"""Asks a stopping rule about running trials: gathers what they report into learning curves."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meristem.errors import ComponentFailed, InputError
from meristem.objective import Goals
from meristem.spool import Measurement
from meristem.stopping.combined import build_rule
from meristem.stopping.curves import Curves
from meristem.stopping.rule import StoppingRule
from meristem.store.rows import TrialRow


def rule_of(given: Any, controller: Any, goals: Goals) -> StoppingRule | None:
    """The stopping rule of a run: the one that was given, else the controller's own.

    Raises:
        InputError: It stands for no rule, or the study has several objectives.
    """
    own = getattr(controller, "stopping", None)
    if given is None and own is None:
        return None
    if not goals.single:
        raise InputError(
            f"Trials cannot be stopped early in a study of several objectives ({goals}): which of two curves is the "
            "better one is not clear.",
            fix="Leave early_stopping out, and controllers such as asha that stop trials.",
        )
    if given is None:
        return own
    return build_rule(given, maximize=goals.objectives[0].maximize)


class EarlyStopping:
    """The curves of a study's trials, and the rule that looks at them.

    Args:
        rows: Trials that there are already, with what they reported (see `Trials.list_reports`).
    """

    def __init__(
        self, rule: StoppingRule, goals: Goals, rows: Iterable[TrialRow] = (),
        reports: Iterable[tuple[int, Measurement]] = (),
    ) -> None:  # fmt: skip
        self._rule, self._objective = rule, goals.objectives[0]
        self._curves = Curves()
        self._spared: set[int] = set()  # baselines, without which no trial keeps a limit that is relative to them
        self._relative = any(limit.relative for limit in goals.constraints)
        self._steps: dict[int, dict[int, dict[str, float]]] = {}  # of weighted sums: what is there of each step
        for row in rows:
            self.start(row)
        for number, measurement in reports:
            self._take(number, measurement)
        for row in rows:
            self.end(row.number)

    def start(self, row: TrialRow) -> None:
        """An attempt of a trial begins."""
        bracket = row.origin.get("bracket", 0)
        self._curves.start(row.number, bracket=bracket if isinstance(bracket, int) else 0)
        self._steps.pop(row.number, None)
        if self._relative and row.origin.get("baseline") is True:
            self._spared.add(row.number)

    def why_stop(self, number: int, measurements: Sequence[Measurement]) -> str | None:
        """Takes in what a running trial reported; why it should be stopped, or None."""
        return self.why_now(number) if self.take(number, measurements) else None

    def take(self, number: int, measurements: Sequence[Measurement]) -> bool:
        """Takes in what a trial reported, perhaps once more; whether any of it told the objective at a step."""
        told = [self._take(number, measurement) for measurement in measurements]
        return any(told)

    def why_now(self, number: int) -> str | None:
        """Why a running trial should be stopped by what is known of it; None to let it go on."""
        curve = self._curves.curve(number)
        if number in self._spared or not curve.steps:
            return None
        try:
            return self._rule.why_stop(curve, self._curves.others(number))
        except Exception as error:  # a user's rule may raise anything
            raise ComponentFailed("stopping rule", type(self._rule).__name__, traceback.format_exc()) from error

    def heard(self) -> bool:
        """Whether any trial ever told the objective at a step."""
        return self._curves.any_reported

    def end(self, number: int) -> None:
        """A trial has ended."""
        self._curves.end(number)
        self._steps.pop(number, None)

    def _take(self, number: int, measurement: Measurement) -> bool:
        """Whether the measurement told the objective at a step."""
        if measurement.step is None or measurement.metric not in self._objective.terms:
            return False
        known: Mapping[str, float] = {measurement.metric: measurement.value}
        if len(self._objective.terms) > 1:
            at_step = self._steps.setdefault(number, {}).setdefault(measurement.step, {})
            at_step[measurement.metric] = measurement.value
            known = at_step
        value = self._objective.value(known)
        if value is None:
            return False
        self._curves.report(number, measurement.step, self._objective.loss(value))
        return True
