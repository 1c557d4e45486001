"""Random and Sobol points: what any optimizer must beat."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy
from scipy.stats import qmc

from benchmarks.search.problem import Problem, Values, point_at


class Random:
    """Uniform in the unit cube."""

    version = f"numpy {np.__version__}"

    def __init__(self, problem: Problem, seed: int, _: str = "") -> None:
        self._space = problem.space
        self._rng = np.random.default_rng(seed)

    def ask(self, count: int) -> list[tuple[Any, dict[str, Any]]]:
        return [(None, point_at(self._space, unit)) for unit in self._units(count)]

    def tell(self, token: Any, metrics: Mapping[str, float], sems: Mapping[str, float]) -> None:
        pass

    def attach(self, values: Values, metrics: Mapping[str, float]) -> None:
        pass

    def _units(self, count: int) -> Any:
        return self._rng.random((count, len(self._space)))


class Sobol(Random):
    """Scrambled Sobol points."""

    version = f"scipy {scipy.__version__}"

    def __init__(self, problem: Problem, seed: int, _: str = "") -> None:
        super().__init__(problem, seed)
        self._engine = qmc.Sobol(len(problem.space), scramble=True, rng=seed)

    def _units(self, count: int) -> Any:
        with warnings.catch_warnings():  # that the count is no power of 2
            warnings.simplefilter("ignore")
            return self._engine.random(count)
