"""Lets one controller propose through another, whose trials carry its origin inside theirs.

The outer one writes `{"by": "asha", "inner": {…}}`; the inner one, which may read its own origins back to see
where it stands, is shown the history as if the trials were its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meristem.components import build, find_class, spec_of
from meristem.controllers.adapt import as_controller
from meristem.controllers.protocol import Controller, History, Observation, Recommendation, Snapshot


def build_inner(given: Any) -> Controller:
    """The controller that `given` stands for: an object, a name, or a mapping of name or path and args.

    Raises:
        InputError: It stands for none.
    """
    if not isinstance(given, (str, Mapping)):
        return as_controller(given)
    spec = spec_of("controller", given)
    found = find_class("controller", spec)
    return as_controller(build("controller", spec) if isinstance(found, type) or spec.args else found)


class Inner:
    """`controller` as the one who proposes inside the controller `by`.

    What is remembered (the history as the inner one sees it) only saves time.
    """

    def __init__(self, controller: Controller, by: str) -> None:
        self.controller, self._by = controller, by
        self._outer: History | None = None
        self._shown: History | None = None

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        """What the inner controller recommends, with its own origins."""
        pending = [self._unwrapped(observation) for observation in snapshot.pending]
        within = replace(snapshot, history=self._history(snapshot.history), pending=pending)
        return list(self.controller.recommend(within, count))[: max(0, count)]

    @property
    def ends_by_itself(self) -> bool:
        return bool(getattr(self.controller, "ends_by_itself", False))

    @property
    def stop_message(self) -> str | None:
        """Why the inner controller asked to stop; None while it has not."""
        return getattr(self.controller, "stop_message", None)

    def shutdown(self) -> None:
        """Passes the end of the study on."""
        shut = getattr(self.controller, "shutdown", None)
        if callable(shut):
            shut()

    def wrap(self, recommendation: Recommendation, **facts: Any) -> Recommendation:
        """The recommendation as the outer controller's, with further `facts` in its origin."""
        return replace(recommendation, origin={"by": self._by, **facts, "inner": dict(recommendation.origin)})

    def _history(self, outer: History) -> History:
        # Inner controllers remember how far they have read a history, so they are shown one that only grows.
        if self._shown is None or outer is not self._outer or len(self._shown) > len(outer):
            self._outer, self._shown = outer, History(outer.space)
        for place in range(len(self._shown), len(outer)):
            self._shown.add(self._unwrapped(outer[place]))
        return self._shown

    def _unwrapped(self, observation: Observation) -> Observation:
        inner = observation.origin.get("inner")
        if observation.origin.get("by") != self._by or not isinstance(inner, Mapping):
            return observation
        return replace(observation, origin=inner)


class Wrapping:
    """What a controller with an inner one passes on."""

    _inner: Inner

    @property
    def inner_controller(self) -> Controller:
        return self._inner.controller

    @property
    def ends_by_itself(self) -> bool:
        """Whether the inner controller comes to an end."""
        return self._inner.ends_by_itself

    @property
    def stop_message(self) -> str | None:
        """Why the inner controller asked to stop; None while it has not."""
        return self._inner.stop_message

    def shutdown(self) -> None:
        """Passes the end of the study on to the inner controller."""
        self._inner.shutdown()
