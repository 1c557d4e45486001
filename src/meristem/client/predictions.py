"""What the models of a study expect: of points, of the best trial, of the Pareto front. Values in users' units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from meristem.client.types import TParameterization, TPrediction
from meristem.errors import InputError
from meristem.statuses import TrialStatus
from meristem.study.ledger import Ledger
from meristem.study.study import Study
from meristem.trial import Trial

if TYPE_CHECKING:
    from meristem.controllers.insight import Insight


class Predictions:
    """Models of a study's metrics, fitted when first asked for and again when there is news.

    Attributes:
        with_tracking: Whether metrics that no goal names are predicted, too.
    """

    def __init__(self, study: Study, ledger: Ledger) -> None:
        self._study, self._ledger = study, ledger
        self._models: dict[str | None, Insight] = {}
        self._as_of = -1
        self.with_tracking = True

    def at(self, points: Sequence[TParameterization]) -> list[TPrediction]:
        """Mean and standard error of each metric at each point.

        Raises:
            InputError: Too few trials have completed, or a point does not lie in the space.
        """
        found = {name: self._model(name).predict(points) for name in self._study.goals.metrics}
        for name in self._tracked():
            found[name] = self._model(name).predict(points)
        return [{name: (p[i].mean, p[i].std) for name, p in found.items()} for i in range(len(points))]

    def best(self) -> Trial | None:
        """The tried point of which the best is expected, by the last trial that ran it; None without a model."""
        try:
            point = self._model(None).best()
        except InputError:
            return None
        key = self._study.space.key(point)
        return next(t for t in reversed(self._completed()) if self._study.space.key(t.parameters) == key)

    def pareto(self) -> list[Trial] | None:
        """The trials that keep all limits and that none beats in all that is expected; None without models."""
        from meristem.bayesopt.pareto import non_dominated  # imports scipy, which takes long

        goals, space = self._study.goals, self._study.space
        self._ledger.sync()
        baseline = self._ledger.leaders.baseline
        kept = [t for t in self._completed() if goals.keeps_limits(t.metrics, baseline)]
        trials = list({space.key(t.parameters): t for t in kept}.values())  # the last of equal ones
        if not trials:
            return None
        points = [t.parameters for t in trials]
        try:
            expected = [[o.loss(p.mean) for p in self._model(str(o)).predict(points)] for o in goals.objectives]
        except InputError:
            return None
        front = non_dominated(list(zip(*expected, strict=True)))
        return [trial for trial, on_front in zip(trials, front, strict=True) if on_front]

    def of(self, trial: Trial) -> TPrediction:
        """Mean and variance of each metric where `trial` was; as measured where there is no model."""
        found = observed(trial)
        for name in (*self._study.goals.metrics, *self._tracked()):
            try:
                predicted = self._model(name).predict([trial.parameters])[0]
            except InputError:
                continue
            found[name] = (predicted.mean, predicted.std**2)
        return found

    def _tracked(self) -> list[str]:
        """Further metrics of which there is enough to predict them."""
        given = {name for t in self._completed() for name in t.metrics} if self.with_tracking else set()
        return [name for name in sorted(given - set(self._study.goals.metrics)) if self._can_model(name)]

    def _can_model(self, name: str) -> bool:
        try:
            self._model(name)
        except InputError:  # too few values, or a name that is no objective
            return False
        return True

    def _completed(self) -> list[Trial]:
        return [t for t in self._study.trials if t.status == TrialStatus.COMPLETED]

    def _model(self, objective: str | None) -> Insight:
        as_of = self._study.store.studies.get(self._study.name).last_event
        if as_of != self._as_of:
            self._models, self._as_of = {}, as_of
        if objective not in self._models:
            self._models[objective] = self._study.insight(objective)
        return self._models[objective]


def observed(trial: Trial) -> TPrediction:
    """Measured values of a trial with their variances; NaN where that is not known."""
    return {name: (value, trial.sems.get(name, math.nan) ** 2) for name, value in trial.metrics.items()}
