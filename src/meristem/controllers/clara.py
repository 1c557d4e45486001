"""Lets an object in the style of Clara AutoML decide what to try next.

Such an object keeps its own state: it is asked once for initial recommendations and told of each outcome.
Here it becomes a function of the history: everything that it ever recommended stands in one list, and the
trials' origins say how far that list has been handed out. A fresh object that is told the whole history
again, as after a resume, therefore goes on where the last one was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from meristem.controllers.given import read_recommendation
from meristem.controllers.positions import Position
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.space import Parameters, Space

_BY = "component"
_TRACES_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaraOutcome:
    """What a component is told of an ended trial.

    Attributes:
        score: What the executor returned, whatever it is; None when the trial failed.
        recommendation_id: The component's own id of its recommendation (its `id` or `rec_id`), else its
            position among all that the component has recommended, from 0.
        status: `completed`, `failed`, `stopped` or `abandoned`.
    """

    score: Any
    recommendation_id: Any
    status: str
    parameters: Parameters
    metrics: Mapping[str, float] = field(default_factory=dict)


class ClaraContext:
    """What a component may use to keep properties, leave traces, and ask to stop."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = dict(properties)
        self._stop_message: str | None = None
        self.traces: deque[tuple[str, str]] = deque(maxlen=_TRACES_KEPT)

    def get_prop(self, key: str, default: Any = None) -> Any:
        return self._properties.get(key, default)

    def set_prop(self, key: str, value: Any) -> None:
        self._properties[key] = value

    def stop_work(self, issuer: Any, msg: str) -> None:
        """Asks that nothing more be tried; the first message counts."""
        if self._stop_message is None:
            self._stop_message = f"{_name(issuer)}: {msg}"

    def stop_work_asked(self) -> bool:
        return self._stop_message is not None

    def get_stop_message(self) -> str | None:
        return self._stop_message

    def trace(self, issuer: Any, msg: str, print_to_console: bool = False) -> None:
        """Keeps the message among `traces`; the console belongs to the handlers."""
        self.traces.append((_name(issuer), str(msg)))


class Component(Protocol):
    """A controller in Clara's style; `shutdown(ctx)` is called when it has one."""

    def set_search_space(self, space: Space, ctx: ClaraContext) -> Any: ...

    def initial_recommendation(self, ctx: ClaraContext) -> Any: ...

    def refine_recommendation(self, outcome: ClaraOutcome, ctx: ClaraContext) -> Any: ...


class ClaraController:
    """Replays the history to `component` and hands out what it recommends, in order.

    It goes on after a resume only as well as the component repeats itself: one that draws random numbers
    should seed them with `ctx.get_prop("seed")`.
    """

    def __init__(self, component: Component) -> None:
        self._component = component
        self._context: ClaraContext | None = None
        self._recommended: list[Recommendation] = []
        self._ids: list[Any] = []
        self._told: set[int] = set()
        self._history: History | None = None
        self._read = 0
        self._position = Position(_BY)

    @property
    def stop_message(self) -> str | None:
        """Why the component asked to stop; None while it has not."""
        return self._context.get_stop_message() if self._context else None

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        context = self._context or self._start(snapshot)
        self._tell_news(snapshot, context)
        if context.stop_work_asked():
            return []
        start = self._position.next(snapshot)
        return self._recommended[start : start + max(0, count)]

    def shutdown(self) -> None:
        """Passes the end of the study on to the component."""
        if self._context and hasattr(self._component, "shutdown"):
            self._component.shutdown(self._context)

    def _start(self, snapshot: Snapshot) -> ClaraContext:
        context = ClaraContext({"_searchSpace": snapshot.space, "seed": snapshot.seed})
        self._component.set_search_space(snapshot.space, context)
        self._collect(self._component.initial_recommendation(context), snapshot.space)
        self._context = context
        return context

    def _tell_news(self, snapshot: Snapshot, context: ClaraContext) -> None:
        if snapshot.history is not self._history:
            self._history, self._read = snapshot.history, 0
        for place in range(self._read, len(snapshot.history)):
            observation = snapshot.history[place]
            if not context.stop_work_asked() and observation.number not in self._told:
                self._tell(observation, context, snapshot.space)
            self._read = place + 1

    def _tell(self, observation: Observation, context: ClaraContext, space: Space) -> None:
        index = observation.origin.get("index") if observation.origin.get("by") == _BY else None
        if not isinstance(index, int) or index >= len(self._ids):
            return  # somebody else's trial: the component could not tell what it is about
        self._told.add(observation.number)
        outcome = ClaraOutcome(
            score=observation.score,
            recommendation_id=self._ids[index],
            status=observation.status,
            parameters=observation.parameters,
            metrics=observation.metrics,
        )
        self._collect(self._component.refine_recommendation(outcome, context), space)

    def _collect(self, given: Any, space: Space) -> None:
        items = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
        for item in items:
            index = len(self._recommended)
            read = read_recommendation(item, space, by=_name(self._component))
            origin = {"by": _BY, "component": _name(self._component), "index": index}
            self._recommended.append(replace(read, origin=origin))
            self._ids.append(_own_id(item, index))


def _own_id(item: Any, index: int) -> Any:
    found = [getattr(item, name, None) for name in ("id", "rec_id")]
    return next((own for own in found if own is not None), index)


def _name(issuer: Any) -> str:
    return issuer if isinstance(issuer, str) else type(issuer).__name__
