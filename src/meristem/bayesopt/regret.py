"""By how much the best found may still be beaten, as a Gaussian process believes. Pure.

The regret is at most the lowest upper bound of a loss that was reached minus the lowest lower bound of any: Makarova
et al., "Automatic Termination for Hyperparameter Optimization" (2022), equation 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array, Points
from meristem.bayesopt.optimize import Domain, candidates, maximize_acquisition, repaired

_NEAR = 8


def confidence_width(dimensions: int, trials: int, *, doubt: float = 0.1) -> float:
    """How many standard deviations make a bound that holds everywhere with probability 1 - `doubt`.

    Source: Srinivas et al., "Gaussian Process Optimization in the Bandit Setting" (2010), theorem 1, with
    their practical division by 5; used for this purpose by Makarova et al. (2022), section 4.
    """
    known = max(1, trials) ** 2 * math.pi**2 * max(1, dimensions) / (6.0 * doubt)
    return math.sqrt(max(0.0, 2.0 * math.log(known) / 5.0))


def lowest_upper_bound(process: GaussianProcess, reached: Points, width: float) -> float:
    """What the best of the points `reached` has at most, in the unit of the process; infinite without any.

    Args:
        width: In standard deviations, see `confidence_width`.
    """
    found = process.predict(reached)
    return float(np.min(found.mean + width * found.std, initial=math.inf))


def lowest_lower_bound(
    process: GaussianProcess, domain: Domain, tried: Points, width: float, rng: np.random.Generator
) -> float:
    """What any point of `domain` has at least; minus infinity where none was found that it allows.

    Args:
        tried: Points of the domain, at least one; near the most promising a closer look is taken.
    """
    bound = Optimism(process=process, width=width)
    best = tried.pick(np.argsort(-bound.values(tried), kind="stable")[:_NEAR])
    found = maximize_acquisition(bound, domain, candidates(domain, best.unit, rng))
    if found is None:
        return -math.inf
    return -float(bound.values(best.join(repaired(found[None], domain))).max())


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimism:
    """How low a value may be: minus its lower bound, `width` standard deviations below the mean."""

    process: GaussianProcess
    width: float

    def values(self, points: Points) -> Array:
        found = self.process.predict(points)
        return np.asarray(self.width * found.std - found.mean, dtype=float)

    def slopes(self, points: Points) -> tuple[Array, Array]:
        """Values, shape (m,), and derivatives by the points' values, shape (m, d)."""
        found = self.process.predict_slopes(points)
        return self.width * found.std - found.mean, self.width * found.std_slope - found.mean_slope
