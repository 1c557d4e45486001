"""What the trials of a study tell about its space: predictions, how far to trust them, what matters.

All numbers are in the metric's own unit and sense. The process is fitted to the values as they are; searching
bends them first (see `surrogate`), which would make its predictions hard to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from meristem.bayesopt.cross_validation import CrossValidation, leave_one_out
from meristem.bayesopt.fitting import fit_hyperparameters
from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.importance import Columns, ped_anova
from meristem.bayesopt.kernel import Array
from meristem.bayesopt.outcomes import choose_subset
from meristem.bayesopt.sensitivity import sobol_indices
from meristem.controllers.encoded import EncodedSpace
from meristem.errors import InputError
from meristem.space import Parameters, Space
from meristem.stopping.regret import confidence_width, regret_bound

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

    def __init__(
        self, space: Space, tried: Sequence[Parameters], values: Sequence[float], *, sems: Sequence[float] = (),
        allowed: Sequence[bool] = (), maximize: bool, seed: int = 0,
    ) -> None:  # fmt: skip
        if len(values) < FEWEST or not space.dimensions:
            raise InputError(f"{len(values)} trials tell too little; {FEWEST} with a value are needed.")
        self.space, self.maximize, self.seed = space, maximize, seed
        self._all, self._values = tried, np.asarray(values, dtype=float)
        self._encoded = EncodedSpace(space)
        signed = -self._values if maximize else self._values
        chosen = choose_subset(signed, _MOST)
        self.tried = [tried[place] for place in chosen]
        self._allowed = np.asarray(allowed, dtype=bool)[chosen] if len(allowed) else np.ones(len(chosen), dtype=bool)
        self._values = np.clip(self._values, -_LARGEST, _LARGEST)
        self._centre = float(self._values[chosen].mean())
        self._spread = float(self._values[chosen].std()) or 1.0
        errors = np.asarray(sems, dtype=float)[chosen] / self._spread if len(sems) else np.zeros(len(chosen))
        points, kinds = self._encoded.points(self.tried), self._encoded.kinds
        outcomes = (self._values[chosen] - self._centre) / self._spread
        few = choose_subset(signed[chosen], _MOST_FITTED)  # the fit is what costs
        hyper = fit_hyperparameters(points.pick(few), outcomes[few], kinds, errors[few] ** 2)
        self._process = GaussianProcess(points, outcomes, kinds, hyper, errors**2)

    def __repr__(self) -> str:
        return f"Insight of {len(self._values)} trials, {'larger' if self.maximize else 'smaller'} is better"

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
        mean, std = self._predict(normal)
        return [Prediction(mean=float(m), std=float(s)) for m, s in zip(mean, std, strict=True)]

    def best(self) -> dict[str, object]:
        """The tried point within the limits of which the best is expected: less often lucky than the best measured.

        Raises:
            InputError: No trial keeps the limits.
        """
        if not self._allowed.any():
            raise InputError("No trial keeps all limits, so that none is the best.")
        mean, _ = self._predict(self.tried)
        losses = np.where(self._allowed, -mean if self.maximize else mean, np.inf)
        return dict(self.tried[int(np.argmin(losses))])

    def cross_validation(self) -> CrossValidation:
        """Each value as it is predicted from all others: how far predictions can be trusted."""
        found = leave_one_out(self._process)
        return replace(
            found,
            observed=found.observed * self._spread + self._centre,
            mean=found.mean * self._spread + self._centre,
            std=found.std * self._spread,
        )

    def sensitivity(self) -> Shares:
        """How much of the metric's variation over the space is due to each parameter, as the process believes."""
        names = self.space.dimensions
        found = sobol_indices(
            lambda unit: self._predict_unit(unit)[0], len(names), count=_DRAWS, seed=self.seed, repeats=2
        )
        assert found.second is not None
        pairs = [(i, j) for i in range(len(names)) for j in range(i)]
        return Shares(
            first={name: float(share) for name, share in zip(names, found.first, strict=True)},
            total={name: float(share) for name, share in zip(names, found.total, strict=True)},
            second={(names[j], names[i]): float(found.second[i, j]) for i, j in pairs},
        )

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
        losses = -self._values if self.maximize else self._values
        found = ped_anova(
            points.unit, losses, active=points.active, columns=columns, top=top, against_space=True, seed=self.seed
        )
        return {name: float(share) for name, share in zip(self.space.dimensions, found, strict=True)}

    def regret_bound(self, *, doubt: float = 0.1) -> float:
        """By how much another point may at most be better than the best, with probability 1 - `doubt`."""
        sign = -1.0 if self.maximize else 1.0

        def losses(unit: Array) -> tuple[Array, Array]:
            mean, std = self._predict_unit(unit)
            return sign * mean, std

        measured = self._encoded.points(self.tried).unit
        count = measured.shape[1]
        candidates = np.random.default_rng([self.seed, len(self._values)]).random((_CANDIDATES, count))
        width = confidence_width(count, len(self._values), doubt=doubt)
        return regret_bound(losses, measured, candidates, width=width, seed=self.seed)

    def _predict(self, points: Sequence[Parameters]) -> tuple[Array, Array]:
        found = self._process.predict(self._encoded.points(points))
        return found.mean * self._spread + self._centre, found.std * self._spread

    def _predict_unit(self, unit: Array) -> tuple[Array, Array]:
        return self._predict([self.space.decode(row) for row in unit])
