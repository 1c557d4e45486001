"""Asynchronous successive halving: another controller proposes, bad trials are stopped early."""

from __future__ import annotations

from typing import Any

from meristem.controllers.inner import Inner, Wrapping, build_inner
from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.stopping.halving import Asha

_BY = "asha"


class AshaController(Wrapping):
    """Recommends what `proposals` recommends, and brings the rule that stops trials (see `stopping.halving.Asha`).

    Trials have to report the objective with steps.

    Args:
        proposals: The controller that proposes: `gp`, `random`, or any other.
        reduction: One of so many trials goes on at each rung.
        min_step: The first rung.
        max_step: Where trials end. None: not known.

    Attributes:
        stopping: The stopping rule that the engine asks at each measurement.
    """

    one_objective = True

    def __init__(
        self, proposals: Any = "gp", reduction: float = 2, min_step: float = 1, max_step: float | None = None
    ) -> None:
        self.stopping = Asha(reduction=reduction, min_step=min_step, max_step=max_step)
        self._inner = Inner(build_inner(proposals), _BY)

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        return [self._inner.wrap(found) for found in self._inner.recommend(snapshot, count)]
