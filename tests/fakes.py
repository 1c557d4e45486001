"""Stand-ins that behave: an executor whose trials end when and how a test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.handlers.handler import Handler
from meristem.spool import Measurement
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report


class ScriptedExecutor:
    """Ends the trial that has run longest at each poll, with what `script(attempt)` gives.

    `script` returns a score, an Outcome, or None for a trial that runs until it is stopped.
    """

    def __init__(
        self,
        script: Callable[[Attempt], Any] = lambda a: 1.0,
        *,
        slots: int | None = None,
        last_first: bool = False,
    ) -> None:
        self.script, self._slots, self.last_first = script, slots, last_first
        self.running: dict[int, Attempt] = {}
        self.started: list[tuple[int, int]] = []
        self.stopped: list[int] = []
        self._asked: set[int] = set()
        self.measured: dict[int, list[Measurement]] = {}
        self.most_at_once = 0
        self.closed = False

    @property
    def slots(self) -> int | None:
        return self._slots

    def open(self, slots: int) -> None:
        self.opened_with = slots

    def start(self, attempt: Attempt) -> None:
        self.started.append((attempt.number, attempt.attempt))
        self._asked.discard(attempt.number)
        self.running[attempt.number] = attempt
        self.most_at_once = max(self.most_at_once, len(self.running))

    def adopt(self, attempt: Attempt) -> bool:
        return False

    def poll(self, timeout: timedelta) -> Sequence[Report]:
        order = list(self.running.values())
        for attempt in reversed(order) if self.last_first else order:
            outcome = self._outcome(attempt)
            if outcome is not None:
                del self.running[attempt.number]
                return [
                    Report(number=attempt.number, measurements=self.measured.pop(attempt.number, []), outcome=outcome)
                ]
        return [
            Report(number=number, measurements=self.measured.pop(number))
            for number in list(self.running)
            if number in self.measured
        ]

    def stop(self, number: int, grace: timedelta) -> None:
        self.stopped.append(number)
        self._asked.add(number)

    def close(self) -> None:
        self.closed = True
        self.running.clear()

    def _outcome(self, attempt: Attempt) -> Outcome | None:
        if attempt.number in self._asked:
            return Outcome(status=OutcomeStatus.STOPPED)
        given = self.script(attempt)
        if given is None or isinstance(given, Outcome):
            return given
        if isinstance(given, BaseException):
            raise given
        return Outcome(status=OutcomeStatus.COMPLETED, score=given)


def failed(reason: str = "broken") -> Outcome:
    return Outcome(status=OutcomeStatus.FAILED, error=reason, traceback=f"Traceback …\n{reason}")


class Recorder(Handler):
    """Writes down the names of what it is told, in order, into a list that may be shared."""

    def __init__(self, name: str = "", into: list[str] | None = None) -> None:
        self.name, self.seen = name, [] if into is None else into

    def handle(self, event: Any, run: Any) -> None:
        trial = getattr(event, "trial", None)
        self.seen.append(f"{self.name}{type(event).__name__}{trial.number if trial else ''}")

    def shutdown(self, run: Any) -> None:
        self.seen.append(f"{self.name}shutdown")


class ListController:
    """Recommends the given points in order."""

    def __init__(self, points: Sequence[dict[str, Any]]) -> None:
        self.points = list(points)

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        return [Recommendation(parameters=p) for p in self.points[snapshot.created : snapshot.created + count]]
