"""What the trials of a study tell about its space: predictions, how far to trust them, what matters.

All numbers are in the metric's own unit and sense. The process is fitted to the values as they are, but for those of
trials that diverged, which are drawn in (see `bayesopt.bending`) and led back in predictions. The search bends more
(see `surrogate`), which would make what it believes hard to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from meristem.bayesopt.bending import Bend, spread_out
from meristem.bayesopt.cross_validation import CrossValidation, leave_one_out
from meristem.bayesopt.exchanging import Exchange
from meristem.bayesopt.fitting import fit_hyperparameters
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.importance import Columns, ped_anova
from meristem.bayesopt.outcomes import choose_subset
from meristem.bayesopt.regret import confidence_width, lowest_lower_bound, lowest_upper_bound
from meristem.bayesopt.sensitivity import Sensitivity, sobol_indices
from meristem.controllers.activity import Activity
from meristem.controllers.arrays import errors
from meristem.controllers.earlier import Lessons
from meristem.controllers.encoded import EncodedSpace
from meristem.controllers.one_thread import one_thread
from meristem.controllers.pins import Pins
from meristem.errors import InputError
from meristem.space import Parameters, Space

FEWEST = 5
_MOST, _MOST_FITTED = 500, 150
_CANDIDATES = 512
_LARGEST = 1e100  # squares must not overflow
_DRAWS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What is expected of a metric at a point; `std` is how unsure that is, without the noise of measuring."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Of the variation of a metric over the space: shares by parameter, and by pairs beyond their shares alone.

    Source: Sobol indices of first, total and second order (see `meristem.bayesopt.sensitivity`).
    """

    first: Mapping[str, float]
    total: Mapping[str, float]
    second: Mapping[tuple[str, str], float]


