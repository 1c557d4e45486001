"""The classes that Clara's components derive from, and by which methods components in its style are recognised.

Nobody has to derive from these classes: a component is taken for what its methods say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from meristem.clara.context import Context
from meristem.clara.definitions import Outcome, Recommendation, SearchSpace

EVENTS = (
    "start_automl", "search_space_available", "recommendations_available", "start_job", "end_job", "end_automl",
)  # fmt: skip
_HANDLER_METHODS = (*EVENTS, "handle_event", "startup", "round_ended")
_EXECUTOR_METHODS = ("determine_search_space", "execute")


class Controller(ABC):
    """Recommends what to try."""

    @abstractmethod
    def set_search_space(self, space: SearchSpace, ctx: Context) -> None:
        """Keeps the space; raises, or asks to stop, where it cannot work with it."""

    @abstractmethod
    def initial_recommendation(self, ctx: Context) -> list[Recommendation]:
        """The first recommendations, at least one; called once."""

    @abstractmethod
    def refine_recommendation(self, outcome: Outcome, ctx: Context) -> list[Recommendation]:
        """Further recommendations, perhaps none; called whenever a job has ended."""

    def shutdown(self, ctx: Context) -> None:  # noqa: B027 - may be left out
        """The end of the workflow."""


class Executor(ABC):
    """Executes recommendations."""

    @abstractmethod
    def determine_search_space(self, ctx: Context) -> SearchSpace:
        """What may be chosen; called before anything is recommended."""

    @abstractmethod
    def execute(self, recommendation: Recommendation, ctx: Context) -> Any:
        """Executes it in the job's thread, and returns its score; `ctx` is the job's."""

    def abort(self, ctx: Context) -> None:  # noqa: B027 - may be left out
        """Ends the execution at once; `ctx` is the job's."""

    def shutdown(self, ctx: Context) -> None:  # noqa: B027 - may be left out
        """The end of the workflow."""


class Handler:
    """Reacts to what happens."""

    def start_automl(self, ctx: Context) -> None:
        """The first event, once."""

    def search_space_available(self, ctx: Context) -> None:
        """The search space is known."""

    def recommendations_available(self, ctx: Context) -> None:
        """The controller gave recommendations."""

    def start_job(self, ctx: Context) -> None:
        """A job is about to start; `ctx` is the job's."""

    def end_job(self, ctx: Context) -> None:
        """A job has ended; follows each `start_job`."""

    def end_automl(self, ctx: Context) -> None:
        """The last event, once."""

    def handle_event(self, event: str, ctx: Context) -> None:
        """Calls the method that is named as the event."""
        method = getattr(self, event, None)
        if callable(method):
            method(ctx)

    def shutdown(self, ctx: Context) -> None:
        """The end of the workflow; handlers in reverse order."""


def is_claras(kind: str, given: Any) -> bool:
    """Whether `given`, an object or a class, is an executor or handler in Clara's style, and not in Meristem's."""
    if kind == "executor":
        return not _has(given, "poll") and all(_has(given, name) for name in _EXECUTOR_METHODS)
    if kind == "handler":
        return not _has(given, "handle") and any(_has(given, name) for name in _HANDLER_METHODS)
    return False


def _has(given: Any, method: str) -> bool:
    return callable(getattr(given, method, None))
