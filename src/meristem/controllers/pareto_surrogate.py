"""A study of several objectives as Gaussian processes see it: one an objective, one a limit.

As `surrogate` for one objective. What is remembered between questions (the last fits) is found again by
content, so that it saves time and never changes an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.ambition import Scale, infer_reference
from meristem.bayesopt.ascent import candidates, find_best
from meristem.bayesopt.gp import GaussianProcess, fit_hyperparameters
from meristem.bayesopt.hypervolume_improvement import HypervolumeImprovement, Limit, region_to_win
from meristem.bayesopt.kernel import Array, Hyperparameters, Mask, Points
from meristem.bayesopt.optimize import Domain
from meristem.bayesopt.pareto import fittest, non_dominated
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Observation, Snapshot
from meristem.controllers.surrogate import Surrogate
from meristem.controllers.taken import Taken
from meristem.space import Parameters, Space

_MOST_POINTS = 300
_MOST_FITTED = 120
_MOST_FAILED = 50
_MOST_PENDING = 100
_FAILED_QUANTILE = 0.75
_WORST_EXCESS = 1e6  # in typical excesses; beyond, more makes no difference


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoBelief:
    """Fitted processes and what they are asked to improve.

    Attributes:
        domain: Where to look, the study's fixed values at their places.
        processes: One an objective, all conditioned on the same points.
        limits: One a limit on metrics.
        thresholds: The worst losses that count, where they are given, in the units of the processes.
        counts: Which of the processes' points may be on the front, shape (n,): neither failed nor over a limit.
    """

    surrogate: ParetoSurrogate
    pins: Pins
    domain: Domain
    processes: Sequence[GaussianProcess]
    limits: Sequence[Limit]
    thresholds: Sequence[float | None]
    counts: Mask
    origin: Mapping[str, Any] = field(default_factory=lambda: {"by": "gp", "model": "hypervolume"})

    def most_promising(self, taken: Taken, rng: np.random.Generator) -> dict[str, Any] | None:
        """The untaken point with the largest expected gain that was found; None where none was."""
        space = self.surrogate.space

        def admits(vector: Array) -> bool:
            return self.pins.point(space, vector) not in taken

        # What pending trials are believed to reach counts as reached, or they would be proposed once more.
        fitted = np.stack([process.fitted for process in self.processes], axis=1)
        shown = self.counts if self.counts.any() else np.ones(len(fitted), dtype=bool)
        known = self.processes[0].points.unit[shown][non_dominated(fitted[shown])]
        points = candidates(self.domain, known, rng)
        region = region_to_win(fitted[self.counts], self._reference(fitted[shown], points))
        acquisition = HypervolumeImprovement(processes=self.processes, region=region, limits=self.limits)
        vector = find_best(acquisition, replace(self.domain, admits=admits), points)
        return None if vector is None else self.pins.point(space, vector)

    def _reference(self, fitted: Array, points: Points) -> Array:
        """The worst losses that count, by what was reached and by what the processes expect at `points`.

        A front that begins in a corner would otherwise set a reference that keeps it there.
        """
        expected = np.stack([process.predict(points).mean for process in self.processes], axis=1)
        kept = [limit.process.predict(points).mean <= limit.most for limit in self.limits]
        expected = expected[np.all([np.ones(len(points), dtype=bool), *kept], axis=0)]
        return infer_reference(np.concatenate([fitted, expected]), self.thresholds)

    def after(self, parameters: Parameters) -> ParetoBelief:
        """What to believe once `parameters` are being tried."""
        return self.after_all([parameters])

    def after_all(self, given: Sequence[Parameters]) -> ParetoBelief:
        """What to believe once all of `given` are being tried."""
        if not given:
            return self
        points = self.surrogate.points(given)
        kept = [limit.process.predict(points).mean <= limit.most for limit in self.limits]
        return replace(
            self,
            processes=[process.believing(points) for process in self.processes],
            limits=[replace(limit, process=limit.process.believing(points)) for limit in self.limits],
            counts=np.concatenate([self.counts, np.all([np.ones(len(points), dtype=bool), *kept], axis=0)]),
        )


class ParetoSurrogate:
    """Turns snapshots of studies with several objectives over `space` into beliefs."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._single = Surrogate(space)
        self.domain: Domain = self._single.domain
        self._fit: tuple[tuple[bytes, ...], list[Hyperparameters]] | None = None

    def believe(self, snapshot: Snapshot) -> ParetoBelief:
        """Fits to the losses of `snapshot`, of which there must be one at least.

        Raises:
            numpy.linalg.LinAlgError: A fit fails numerically.
        """
        measured = [o for o in snapshot.history if len(o.losses) == len(snapshot.objectives)]
        hypers = self._hyperparameters(measured, snapshot)
        chosen = _subset(measured, _MOST_POINTS)
        failed = [o for o in snapshot.history if o.status == "failed" and not o.losses][-_MOST_FAILED:]
        lessons, kinds = _Lessons.of(chosen, snapshot), self.domain.kinds
        points = self.points([o.parameters for o in [*chosen, *failed]])
        processes, limits = [], []
        for outcomes, hyper in zip(lessons.objectives, hypers[: len(lessons.objectives)], strict=True):
            # A failure counts as a rather bad loss: its neighbourhood is avoided, not walled off.
            assumed = np.full(len(failed), np.quantile(outcomes, _FAILED_QUANTILE))
            processes.append(GaussianProcess(points, np.concatenate([outcomes, assumed]), kinds, hyper))
        for excess, hyper in zip(lessons.limits, hypers[len(processes) :], strict=True):
            process = GaussianProcess(points.pick(excess.rows), excess.outcomes, kinds, hyper)
            limits.append(Limit(process=process, most=excess.most))
        pins = Pins(self.space, snapshot.fixed)
        belief = ParetoBelief(
            surrogate=self,
            pins=pins,
            domain=_narrowed(self.domain, pins),
            processes=processes,
            limits=limits,
            thresholds=lessons.thresholds,
            counts=np.concatenate([lessons.feasible, np.zeros(len(failed), dtype=bool)]),
        )
        return belief.after_all([o.parameters for o in snapshot.pending[-_MOST_PENDING:]])

    def points(self, given: Sequence[Parameters]) -> Points:
        return self._single.points(given)

    def _hyperparameters(self, measured: Sequence[Observation], snapshot: Snapshot) -> list[Hyperparameters]:
        """Of each objective, then of each limit with data; fitted to the history as of the last multiple of
        some step, so that many questions share one fit."""
        step = max(1, len(measured) // 12)
        fitted = _subset(measured[: len(measured) - len(measured) % step], _MOST_FITTED)
        lessons = _Lessons.of(fitted, snapshot)
        points = self.points([o.parameters for o in fitted])
        tasks = [(points, outcomes) for outcomes in lessons.objectives]
        tasks += [(points.pick(excess.rows), excess.outcomes) for excess in lessons.limits]
        content = tuple(part.tobytes() for where, outcomes in tasks for part in (where.unit, where.active, outcomes))
        if self._fit is None or self._fit[0] != content:
            self._fit = (content, [fit_hyperparameters(*task, self.domain.kinds) for task in tasks])
        return self._fit[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Excess:
    """How far a limit was exceeded in the trials `rows`, standardized; `most` is what no excess came to."""

    rows: npt.NDArray[np.intp]
    outcomes: Array
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lessons:
    """What n trials teach: standardized losses of each objective, shape (n,), and excesses of each limit with data."""

    objectives: list[Array]
    limits: list[_Excess]
    thresholds: list[float | None]
    feasible: Mask

    @classmethod
    def of(cls, observations: Sequence[Observation], snapshot: Snapshot) -> _Lessons:
        losses, excesses = _losses(observations), _excesses(observations, snapshot)
        feasible = np.asarray((excesses <= 0).all(axis=1), dtype=bool)
        given = snapshot.goals.reference()
        reference = infer_reference(losses[feasible] if feasible.any() else losses, given)
        scales = [Scale.of(column, corner) for column, corner in zip(losses.T, reference, strict=True)]
        return cls(
            objectives=[scale.apply(column) for scale, column in zip(scales, losses.T, strict=True)],
            limits=[_standardized(column) for column in excesses.T if np.isfinite(column).any()],
            thresholds=[
                None if own is None else float(scale.apply(np.array([own]))[0])
                for scale, own in zip(scales, given, strict=True)
            ],
            feasible=feasible,
        )


def _standardized(excesses: Array) -> _Excess:
    rows = np.flatnonzero(np.isfinite(excesses))
    values = excesses[rows]
    typical = float(np.median(np.abs(values))) or float(np.abs(values).max()) or 1.0
    # Zero stays where it is: only size and sign matter, and less the further from zero.
    with np.errstate(over="ignore"):
        bent = np.arcsinh(np.clip(values / typical, -_WORST_EXCESS, _WORST_EXCESS))
    mean, spread = float(bent.mean()), float(bent.std()) or 1.0
    return _Excess(rows=rows, outcomes=(bent - mean) / spread, most=-mean / spread)


def _narrowed(domain: Domain, pins: Pins) -> Domain:
    """`domain` without what `pins` leave no choice in."""
    if not pins:
        return domain
    smooth = domain.smooth.copy()
    smooth[pins.columns] = False
    pool = domain.pool
    if pool is not None:
        fits = [bool(np.allclose(pins.place(row), row) or not mask[pins.columns].all()) for row, mask in _rows(pool)]
        pool = pool.pick(np.flatnonzero(fits))
    return replace(domain, smooth=smooth, repair=lambda vector: domain.repair(pins.place(vector)), pool=pool)


def _rows(points: Points) -> Iterator[tuple[Array, Mask]]:
    return zip(points.unit, points.active, strict=True)


def _subset(observations: Sequence[Observation], limit: int) -> list[Observation]:
    """Which trials to learn from: fronts first, then the latest; all where there are no more than `limit`."""
    count = len(observations)
    if count <= limit:
        return list(observations)
    chosen = set(fittest(_losses(observations), limit // 2)[0].tolist())
    latest = [place for place in range(count - 1, -1, -1) if place not in chosen]
    chosen.update(latest[: limit - len(chosen)])
    return [observations[place] for place in sorted(chosen)]


def _losses(observations: Sequence[Observation]) -> Array:
    return np.array([o.losses for o in observations], dtype=float)


def _excesses(observations: Sequence[Observation], snapshot: Snapshot) -> Array:
    """By how much each observation breaks each limit, shape (n, c); NaN where that is not known."""
    goals = snapshot.goals
    rows = [goals.excesses(o.metrics, snapshot.baseline) for o in observations]
    return np.array([[np.nan if e is None else e for e in row] for row in rows], dtype=float).reshape(
        len(observations), len(goals.constraints)
    )