class Insight:
    """One metric of a study as a Gaussian process sees it.

    Args:
        tried: Points that were tried, and `values` of the metric there, finite; at least five.
        sems: Standard errors of the values; 0 where not known.
        allowed: Which of the points keep all limits; by default all.
        maximize: Whether larger is better.

    Raises:
        InputError: Too few values, or a space without anything to choose.
    """

    @one_thread()
    def __init__(
        self, space: Space, tried: Sequence[Parameters], values: Sequence[float], *, sems: Sequence[float] = (),
        allowed: Sequence[bool] = (), maximize: bool, seed: int = 0,
    ) -> None:  # fmt: skip
        if len(values) < FEWEST or not space.dimensions:
            raise InputError(f"{len(values)} trials tell too little; {FEWEST} with a value are needed.")
        self.space, self.maximize, self.seed = space, maximize, seed
        self._all, self._encoded = tried, EncodedSpace(space)
        self._sign = -1.0 if maximize else 1.0
        self._losses = self._sign * np.clip(np.asarray(values, dtype=float), -_LARGEST, _LARGEST)
        kept = np.flatnonzero(allowed) if len(allowed) else np.arange(len(values))
        best = kept[np.argsort(self._losses[kept], kind="stable")[:_MOST]]
        self._reached = [tried[place] for place in best]  # the best measured of those that keep the limits
        chosen = choose_subset(self._losses, _MOST)
        self.tried = [tried[place] for place in chosen]
        losses, known = self._losses[chosen], errors(sems if len(sems) else np.zeros(len(values)))[chosen]
        points, kinds = self._encoded.points(self.tried), self._encoded.kinds
        self._bend = Bend.of(losses, losses[spread_out(points, kinds)])
        self._usual = self._bend.usual(losses)
        outcomes, variances = self._bend.apply(losses), self._bend.errors(losses, known) ** 2
        few = choose_subset(losses, _MOST_FITTED)  # the fit is what costs
        hyper = fit_hyperparameters(points.pick(few), outcomes[few], kinds, variances[few])
        self._process = GaussianProcess(points, outcomes, kinds, hyper, variances)

    def __repr__(self) -> str:
        return f"Insight of {len(self._losses)} trials, {'larger' if self.maximize else 'smaller'} is better"

    @one_thread()
    def predict(self, points: Sequence[Parameters]) -> list[Prediction]:
        """What is expected at each of `points`.

        Raises:
            InputError: It is no list of points.
            ParameterError: A point does not lie in the space.
        """
        if isinstance(points, Mapping) or not isinstance(points, Sequence):
            raise InputError("predict() takes a list of points.", fix="Write predict([{'x': 0.5}]).")
        normal = [self.space.normalize(point) for point in points]
        for point in normal:
            self.space.check(point)
        found = self._process.predict(self._encoded.points(normal))
        mean = self._sign * self._bend.losses(found.mean)
        std = 0.5 * self._bend.difference(found.mean + found.std, found.mean - found.std)
        return [Prediction(mean=float(m), std=float(s)) for m, s in zip(mean, std, strict=True)]

    @one_thread()
    def best(self) -> dict[str, object]:
        """The tried point within the limits of which the best is expected: less often lucky than the best measured.

        Raises:
            InputError: No trial keeps the limits.
        """
        if not self._reached:
            raise InputError("No trial keeps all limits, so that none is the best.")
        mean = self._process.predict(self._encoded.points(self._reached)).mean
        return dict(self._reached[int(np.argmin(mean))])

    @one_thread()
    def cross_validation(self) -> CrossValidation:
        """Each value as it is predicted from all others: how far predictions can be trusted.

        Trials that diverged are left out: that they did says nothing of how well the others are predicted.
        """
        found = leave_one_out(self._process)
        rows = self._usual
        return replace(
            found,
            observed=self._sign * self._bend.drawn_in(found.observed[rows]),
            mean=self._sign * self._bend.drawn_in(found.mean[rows]),
            std=found.std[rows] * self._bend.unit,
        )

    @one_thread()
    def sensitivity(self) -> Shares:
        """How much of the metric's variation over the space is due to each parameter, as the process believes.

        Values far above all others count as drawn in; constraints of the space are left out of account.
        """
        names = self.space.dimensions
        found = self._sobol_indices()
        assert found.second is not None
        pairs = [(i, j) for i in range(len(names)) for j in range(i)]
        return Shares(
            first={name: float(share) for name, share in zip(names, found.first, strict=True)},
            total={name: float(share) for name, share in zip(names, found.total, strict=True)},
            second={(names[j], names[i]): float(found.second[i, j]) for i, j in pairs},
        )

    @one_thread()
    def importance(self, *, top: float = 0.1) -> dict[str, float]:
        """Which parameters make the best trials good, from the trials alone (PED-ANOVA); the sum is 1.

        Args:
            top: The share of trials that counts as the best.
        """
        points = self._encoded.points(self._all)
        parameters = [self.space.parameters[name] for name in self.space.dimensions]
        columns = Columns(
            categorical=np.array([not p.ordinal for p in parameters], dtype=bool),
            sizes=np.array([min(p.cardinality or 0, 2**31) for p in parameters], dtype=np.int64),
        )
        found = ped_anova(
            points.unit,
            self._losses,
            active=points.active,
            columns=columns,
            top=top,
            against_space=True,
            seed=self.seed,
        )
        return {name: float(share) for name, share in zip(self.space.dimensions, found, strict=True)}

    @one_thread()
    def regret_bound(self, *, doubt: float = 0.1) -> float:
        """By how much another point may at most be better than the best, with probability 1 - `doubt`.

        The best is one that keeps all limits; whether another point would keep them is not asked. Infinite while
        no trial keeps them.
        """
        width = confidence_width(self._encoded.kinds.count, len(self._losses), doubt=doubt)
        rng = np.random.default_rng([self.seed, len(self._losses)])
        domain = self._encoded.domain(Pins(self.space, {}), Lessons.none(self._encoded.kinds))
        domain = replace(domain, candidates=_CANDIDATES)
        upper = lowest_upper_bound(self._process, self._encoded.points(self._reached), width)
        lower = lowest_lower_bound(self._process, domain, self._process.points, width, rng)
        return max(0.0, float(self._bend.difference(np.array(upper), np.array(lower))))

    def _sobol_indices(self) -> Sensitivity:
        count, activity = self._encoded.kinds.count, Activity(self.space)
        exchange = Exchange(self._process, activity, activity.dependants)
        return sobol_indices(
            exchange.means, count, count=_DRAWS, seed=self.seed, repeats=2, sample=self._encoded.snapped,
            exchanged=exchange.exchanged,
        )  # fmt: skip
