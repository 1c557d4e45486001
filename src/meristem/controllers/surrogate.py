"""A space and a study's history as a Gaussian process sees them: vectors, masks, standardized losses.

What is remembered between questions (encoded points, the last fits) is found again by content, so that it
saves time and never changes an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from meristem.bayesopt.acquisition import Improvement
from meristem.bayesopt.fitting import Fitter
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Mask, Points
from meristem.bayesopt.model import Model, choose_model
from meristem.bayesopt.optimize import Domain, maximize_acquisition
from meristem.bayesopt.outcomes import (
    BENT,
    STRAIGHT,
    TRANSFORMS,
    Outcomes,
    Transform,
    choose_subset,
    standardize_excesses,
)
from meristem.controllers.earlier import Lessons, learn
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Observation, Snapshot
from meristem.controllers.taken import Taken
from meristem.errors import ParameterError
from meristem.space import Parameters, Space

_MOST_POINTS = 500
_MOST_FITTED = 150
_MOST_ENTRIES = 16_000_000  # of distances: fewer points where there are many parameters
_MOST_FAILED = 50
_MOST_PENDING = 200
_MOST_REMEMBERED = 4 * _MOST_POINTS
_ENUMERABLE = 256
_COARSE = 16  # parameters of at most so many values are searched value by value, not along a gradient
_FAILED_QUANTILE = 0.75
_LARGEST_ERROR = 1e3  # of an excess in its own units; known no better it is as good as unknown

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Which models may be chosen from.

    Attributes:
        transform: "auto", or how the names of the transforms begin that are allowed.
        additive: Whether effects of single parameters may add up.
    """

    transform: str = "auto"
    additive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """A fitted process of the losses, one of each limit, and the space they stand for.

    Attributes:
        near: Places worth looking around, best first.
        feasible: Of the first rows of the processes, those known to keep the limits.
        origin: What to tell of the model.
    """

    surrogate: Surrogate
    lessons: Lessons
    pins: Pins
    domain: Domain
    process: GaussianProcess
    limits: tuple[GaussianProcess, ...]
    near: Array
    feasible: Mask
    origin: dict[str, Any]

    @property
    def best(self) -> float | None:
        """The lowest predicted loss of tried and pending points of this study that keep the limits.

        Predicted, since the lowest measurement is often the luckiest. What pending trials are believed to
        reach counts as reached, or they would be proposed once more. None where none keeps the limits.
        """
        kept = self.process.fitted[self.feasible]
        return float(kept.min()) if len(kept) else None

    def most_promising(self, taken: Taken, rng: np.random.Generator) -> dict[str, Any] | None:
        """The untaken point with the largest expected improvement that was found; None where none was."""
        acquisition = Improvement(process=self.process, best=self.best, limits=self.limits)
        domain = replace(self.domain, admits=lambda vector: self._point(vector) not in taken)
        vector = maximize_acquisition(acquisition, domain, near=self.near, rng=rng)
        return None if vector is None else self._point(vector)

    def after(self, parameters: Parameters) -> Belief:
        """What to believe once `parameters` are being tried."""
        point = self.lessons.here(self.surrogate.points([parameters]))
        process = self.process.believing(point)
        limits = tuple(limit.believing(point) for limit in self.limits)
        kept = np.array([all(limit.predict(point).mean[0] <= 0 for limit in self.limits)])
        return replace(self, process=process, limits=limits, feasible=np.concatenate([self.feasible, kept]))

    def _point(self, vector: Array) -> dict[str, Any]:
        space = self.surrogate.space
        return self.pins.settle(space.decode(vector[: len(space.dimensions)]))


