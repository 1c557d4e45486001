"""Thinks ahead: the next recommendation is ready before there is room for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from meristem.controllers.protocol import Controller, Recommendation, Snapshot


class Ahead:
    """A controller that was asked for its next recommendation while all slots were busy.

    What it gives first was decided without the outcome that made room. That is worth it where trials run side by side
    outside: a slot there never waits for a decision.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._next: Recommendation | None = None
        self._asked_at = (-1, -1)
        self._warm_up: Callable[[], None] | None = getattr(controller, "warm_up", None)
        self.label = getattr(controller, "label", type(controller).__name__)

    def prepare(self, snapshot: Snapshot) -> None:
        """Decides what to give next, unless that is decided already, or the controller had nothing to say to this.

        A controller that raises is asked again when there is room, and may then say so; until then only where trials
        have ended or come since: it may take long to raise.
        """
        if warm_up := self._warm_up:
            self._warm_up = None
            warm_up()
        history = (snapshot.created, len(snapshot.history))
        if self._next is None and self._asked_at != history:
            self._asked_at = history
            with suppress(Exception):
                self._next = next(iter(self._controller.recommend(snapshot, 1)), None)

    def recommend(self, snapshot: Snapshot, count: int) -> Sequence[Recommendation]:
        ready, self._next = self._next, None
        if ready is None or count < 1 or snapshot.taken(ready.parameters):
            return self._controller.recommend(snapshot, count)
        return [ready, *(self._controller.recommend(snapshot.promising(ready), count - 1) if count > 1 else ())]
