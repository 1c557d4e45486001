"""Hyperband: another controller proposes, trials are stopped early in some brackets and later in others."""

from __future__ import annotations

from typing import Any

from meristem.controllers.inner import Inner, Wrapping, build_inner
from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.stopping.halving import Hyperband

_BY = "hyperband"


class HyperbandController(Wrapping):
    """Recommends what `proposals` recommends, each for a bracket that stands in the trial's origin.

    With `proposals="gp"` it is in the spirit of BOHB (Falkner et al., ICML 2018). Trials have to report the
    objective with steps.

    Args:
        proposals: The controller that proposes: `gp`, `random`, or any other.
        reduction: One of so many trials goes on at each rung.
        min_step: The first rung of bracket 0.
        max_step: Where trials end; it decides how many brackets there are. None: not known, three brackets.

    Attributes:
        stopping: The stopping rule that the engine asks at each measurement; curves must carry the bracket.
    """

    one_objective = True

    def __init__(
        self, proposals: Any = "gp", reduction: float = 2, min_step: float = 1, max_step: float | None = None
    ) -> None:
        self.stopping = Hyperband(reduction=reduction, min_step=min_step, max_step=max_step, by_number=False)
        self._inner = Inner(build_inner(proposals), _BY)

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        return [
            self._inner.wrap(found, bracket=self.stopping.bracket(snapshot.created + 1 + place))
            for place, found in enumerate(self._inner.recommend(snapshot, count))
        ]