class Surrogate:
    """Turns snapshots of studies over `space` into beliefs."""

    def __init__(self, space: Space, variant: Variant | None = None) -> None:
        self.space = space
        self.variant = variant or Variant()
        parameters = [space.parameters[name] for name in space.dimensions]
        self._kinds = Kinds(
            categorical=np.array([not p.ordinal for p in parameters], dtype=bool),
            conditional=np.array([p.when is not None for p in parameters], dtype=bool),
        )
        sizes = [p.cardinality for p in parameters]
        self._smooth = np.array([size is None or size > _COARSE for size in sizes]) & ~self._kinds.categorical
        self._plain = not space.constraints and not self._kinds.conditional.any() and not any(sizes)
        self._rows: dict[tuple[int, int], tuple[Parameters, tuple[Array, Mask]]] = {}
        self._fits: dict[str, tuple[tuple[bytes, ...], Any]] = {}
        self._most_points = min(_MOST_POINTS, int((_MOST_ENTRIES / max(1, self._kinds.count)) ** 0.5))
        self._pool = self._whole_space()
        self.domain = self._domain(Pins(space, {}), Lessons.none(self._kinds))  # where nothing is fixed

    def believe(self, snapshot: Snapshot) -> Belief:
        """Fits to the losses of `snapshot`, of which there must be one at least.

        Raises:
            numpy.linalg.LinAlgError: The fit fails numerically.
        """
        lessons = learn(snapshot.earlier, self._kinds, self._encodable, self._fitted_earlier)
        measured = snapshot.history.measured()
        model = self._model(snapshot, measured, lessons)
        chosen = _subset(measured, self._most_points)
        told = _told(model.transform, _losses(chosen), self._observed(chosen), lessons)
        failed = [o for o in snapshot.history if o.status == "failed" and o.loss is None][-_MOST_FAILED:]
        # A failure counts as a rather bad loss: its neighbourhood is avoided, not walled off.
        assumed = np.full(len(failed), np.quantile(told.values, _FAILED_QUANTILE))
        points = lessons.here(self._observed([*chosen, *failed])).join(lessons.points)
        variances = np.zeros(len(points))
        variances[: len(chosen)] = told.variances(_sems(snapshot, chosen))
        values = np.concatenate([told.values, assumed, lessons.outcomes])
        process = GaussianProcess(points, values, lessons.kinds, model.hyper, variances)
        limits, kept = self._limits(snapshot, chosen, lessons)
        feasible = np.zeros(len(points), dtype=bool)
        feasible[: len(chosen)] = kept
        pending = lessons.here(self._observed(snapshot.pending[-_MOST_PENDING:]))
        allowed = np.ones(len(pending), dtype=bool)
        for limit in limits:
            allowed &= limit.predict(pending).mean <= 0
        known = process.fitted[: len(chosen)]
        pins = Pins(self.space, snapshot.fixed)
        return Belief(
            surrogate=self,
            lessons=lessons,
            pins=pins,
            domain=self._domain(pins, lessons),
            process=process.believing(pending),
            limits=tuple(limit.believing(pending) for limit in limits),
            near=points.unit[: len(chosen)][np.lexsort((known, ~kept))],
            feasible=np.concatenate([feasible, allowed]),
            origin=_origin(model, lessons, bool(limits) and not (kept.any() or allowed.any())),
        )

    def points(self, given: Sequence[Parameters]) -> Points:
        return Points.stack([self._encode(parameters) for parameters in given], self._kinds.count)

    def _model(self, snapshot: Snapshot, measured: Sequence[Observation], lessons: Lessons) -> Model:
        """Fits to the history as of the last multiple of some step, so that many questions share one fit."""
        step = max(1, len(measured) // 12)
        fitted = _subset(measured[: len(measured) - len(measured) % step], _MOST_FITTED)
        losses, sems = _losses(fitted), _sems(snapshot, fitted)
        points = lessons.here(self._observed(fitted)).join(lessons.points)
        content: list[Array | Mask] = [points.unit, points.active, losses, sems, lessons.outcomes]

        def fit() -> Model:
            if not len(lessons.points):
                return choose_model(
                    points, losses, self._kinds, sems, transforms=self._transforms(), additive=self.variant.additive
                )
            told = _told(BENT, losses, self._observed(fitted), lessons)
            values = np.concatenate([told.values, lessons.outcomes])
            variances = np.concatenate([told.variances(sems), np.zeros(len(lessons.points))])
            fitter = Fitter(points, lessons.kinds, additive=self.variant.additive)
            return Model(transform=BENT, hyper=fitter.fit(values, variances))

        return self._remembered("losses", content, fit)

    def _transforms(self) -> Sequence[Transform]:
        if self.variant.transform != "auto":
            return [t for t in TRANSFORMS if t.name.startswith(self.variant.transform)]
        # Curves that stretch the best losses make a search stay with the first good category (measured).
        return (BENT, STRAIGHT) if self._kinds.categorical.any() else TRANSFORMS

    def _limits(
        self, snapshot: Snapshot, chosen: Sequence[Observation], lessons: Lessons
    ) -> tuple[list[GaussianProcess], Mask]:
        """A process of each limit's excess, as far as any is known, and who of `chosen` keeps all limits."""
        kept, limits = np.ones(len(chosen), dtype=bool), []
        excesses = [snapshot.goals.excesses(o.metrics, snapshot.baseline) for o in chosen]
        for place, constraint in enumerate(snapshot.goals.constraints):
            known = [row for row, found in enumerate(excesses) if found[place] is not None]
            if not known:
                continue
            raw = np.array([excesses[row][place] for row in known], dtype=float)
            values, scale = standardize_excesses(raw)
            sems = _errors([constraint.sem(chosen[row].sems) for row in known])
            variances = (np.minimum(sems, _LARGEST_ERROR * scale) / scale) ** 2
            points = lessons.here(self._observed([chosen[row] for row in known]))
            limit = self._limit(str(constraint), points, values, variances, lessons.kinds)
            limits.append(limit)
            kept[[row for row in range(len(chosen)) if excesses[row][place] is None]] = False
            # A lucky measurement keeps no limit where it is known to be noisy: then what is predicted counts.
            kept[known] &= np.where(variances > 0, limit.fitted, raw) <= 0
        return limits, kept

    def _limit(self, name: str, points: Points, values: Array, variances: Array, kinds: Kinds) -> GaussianProcess:
        step = max(1, len(points) // 12)
        fitted = np.arange(max(1, len(points) - len(points) % step))[-_MOST_FITTED:]
        some, told, spread = points.pick(fitted), values[fitted], variances[fitted]

        def fit() -> Hyperparameters:
            return Fitter(some, kinds, additive=self.variant.additive).fit(told, spread)

        hyper = self._remembered(f"limit {name}", [some.unit, some.active, told, spread], fit)
        return GaussianProcess(points, values, kinds, hyper, variances)

    def _remembered(self, name: str, content: Sequence[Array | Mask], fit: Callable[[], Found]) -> Found:
        key = tuple(part.tobytes() for part in content)
        if name not in self._fits or self._fits[name][0] != key:
            self._fits[name] = (key, fit())
        found: Found = self._fits[name][1]
        return found

    def _domain(self, pins: Pins, lessons: Lessons) -> Domain:
        smooth = np.concatenate([self._smooth, np.zeros(lessons.kinds.count - self._kinds.count, dtype=bool)])
        smooth[pins.columns] = False
        plain = self._plain and not pins
        count = self._kinds.count

        def repair(vector: Array) -> tuple[Array, Mask] | None:
            unit = vector[:count]
            if plain:
                row = np.clip(unit, 0.0, 1.0), np.ones(count, dtype=bool)
            else:
                parameters = pins.settle(self.space.decode(pins.place(unit)))
                if not self.space.is_feasible(parameters):
                    return None
                row = self._encode(parameters)
            return lessons.extend(*row)

        pool = self._pool
        if pool is not None:
            rows = [row for row in map(repair, pool.unit) if row is not None]
            unique = {row[0].tobytes(): row for row in rows} if pins else dict(enumerate(rows))
            pool = Points.stack(list(unique.values()), lessons.kinds.count)
        return Domain(kinds=lessons.kinds, smooth=smooth, repair=repair, pool=pool)

    def _observed(self, observations: Sequence[Observation], study: int = -1) -> Points:
        if len(self._rows) > _MOST_REMEMBERED:
            self._rows.clear()
        rows = []
        for observation in observations:
            key = (study, observation.number)
            remembered = self._rows.get(key)
            if remembered is None or remembered[0] is not observation.parameters:
                remembered = (observation.parameters, self._encode(observation.parameters))
                self._rows[key] = remembered
            rows.append(remembered[1])
        return Points.stack(rows, self._kinds.count)

    def _encodable(self, study: int, observations: Sequence[Observation]) -> tuple[Points, Mask]:
        """Points of another study as far as they lie in this space, and which these are."""
        fits = np.zeros(len(observations), dtype=bool)
        for row, observation in enumerate(observations):
            try:
                self.space.check(observation.parameters)
            except ParameterError:
                continue
            fits[row] = True
        return self._observed([o for o, fit in zip(observations, fits, strict=True) if fit], study), fits

    def _fitted_earlier(self, points: Points, outcomes: Array, kinds: Kinds) -> Hyperparameters:
        def fit() -> Hyperparameters:
            return Fitter(points, kinds, additive=self.variant.additive).fit(outcomes)

        return self._remembered("earlier", [points.unit, points.active, outcomes], fit)

    def _encode(self, parameters: Parameters) -> tuple[Array, Mask]:
        return self.space.encode(parameters), self.space.active_mask(parameters)

    def _whole_space(self) -> Points | None:
        if self.space.size is None or self.space.size > _ENUMERABLE:
            return None
        return self.points(list(self.space.points()))


def _told(transform: Transform, losses: Array, points: Points, lessons: Lessons) -> Outcomes:
    """Standardized losses, on the scale of earlier studies where there are some."""
    told = transform.apply(losses)
    middle, spread = lessons.scale_of(points)
    return replace(told, values=middle + spread * told.values, slopes=spread * told.slopes)


def _origin(model: Model, lessons: Lessons, infeasible: bool) -> dict[str, Any]:
    origin: dict[str, Any] = {
        "by": "gp",
        "transform": model.transform.name,
        "kernel": "product" if model.hyper.share == 0 else "product + sum",
    }
    if len(lessons.points):
        origin["earlier"] = len(lessons.points)
    if infeasible:
        origin["aim"] = "feasibility"
    return origin


def _subset(measured: Sequence[Observation], limit: int) -> list[Observation]:
    return [measured[place] for place in choose_subset(_losses(measured), limit)]


def _losses(measured: Sequence[Observation]) -> Array:
    return np.array([o.loss for o in measured], dtype=float)


def _sems(snapshot: Snapshot, observations: Sequence[Observation]) -> Array:
    """Known standard errors of the loss, shape (n,); 0 where none is known."""
    objective = snapshot.goals.objectives[0]
    return _errors([objective.sem(o.sems) for o in observations])


def _errors(sems: Sequence[float | None]) -> Array:
    """Standard errors as numbers; 0 where none is known, or where it is no number."""
    found = np.array([sem or 0.0 for sem in sems], dtype=float)
    return np.where(np.isfinite(found), np.abs(found), 0.0)
