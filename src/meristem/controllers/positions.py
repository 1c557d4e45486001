"""Where a controller that goes through a sequence stands: read from the origins of its trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meristem.controllers.protocol import History, Snapshot


class Position:
    """Finds the next index of the sequence named `by`, one past the highest that a trial carries.

    Remembers how far it has read the history, which only grows, so that asking costs the same at any
    length; what it remembers never changes the answer.
    """

    def __init__(self, by: str) -> None:
        self._by = by
        self._history: History | None = None
        self._read = 0
        self._next = 0

    def next(self, snapshot: Snapshot) -> int:
        history = snapshot.history
        if history is not self._history or len(history) < self._read:
            self._history, self._read, self._next = history, 0, 0
        for place in range(self._read, len(history)):
            self._next = max(self._next, self._after(history[place].origin))
        self._read = len(history)
        return max([self._next, *(self._after(pending.origin) for pending in snapshot.pending)])

    def _after(self, origin: Mapping[str, Any]) -> int:
        index = origin.get("index")
        return index + 1 if origin.get("by") == self._by and type(index) is int else 0
