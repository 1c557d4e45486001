"""By how much the best trial of a study may still be beaten, as a Gaussian process of its losses believes."""

from __future__ import annotations

import numpy as np

from meristem.bayesopt.gp import GaussianProcess
from meristem.bayesopt.kernel import Array
from meristem.bayesopt.outcomes import choose_subset
from meristem.controllers.protocol import Snapshot
from meristem.controllers.surrogate import Surrogate
from meristem.stopping.regret import confidence_width
from meristem.stopping.regret import regret_bound as bound

_FEWEST, _MOST = 5, 300
_CANDIDATES = 512


def regret_bound(snapshot: Snapshot, *, doubt: float = 0.1) -> float | None:
    """In the unit of the objective, with probability 1 - `doubt`; None with fewer than five losses."""
    losses = np.array([o.loss for o in snapshot.history if o.loss is not None], dtype=float)
    if len(losses) < _FEWEST or not snapshot.space.dimensions:
        return None
    chosen = choose_subset(losses, _MOST)
    measured = [o for o in snapshot.history if o.loss is not None]
    surrogate = Surrogate(snapshot.space)
    points = surrogate.points([measured[place].parameters for place in chosen])
    spread = float(losses[chosen].std()) or 1.0
    process = GaussianProcess.fit(points, (losses[chosen] - losses[chosen].mean()) / spread, surrogate.domain.kinds)

    def predict(unit: Array) -> tuple[Array, Array]:
        found = process.predict(surrogate.points([snapshot.space.decode(row) for row in unit]))
        return found.mean * spread, found.std * spread

    candidates = np.random.default_rng([snapshot.seed, len(losses)]).random((_CANDIDATES, points.unit.shape[1]))
    width = confidence_width(points.unit.shape[1], len(losses), doubt=doubt)
    return bound(predict, points.unit, candidates, width=width, seed=snapshot.seed)
