"""What earlier studies teach about this one: their trials as points of a further, categorical column.

Each study is one category. How alike studies are is learned with the other length scales, so that a study
that has nothing to do with this one comes to count for little (Swersky et al., "Multi-Task Bayesian
Optimization", 2013, with one correlation for all pairs of studies).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Mask, Points
from meristem.bayesopt.outcomes import BENT, choose_subset
from meristem.bayesopt.pareto import fittest
from meristem.controllers.arrays import fully_measured, losses_of
from meristem.controllers.protocol import Observation

_MOST_POINTS = 150
_FEWEST_LOSSES = 3  # of fewer nothing can be said about how they compare
_MOST_STUDIES = 10

_LEAST_SPREAD = 0.3

Encodable = Callable[[int, Sequence[Observation]], tuple[Points, Mask]]
Fitted = Callable[[str, Points, Array, Kinds], Hyperparameters]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """Points of earlier studies with their standardized outcomes.

    Attributes:
        kinds: The columns of the space, and one that tells studies apart where there are earlier ones.
        points: Shape (n, columns of `kinds`).
        outcomes: Shape (n, objectives); each study's own losses on a common scale.
        place: Where this study lies in the further column; None without one.
        processes: What the earlier studies alone say, one an objective.
    """

    kinds: Kinds
    points: Points
    outcomes: Array
    place: float | None = None
    processes: tuple[GaussianProcess, ...] = ()

    @classmethod
    def none(cls, kinds: Kinds, objectives: int = 1) -> Lessons:
        return cls(kinds=kinds, points=Points.stack([], kinds.count), outcomes=np.zeros((0, objectives)))

    def here(self, points: Points) -> Points:
        """Points of this study, with the further column."""
        return points if self.place is None else _in_study(points, self.place)

    def are_here(self, points: Points) -> Mask:
        """Which points, with the further column, are of this study."""
        return np.ones(len(points), dtype=bool) if self.place is None else points.unit[:, -1] == self.place

    @property
    def origin(self) -> dict[str, int]:
        """What to tell of them with a recommendation."""
        return {"earlier": len(self.points)} if len(self.points) else {}

    def scale_of(self, points: Points, objective: int = 0) -> tuple[float, float]:
        """Mean and spread that outcomes of this study at `points` (of the space) have on the common scale.

        A study's few first losses cannot tell whether they are good; earlier studies can.
        """
        if self.place is None:
            return 0.0, 1.0
        process = self.processes[objective]
        places = np.unique(self.points.unit[:, -1])
        expected = np.mean([process.predict(_in_study(points, place)).mean for place in places], axis=0)
        return float(expected.mean()), max(float(expected.std()), _LEAST_SPREAD)

    def extend(self, unit: Array, active: Mask) -> tuple[Array, Mask]:
        """The same for one point."""
        return (unit, active) if self.place is None else (np.append(unit, self.place), np.append(active, True))


def learn(
    earlier: Sequence[Sequence[Observation]], kinds: Kinds, objectives: int, encodable: Encodable, fitted: Fitted
) -> Lessons:
    """What the trials of earlier studies say, the latest studies and their best trials first."""
    studies = [(n, fully_measured(study, objectives)) for n, study in enumerate(earlier)]
    studies = [(n, measured) for n, measured in studies if len(measured) >= _FEWEST_LOSSES][-_MOST_STUDIES:]
    found: list[tuple[Points, Array]] = []
    for number, measured in studies:
        losses = losses_of(measured)
        chosen = _subset(losses, max(_FEWEST_LOSSES, _MOST_POINTS // len(studies)))
        points, fits = encodable(number, [measured[row] for row in chosen])
        if fits.sum() >= _FEWEST_LOSSES:
            columns = losses[chosen][fits].T
            found.append((points, np.stack([BENT.apply(column).values for column in columns], axis=1)))
    if not found:
        return Lessons.none(kinds, objectives)
    places = (np.arange(len(found) + 1) + 0.5) / (len(found) + 1)  # this study comes first
    points = _in_study(found[0][0], places[1])
    for place, (more, _) in zip(places[2:], found[1:], strict=True):
        points = points.join(_in_study(more, place))
    outcomes = np.concatenate([outcomes for _, outcomes in found])
    wider = Kinds(categorical=np.append(kinds.categorical, True), conditional=np.append(kinds.conditional, False))
    processes = [
        GaussianProcess(points, column, wider, fitted(f"earlier {place}", points, column, wider))
        for place, column in enumerate(outcomes.T)
    ]
    return Lessons(kinds=wider, points=points, outcomes=outcomes, place=float(places[0]), processes=tuple(processes))


def _subset(losses: Array, limit: int) -> npt.NDArray[np.intp]:
    return choose_subset(losses[:, 0], limit) if losses.shape[1] == 1 else np.sort(fittest(losses, limit)[0])


def _in_study(points: Points, place: float) -> Points:
    count = len(points)
    return Points(
        unit=np.column_stack([points.unit, np.full(count, place)]),
        active=np.column_stack([points.active, np.ones(count, dtype=bool)]),
    )
