"""A study of one objective as Gaussian processes see it: vectors, masks, standardized losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from meristem.bayesopt.acquisition import Improvement
from meristem.bayesopt.fitting import Fitter
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Points
from meristem.bayesopt.model import Model, choose_model
from meristem.bayesopt.outcomes import BENT, STRAIGHT, TRANSFORMS, Outcomes, Transform, choose_subset
from meristem.controllers.arrays import fully_measured, losses_of, sems_of
from meristem.controllers.belief import MOST_PENDING, Belief, failed_trials, with_failures
from meristem.controllers.earlier import Lessons, learn
from meristem.controllers.encoded import EncodedSpace
from meristem.controllers.fits import Fits, fitted_count
from meristem.controllers.limits import fit_limits
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Observation, Snapshot
from meristem.space import Space

_MOST_POINTS = 500
_MOST_FITTED = 150
_MOST_NEAR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LossBelief(Belief):
    """A fitted process of the loss.

    Attributes:
        near: The best trials, shape (k, d).
    """

    near: Array

    @property
    def process(self) -> GaussianProcess:
        return self.processes[0]

    @property
    def best(self) -> float | None:
        """The lowest predicted loss of tried and pending points of this study that keep the limits.

        Predicted, since the lowest measurement is often the luckiest. None where none keeps the limits.
        """
        kept = self.process.fitted[self.feasible]
        return float(kept.min()) if len(kept) else None

    def _near(self) -> Array:
        return self.near

    def _acquisition(self, points: Points) -> Improvement:
        return Improvement(process=self.process, best=self.best, limits=self.limits.processes)


class Surrogate:
    """Turns snapshots of studies over `space` into beliefs.

    Args:
        transform: "auto", or how the names of the transforms begin that may be chosen from.
        additive: Whether effects of single parameters may add up.
    """

    def __init__(self, space: Space, *, transform: str = "auto", additive: bool = True) -> None:
        self.space = space
        self._encoded = EncodedSpace(space)
        self._fits = Fits(additive=additive)
        self._transforms = self._allowed(transform)

    def believe(self, snapshot: Snapshot) -> LossBelief:
        """Fits to the losses of `snapshot`, of which there must be one at least.

        Raises:
            numpy.linalg.LinAlgError: The fit fails numerically.
        """
        encoded = self._encoded
        lessons = learn(snapshot.earlier, encoded.kinds, 1, encoded.encodable, self._fits.of)
        measured = fully_measured(snapshot.history, 1)
        fitted = _subset(measured[: fitted_count(len(measured))], _MOST_FITTED)
        model = self._model(snapshot, fitted, lessons)
        failed = failed_trials(snapshot)
        others = len(failed) + len(snapshot.pending[-MOST_PENDING:]) + len(lessons.points)
        chosen = _subset(measured, min(_MOST_POINTS, encoded.rows_left(others)))
        outcomes = _standardized(model.transform, losses_of(chosen)[:, 0], encoded.observed(chosen), lessons)
        points = lessons.here(encoded.observed([*chosen, *failed])).join(lessons.points)
        variances = np.zeros(len(points))
        variances[: len(chosen)] = outcomes.variances(sems_of(snapshot, chosen)[:, 0])
        values = np.concatenate([with_failures(outcomes.values, len(failed)), lessons.outcomes[:, 0]])
        process = GaussianProcess(points, values, lessons.kinds, model.hyper, variances)
        limits, kept = fit_limits(snapshot, fitted, chosen, encoded, lessons, self._fits)
        feasible = np.zeros(len(points), dtype=bool)
        feasible[: len(chosen)] = kept
        order = np.lexsort((process.fitted[: len(chosen)], ~kept))
        pins = Pins(self.space, snapshot.fixed)
        belief = LossBelief(
            encoded=encoded,
            lessons=lessons,
            pins=pins,
            domain=encoded.domain(pins, lessons),
            processes=(process,),
            limits=limits,
            feasible=feasible,
            near=points.unit[order[:_MOST_NEAR]],
            origin=_origin(model, lessons),
        ).after_pending(snapshot)
        if limits.processes and not belief.feasible.any():
            belief = replace(belief, origin={**belief.origin, "aim": "feasibility"})
        return belief

    def _model(self, snapshot: Snapshot, fitted: Sequence[Observation], lessons: Lessons) -> Model:
        losses, sems = losses_of(fitted)[:, 0], sems_of(snapshot, fitted)[:, 0]
        here = self._encoded.observed(fitted)
        points, earlier = lessons.here(here).join(lessons.points), lessons.outcomes[:, 0]

        def fit() -> Model:
            additive = self._fits.additive
            if not len(lessons.points):
                return choose_model(points, losses, lessons.kinds, sems, transforms=self._transforms, additive=additive)
            outcomes = _standardized(BENT, losses, here, lessons)
            values = np.concatenate([outcomes.values, earlier])
            variances = np.concatenate([outcomes.variances(sems), np.zeros(len(earlier))])
            hyper = Fitter(points, lessons.kinds, additive=additive).fit(values, variances)
            return Model(transform=BENT, hyper=hyper)

        return self._fits.remembered("loss", [points.unit, points.active, losses, sems, earlier], fit)

    def _allowed(self, transform: str) -> Sequence[Transform]:
        if transform != "auto":
            return [t for t in TRANSFORMS if t.name.startswith(transform)]
        # Curves that stretch the best losses make a search stay with the first good category (measured).
        return (BENT, STRAIGHT) if self._encoded.kinds.categorical.any() else TRANSFORMS


def _standardized(transform: Transform, losses: Array, points: Points, lessons: Lessons) -> Outcomes:
    """Losses as outcomes, on the scale of earlier studies where there are some."""
    own = transform.apply(losses)
    middle, spread = lessons.scale_of(points)
    return replace(own, values=middle + spread * own.values, slopes=spread * own.slopes)


def _origin(model: Model, lessons: Lessons) -> dict[str, Any]:
    kernel = "product" if model.hyper.share == 0 else "product + sum"
    return {"by": "gp", "transform": model.transform.name, "kernel": kernel} | lessons.origin


def _subset(measured: Sequence[Observation], limit: int) -> list[Observation]:
    return [measured[place] for place in choose_subset(losses_of(measured)[:, 0], limit)]
