"""A study of several objectives as Gaussian processes see it: one an objective; as `surrogate` for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meristem.bayesopt.ambition import Scale, infer_reference
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.hypervolume_improvement import HypervolumeImprovement, region_to_win
from meristem.bayesopt.kernel import Array, Mask, Points
from meristem.bayesopt.pareto import fittest, non_dominated
from meristem.controllers.arrays import fully_measured, losses_of, sems_of
from meristem.controllers.belief import MOST_PENDING, Belief, failed_trials, with_failures
from meristem.controllers.earlier import Lessons, learn
from meristem.controllers.encoded import EncodedSpace
from meristem.controllers.fits import Fits, fitted_count
from meristem.controllers.limits import fit_limits
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Observation, Snapshot
from meristem.space import Space

_MOST_POINTS = 300
_MOST_FITTED = 120
_OPTIMISM = 2.0  # standard deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoBelief(Belief):
    """Fitted processes of several losses.

    Attributes:
        thresholds: The worst losses that count, where they are given, in the units of the processes.
    """

    thresholds: Sequence[float | None]

    def _near(self) -> Array:
        shown = self._shown()
        return np.asarray(self.processes[0].points.unit[shown][non_dominated(self._fitted()[shown])], dtype=float)

    def _acquisition(self, points: Points) -> HypervolumeImprovement:
        fitted = self._fitted()
        region = region_to_win(fitted[self.feasible], self._reference(fitted[self._shown()], points))
        return HypervolumeImprovement(processes=self.processes, region=region, limits=self.limits.processes)

    def _fitted(self) -> Array:
        return np.stack([process.fitted for process in self.processes], axis=1)

    def _shown(self) -> Mask:
        """The points by which to judge what can be reached: the feasible ones, or else all of this study."""
        return self.feasible if self.feasible.any() else self.lessons.are_here(self.processes[0].points)

    def _reference(self, fitted: Array, points: Points) -> Array:
        """The worst losses that count, by what was reached and by what the processes hold possible at `points`.

        A front that begins in a corner, or of which one of several pieces is known, would otherwise set a reference
        that keeps the search there.
        """
        found = [process.predict(points) for process in self.processes]
        # With more than two objectives nearly everything may lie on the front, and hope tells nothing (measured).
        hope = _OPTIMISM if len(found) == 2 else 0.0
        expected = np.stack([one.mean - hope * one.std for one in found], axis=1)
        possible = self.limits.allow(points, optimism=_OPTIMISM)
        return infer_reference(np.concatenate([fitted, expected[possible]]), self.thresholds)


class ParetoSurrogate:
    """Turns snapshots of studies with several objectives over `space` into beliefs.

    Args:
        additive: Whether effects of single parameters may add up.
    """

    def __init__(self, space: Space, *, additive: bool = True) -> None:
        self.space = space
        self._encoded = EncodedSpace(space)
        self._fits = Fits(additive=additive)

    def believe(self, snapshot: Snapshot) -> ParetoBelief:
        """Fits to the losses of `snapshot`, of which there must be one at least.

        Raises:
            numpy.linalg.LinAlgError: A fit fails numerically.
        """
        encoded, count = self._encoded, len(snapshot.objectives)
        lessons = learn(snapshot.earlier, encoded.kinds, count, encoded.encodable, self._fits.of)
        measured = fully_measured(snapshot.history, count)
        fitted = _subset(measured[: fitted_count(len(measured))], _MOST_FITTED)
        failed = failed_trials(snapshot)
        others = len(failed) + len(snapshot.pending[-MOST_PENDING:]) + len(lessons.points)
        chosen = _subset(measured, min(_MOST_POINTS, encoded.rows_left(others)))
        points = lessons.here(encoded.observed([*chosen, *failed])).join(lessons.points)
        fitted_points = lessons.here(encoded.observed(fitted)).join(lessons.points)
        outcomes = self._outcomes(snapshot, chosen, lessons)
        processes = []
        for place, (few, all_) in enumerate(zip(self._outcomes(snapshot, fitted, lessons), outcomes, strict=True)):
            earlier, unknown = lessons.outcomes[:, place], np.zeros(len(lessons.points))
            hyper = self._fits.of(
                f"objective {place}", fitted_points, np.concatenate([few.values, earlier]), lessons.kinds,
                np.concatenate([few.variances, unknown]),
            )  # fmt: skip
            values = np.concatenate([with_failures(all_.values, len(failed)), earlier])
            variances = np.concatenate([all_.variances, np.zeros(len(failed)), unknown])
            processes.append(GaussianProcess(points, values, lessons.kinds, hyper, variances))
        limits, kept = fit_limits(snapshot, fitted, chosen, encoded, lessons, self._fits)
        feasible = np.zeros(len(points), dtype=bool)
        feasible[: len(chosen)] = kept
        pins = Pins(self.space, snapshot.fixed)
        return ParetoBelief(
            encoded=encoded,
            lessons=lessons,
            pins=pins,
            domain=encoded.domain(pins, lessons),
            processes=tuple(processes),
            limits=limits,
            feasible=feasible,
            thresholds=[one.threshold for one in outcomes],
            origin={"by": "gp", "model": "hypervolume"} | lessons.origin,
        ).after_pending(snapshot)

    def _outcomes(self, snapshot: Snapshot, observations: Sequence[Observation], lessons: Lessons) -> list[_Outcomes]:
        """What `observations` tell of each objective."""
        losses, sems = losses_of(observations), sems_of(snapshot, observations)
        keep = [snapshot.goals.keeps_limits(o.metrics, snapshot.baseline) for o in observations]
        given, points = snapshot.goals.reference(), self._encoded.observed(observations)
        reference = infer_reference(losses[keep] if any(keep) else losses, given)
        found = []
        for place, column in enumerate(losses.T):
            scale = Scale.of(column, reference[place])
            middle, spread = lessons.scale_of(points, place)
            worst = given[place]
            found.append(
                _Outcomes(
                    values=middle + spread * scale.apply(column),
                    variances=(spread * scale.errors(column, sems[:, place])) ** 2,
                    threshold=None if worst is None else middle + spread * float(scale.apply(np.array([worst]))[0]),
                )
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcomes:
    """Losses of one objective as its process sees them: values and the variances of their errors, shape (n,)."""

    values: Array
    variances: Array
    threshold: float | None


def _subset(observations: Sequence[Observation], limit: int) -> list[Observation]:
    """Which trials to learn from: fronts first, then the latest; all where there are no more than `limit`."""
    count = len(observations)
    if count <= limit:
        return list(observations)
    chosen = set(fittest(losses_of(observations), limit // 2)[0].tolist())
    latest = [place for place in range(count - 1, -1, -1) if place not in chosen]
    chosen.update(latest[: limit - len(chosen)])
    return [observations[place] for place in sorted(chosen)]
