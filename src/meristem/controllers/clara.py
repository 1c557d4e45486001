"""Lets an object in the style of Clara AutoML decide what to try next.

Such an object keeps its own state: it is asked once for initial recommendations and told of each outcome.
Here it becomes a function of the history: everything that it ever recommended stands in one list, and the
trials' origins say how far that list has been handed out. A fresh object that is told the whole history
again, as after a resume, therefore goes on where the last one was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from meristem.clara.context import Context, name_of
from meristem.clara.definitions import NO_SCORE, Outcome
from meristem.clara.run import ClaraRun
from meristem.clara.scores import score_told
from meristem.controllers.given import read_recommendation
from meristem.controllers.positions import Position
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.space import Parameters, Space

_BY = "component"


class Component(Protocol):
    """A controller in Clara's style; `shutdown(ctx)` is called when it has one."""

    def set_search_space(self, space: Any, ctx: Context) -> Any: ...

    def initial_recommendation(self, ctx: Context) -> Any: ...

    def refine_recommendation(self, outcome: Outcome, ctx: Context) -> Any: ...


class ClaraController:
    """Replays the history to `component` and hands out what it recommends, in order.

    It goes on after a resume only as well as the component repeats itself: one that draws random numbers
    should seed them with `ctx.get_prop("seed")`.

    Attributes:
        label: The component's class.
        run: What it shares with Clara's other components.
        ends_by_itself: Such controllers ask to stop; a budget is not needed.
    """

    ends_by_itself = True

    def __init__(self, component: Component) -> None:
        self._component = component
        self.label = name_of(component)
        self.run = ClaraRun()
        self._recommended: list[tuple[Any, Parameters]] = []
        self._given: list[Recommendation] = []
        self._started = False
        self._told: set[int] = set()
        self._history: History | None = None
        self._read = 0
        self._position = Position(_BY)

    def share(self, run: ClaraRun) -> None:
        """Works in `run` from now on; that it has asked to stop is not forgotten."""
        stopped = self.run.controller_stop
        self.run = run
        run.recommended = self._recommended
        if stopped is not None:
            run.controller_stop = stopped
            run.context.stop_here(stopped)

    @property
    def stop_message(self) -> str | None:
        """Why the component asked to stop; None while it has not."""
        return self.run.controller_stop

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        if not self._started:
            self._start(snapshot)
        self._tell_news(snapshot)
        if self.run.context.stop_work_asked():
            return []
        start = self._position.next(snapshot)
        return self._given[start : start + max(0, count)]

    def shutdown(self) -> None:
        """Passes the end of the study on to the component."""
        if self._started and hasattr(self._component, "shutdown"):
            self._component.shutdown(self.run.context)

    def _start(self, snapshot: Snapshot) -> None:
        translation = self.run.know(snapshot.space)
        self.run.context.set_prop("seed", snapshot.seed)
        with self.run.deciding() as context:
            self._component.set_search_space(translation.search_space, context)
            found = self._component.initial_recommendation(context)
        self._collect(found, snapshot.space)
        self._started = True

    def _tell_news(self, snapshot: Snapshot) -> None:
        if snapshot.history is not self._history:
            self._history, self._read = snapshot.history, 0
        for place in range(self._read, len(snapshot.history)):
            observation = snapshot.history[place]
            if not self.run.context.stop_work_asked() and observation.number not in self._told:
                self._tell(observation, snapshot)
            self._read = place + 1

    def _tell(self, observation: Observation, snapshot: Snapshot) -> None:
        index = observation.origin.get("index") if observation.origin.get("by") == _BY else None
        if not isinstance(index, int) or index >= len(self._recommended):
            return  # somebody else's trial: the component could not tell what it is about
        self._told.add(observation.number)
        outcome = Outcome(
            score=self._score_of(observation, several=not snapshot.goals.single),
            recommendation_id=_own_id(self._recommended[index][0], index),
            status=observation.status,
            parameters=observation.parameters,
            metrics=observation.metrics,
        )
        with self.run.deciding() as context:
            found = self._component.refine_recommendation(outcome, context)
        self._collect(found, snapshot.space)

    def _score_of(self, observation: Observation, *, several: bool) -> Any:
        """The score; for want of one Clara's mark, since components compare and add up scores."""
        if observation.status not in ("completed", "stopped"):
            return NO_SCORE
        as_returned = self.run.returns_as_is
        found = score_told(observation.score, observation.loss, as_returned=as_returned, several=several)
        return NO_SCORE if found is None else found

    def _collect(self, given: Any, space: Space) -> None:
        items = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
        for item in items:
            index = len(self._given)
            found = read_recommendation(self._translated(item, space), space, by=self.label)
            origin = {"by": _BY, "component": self.label, "index": index}
            if isinstance(own := _own_id(item, index), (int, str)) and own != index:
                origin["rec_id"] = own
            self._given.append(replace(found, origin=origin))
            self._recommended.append((item, found.parameters))

    def _translated(self, item: Any, space: Space) -> Any:
        """What a search result's values stand for; everything else is read as any controller's."""
        values = getattr(getattr(item, "result", None), "values", None)
        return self.run.know(space).parameters_of(values) if isinstance(values, Mapping) else item


def _own_id(item: Any, index: int) -> Any:
    found = [getattr(item, name, None) for name in ("id", "rec_id")]
    return next((own for own in found if own is not None), index)
