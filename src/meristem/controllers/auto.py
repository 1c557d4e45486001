"""What to use when one does not want to choose: the centre, then Sobol points, then a Gaussian process."""

from __future__ import annotations

from typing import Any

from meristem.controllers.gp import GpController
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Recommendation, Snapshot


class AutoController:
    """The defaults (or the middle) first, since people's defaults are often good, then as `gp` does."""

    def __init__(self) -> None:
        self._gp = GpController()

    def warm_up(self) -> None:
        self._gp.warm_up()

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        centre = self._find_centre(snapshot)
        if centre is None or count < 1:
            return self._gp.recommend(snapshot, count)
        return [centre, *self._gp.recommend(snapshot.promising(centre), count - 1)]

    def _find_centre(self, snapshot: Snapshot) -> Recommendation | None:
        if len(snapshot.history) or any(p.origin.get("by") == "center" for p in snapshot.pending):
            return None
        point = _centre(snapshot)
        if not snapshot.space.is_feasible(point) or snapshot.taken(point):
            return None
        return Recommendation(parameters=point, origin={"by": "center"})


def _centre(snapshot: Snapshot) -> dict[str, Any]:
    """Defaults or middle, with the values that every recommendation must have."""
    space, pins = snapshot.space, Pins(snapshot.space, snapshot.fixed)
    centre = space.center()
    if not pins:
        return centre
    pinned = space.decode(pins.place(space.encode(centre)))  # which may activate other parameters
    return pins.settle({name: centre.get(name, value) for name, value in pinned.items()})
