"""Evidence: all that the analyses of one study look at, read once; what several of them need is worked out once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from meristem.errors import InputError, NoBestTrial
from meristem.objective import Objective, OutcomeConstraint
from meristem.space import Parameters
from meristem.statuses import ENDED, TrialStatus
from meristem.study.leaders import baseline_of
from meristem.study.results import Results
from meristem.trial import Trial

if TYPE_CHECKING:
    from meristem.bayesopt.cross_validation import CrossValidation
    from meristem.controllers.insight import Insight, Prediction, Shares

Array = NDArray[np.float64]
T = TypeVar("T")
POOR_R2 = 0.1  # below it a model knows next to nothing


class NothingToShow(Exception):
    """Why an analysis has nothing to show of this study; becomes the card's note."""


class Evidence:
    """A study as it was when it was read.

    Attributes:
        trials: All, in order of their numbers.
        completed: Those with a finite value of every objective.
        leaders: The best trial, or of several objectives the Pareto front; empty where there is none.
        baseline: The trial to which limits are relative, where one is marked and has what they are about.
    """

    def __init__(self, study: Results) -> None:
        self.study, self.name, self.space, self.goals = study, study.name, study.space, study.goals
        self.trials = tuple(study.trials)
        self.ended = tuple(t for t in self.trials if t.status in ENDED)
        self.completed = tuple(t for t in self.trials if t.status == TrialStatus.COMPLETED and t.values)
        self.baseline = baseline_of(self.completed, self.goals)
        try:
            self.leaders: tuple[Trial, ...] = tuple(study.pareto)
        except NoBestTrial:
            self.leaders = ()
        self._known: dict[tuple[str, str], Any] = {}

    # What was measured

    def value(self, trial: Trial, objective: Objective) -> float:
        """The objective of a completed trial, in the user's sense."""
        return trial.values[objective.metric]

    def values(self, objective: Objective) -> Array:
        """Of the completed trials, shape (n,)."""
        self.need_completed()
        return np.array([trial.values[objective.metric] for trial in self.completed], dtype=float)

    def need_completed(self) -> None:
        """Raises NothingToShow where no trial has completed."""
        if not self.trials:
            raise NothingToShow("There are no trials yet.")
        if not self.completed:
            raise NothingToShow(f"None of the {len(self.trials)} trials has completed with a value yet.")

    @cached_property
    def base_metrics(self) -> Mapping[str, float] | None:
        return None if self.baseline is None else self.baseline.metrics

    def keeps_limits(self, trial: Trial) -> bool:
        return self.goals.keeps_limits(trial.metrics, self.base_metrics)

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Which completed trials keep all limits, shape (n,)."""
        return np.array([self.keeps_limits(trial) for trial in self.completed], dtype=bool)

    # Where trials lie

    @cached_property
    def unit(self) -> Array:
        """Places of all trials in the unit cube, shape (trials, dimensions); NaN where inactive."""
        rows = [self.place_of(trial.parameters) for trial in self.trials]
        return np.array(rows, dtype=float).reshape(len(rows), len(self.space.dimensions))

    def place_of(self, parameters: Parameters) -> Array:
        return np.where(self.space.active_mask(parameters), self.space.encode(parameters), np.nan)

    @property
    def centre_of_interest(self) -> Trial:
        """The trial through which slices are laid: the best, or one in the middle of the Pareto front.

        Raises:
            NothingToShow: No trial has completed.
        """
        self.need_completed()
        return self.leaders[len(self.leaders) // 2] if self.leaders else self.completed[0]

    def feasible_points(self, places: Sequence[Array]) -> list[dict[str, Any] | None]:
        """The points of the space at `places`; None where they break a constraint of the space."""
        points = [self.space.decode(place) for place in places]
        return [point if self.space.is_feasible(point) else None for point in points]

    # What a model makes of it

    def insight(self, objective: Objective) -> Insight:
        """As `study.insight`.

        Raises:
            NothingToShow: There are too few trials for a model, or nothing to choose.
        """
        self.need_completed()
        return self.once("insight", objective, lambda: self._insight(objective))

    def _insight(self, objective: Objective) -> Insight:
        try:
            return self.study.insight(objective)
        except InputError as error:
            raise NothingToShow(str(error)) from error

    def validation(self, objective: Objective) -> CrossValidation:
        found = self.insight(objective)
        return self.once("validation", objective, found.cross_validation)

    def shares(self, objective: Objective) -> Shares:
        found = self.insight(objective)
        return self.once("shares", objective, found.sensitivity)

    def importance(self, objective: Objective) -> dict[str, float]:
        found = self.insight(objective)
        return self.once("importance", objective, found.importance)

    def predictions(self, objective: Objective) -> list[Prediction]:
        """At the completed trials."""
        found = self.insight(objective)
        points = [trial.parameters for trial in self.completed]
        return self.once("predictions", objective, lambda: found.predict(points))

    def caution(self, objective: Objective) -> str:
        """A sentence for what rests on the model, where the model is poor; else nothing."""
        r2 = self.validation(objective).r2
        if math.isnan(r2) or r2 >= POOR_R2:
            return ""
        return f" The model predicts poorly (R² {r2:.2f}, see cross-validation): take this with caution."

    def ranked(self, objective: Objective) -> list[str]:
        """The parameters, those first that the objective depends on most."""
        total = self.shares(objective).total
        return sorted(total, key=lambda name: -total[name])

    def once(self, what: str, objective: Objective, work: Callable[[], T]) -> T:
        """What `work` gives, which is done only at the first call for `what` and the objective; also if it raises."""
        key = (what, objective.text)
        if key not in self._known:
            try:
                self._known[key] = work()
            except Exception as error:  # the next that asks gets the same answer, at no cost
                self._known[key] = error
        if isinstance(self._known[key], Exception):
            raise self._known[key]
        return self._known[key]  # type: ignore[no-any-return]


def limit_as_objective(limit: OutcomeConstraint) -> Objective:
    """The sum that a limit is about, as something to be made small."""
    return Objective(text=f"limit {limit.text}", terms=limit.terms, maximize=False)


def finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
