"""What the models of a study expect: of points, of the best trial, of the Pareto front. Values in users' units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from meristem.client.types import TParameterization, TPrediction
from meristem.errors import InputError
from meristem.objective import Objective
from meristem.statuses import TrialStatus
from meristem.study.leaders import baseline_of
from meristem.study.study import Study
from meristem.trial import Trial

if TYPE_CHECKING:
    from meristem.controllers.insight import Insight

Terms = tuple[tuple[str, float], ...]  # of a weighted sum of metrics


class Predictions:
    """Models of a study's metrics, fitted when first asked for and again when there is news.

    Attributes:
        with_tracking: Whether metrics that no goal names are predicted, too.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._models: dict[Terms, Insight | InputError] = {}
        self._completed: list[Trial] = []
        self._as_of = -1
        self.with_tracking = True

    def at(self, points: Sequence[TParameterization]) -> list[TPrediction]:
        """Mean and standard error of each metric at each point.

        Raises:
            InputError: Too few trials have completed, or a point does not lie in the space.
        """
        self._renew()
        found = {name: self._model(self._metric(name)).predict(points) for name in self._study.goals.metrics}
        found |= {name: model.predict(points) for name in self._tracked() if (model := self._find_model(name))}
        return [{name: (p[i].mean, p[i].std) for name, p in found.items()} for i in range(len(points))]

    def best(self) -> Trial | None:
        """The tried point of which the best is expected, by the last trial that ran it; None without a model."""
        self._renew()
        try:
            point = self._model(self._study.goals.objectives[0]).best()
        except InputError:
            return None
        key = self._study.space.key(point)
        return next(t for t in reversed(self._completed) if self._study.space.key(t.parameters) == key)

    def pareto(self) -> list[Trial] | None:
        """The trials that keep all limits and that none beats in all that is expected; None without models."""
        from meristem.bayesopt.pareto import non_dominated  # imports scipy, which takes long

        self._renew()
        goals, space = self._study.goals, self._study.space
        base = baseline_of(self._completed, goals)
        kept = [t for t in self._completed if goals.keeps_limits(t.metrics, None if base is None else base.metrics)]
        trials = list({space.key(t.parameters): t for t in kept}.values())  # the last of equal ones
        if not trials:
            return None
        points = [t.parameters for t in trials]
        try:
            expected = [[o.loss(p.mean) for p in self._model(o).predict(points)] for o in goals.objectives]
        except InputError:
            return None
        front = non_dominated(list(zip(*map(_graded, expected), strict=True)))
        return [trial for trial, on_front in zip(trials, front, strict=True) if on_front]

    def of(self, trials: Sequence[Trial]) -> list[TPrediction]:
        """Mean and variance of each metric where each trial was; as measured where there is no model."""
        self._renew()
        found = [observed(trial) for trial in trials]
        for name in (*self._study.goals.metrics, *self._tracked()):
            if model := self._find_model(name):
                for known, expected in zip(found, model.predict([t.parameters for t in trials]), strict=True):
                    known[name] = (expected.mean, expected.std**2)
        return found

    def _renew(self) -> None:
        """Reads the trials anew where anything has happened since, and forgets what was made of them."""
        as_of = self._study.store.studies.get(self._study.name).last_event
        if as_of != self._as_of:
            self._models, self._as_of = {}, as_of
            self._completed = [t for t in self._study.trials if t.status == TrialStatus.COMPLETED]

    def _tracked(self) -> list[str]:
        """Further metrics that were given."""
        given = {name for t in self._completed for name in t.metrics} if self.with_tracking else set()
        return sorted(given - set(self._study.goals.metrics))

    def _metric(self, name: str) -> Objective:
        """One metric; in the sense of the objective that is just this metric, so that the two share a model."""
        alone = Objective(text=name, terms={name: 1.0}, maximize=True)
        return next((o for o in self._study.goals.objectives if o.terms == alone.terms), alone)

    def _find_model(self, name: str) -> Insight | None:
        """None where too few trials have a value of the metric."""
        try:
            return self._model(self._metric(name))
        except InputError:
            return None

    def _model(self, objective: Objective) -> Insight:
        """Raises InputError where there is too little for one; which is found out once."""
        key = tuple(sorted(objective.terms.items()))
        if key not in self._models:
            try:
                self._models[key] = self._study.insight(objective)
            except InputError as error:
                self._models[key] = error
        found = self._models[key]
        if isinstance(found, InputError):
            raise found
        return found


def observed(trial: Trial) -> TPrediction:
    """Measured values of a trial with their variances; NaN where that is not known."""
    return {name: (value, trial.sems.get(name, math.nan) ** 2) for name, value in trial.metrics.items()}


def _graded(losses: Sequence[float]) -> list[float]:
    """Losses in steps of a thousandth of their spread: by less than that nobody beats anybody."""
    step = (max(losses) - min(losses)) / 1000
    return [round(loss / step) for loss in losses] if step > 0 else [0.0] * len(losses)
