"""What Gaussian processes believe of a study, and which point they would try next."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Mask, Points
from meristem.bayesopt.optimize import Acquisition, Domain, candidates, maximize_acquisition
from meristem.controllers.earlier import Lessons
from meristem.controllers.encoded import EncodedSpace
from meristem.controllers.limits import Limits
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Observation, Snapshot
from meristem.controllers.taken import Taken
from meristem.space import Parameters

_MOST_FAILED = 50
MOST_PENDING = 200
_FAILED_QUANTILE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Processes of the losses and of the limits, and the space they stand for.

    Attributes:
        domain: Where to look: the space, with fixed values at their places.
        processes: One an objective, all of the same points.
        feasible: Which of these points are of this study and count as reached within the limits, shape (n,).
        origin: What to tell of the model.
    """

    encoded: EncodedSpace
    lessons: Lessons
    pins: Pins
    domain: Domain
    processes: tuple[GaussianProcess, ...]
    limits: Limits
    feasible: Mask
    origin: Mapping[str, Any]

    def most_promising(self, taken: Taken, rng: np.random.Generator) -> dict[str, Any] | None:
        """The untaken point with the most to be hoped for that was found; None where none was."""
        domain = replace(self.domain, admits=lambda vector: self._point(vector) not in taken)
        points = candidates(domain, self._near(), rng)
        vector = maximize_acquisition(self._acquisition(points), domain, points)
        return None if vector is None else self._point(vector)

    def after(self, given: Sequence[Parameters]) -> Self:
        """What to believe once all of `given` are being tried: that they come out as predicted.

        What they are believed to reach counts as reached, or they would be proposed once more.
        """
        if not given:
            return self
        points = self.lessons.here(self.encoded.points(given))
        return replace(
            self,
            processes=tuple(process.believing(points) for process in self.processes),
            limits=self.limits.believing(points),
            feasible=np.concatenate([self.feasible, self.limits.allow(points)]),
        )

    def after_pending(self, snapshot: Snapshot) -> Self:
        return self.after([o.parameters for o in snapshot.pending[-MOST_PENDING:]])

    @abstractmethod
    def _near(self) -> Array:
        """Vectors worth looking around, shape (k, d)."""

    @abstractmethod
    def _acquisition(self, points: Points) -> Acquisition:
        """What is to be maximized, seen the candidates `points`."""

    def _point(self, vector: Array) -> dict[str, Any]:
        return self.pins.point(self.encoded.space, vector[: self.encoded.kinds.count])


def failed_trials(snapshot: Snapshot) -> list[Observation]:
    """The latest trials that failed without a loss."""
    return [o for o in snapshot.history if o.status == "failed" and o.loss is None][-_MOST_FAILED:]


def with_failures(outcomes: Array, failures: int) -> Array:
    """Outcomes with rather bad ones for failed trials: their surroundings are avoided, not walled off."""
    return np.append(outcomes, np.full(failures, np.quantile(outcomes, _FAILED_QUANTILE)))
