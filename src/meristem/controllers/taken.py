"""Which points may not be proposed again: those tried, being tried, or just recommended."""

from __future__ import annotations

from meristem.controllers.protocol import Snapshot
from meristem.space import Parameters


class Taken:
    """Points that are taken, as of one snapshot; whoever recommends adds to it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._space, self._history = snapshot.space, snapshot.history
        self._keys = {self._space.key(pending.parameters) for pending in snapshot.pending}

    def __contains__(self, parameters: Parameters) -> bool:
        return self._history.tried(parameters) or self._space.key(parameters) in self._keys

    def add(self, parameters: Parameters) -> None:
        self._keys.add(self._space.key(parameters))
