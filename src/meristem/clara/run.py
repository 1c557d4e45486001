"""What Clara's components share in one run of a study: the main context, and each job's.

The adapters of controllers, executors and handlers join a run by `share`; the study brings them together. Only the
engine's thread makes and ends jobs; what is in their contexts any thread may use.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from meristem.clara.context import Context
from meristem.clara.definitions import Recommendation, SearchResult, Status
from meristem.clara.keys import ContextKey, MMARPropKey
from meristem.clara.translation import Translation
from meristem.space import Parameters, Space


@dataclass(slots=True, kw_only=True)
class Job:
    """One attempt of a trial, as Clara's components see it."""

    number: int
    attempt: int
    slot: int
    parameters: Parameters
    context: Context
    ended: bool = False


class ClaraRun:
    """One run.

    Attributes:
        context: The main context.
        begun: Whether the study has begun to run; then this object serves no other run.
        translation: Between the study's space and the search space; None until either is known.
        recommended: What the controller has recommended so far, in order, and the parameters that it became.
        gpus_of: The GPU ids of a slot; the executor sets it.
        details: Further properties of a job that is about to start; the executor sets it, where it has any. A
            `JOB_NAME` among them counts more than the usual one.
        returns_as_is: The executor is one in Clara's style: what it returns is what others are told.
        controller_stop: Why the controller asked to stop; None where it did not.
    """

    def __init__(self) -> None:
        self.context = Context()
        self.begun = False
        self.translation: Translation | None = None
        self.recommended: Sequence[tuple[Any, Parameters]] = ()
        self.gpus_of: Callable[[int], Sequence[Any]] = lambda slot: ()
        self.details: Callable[[Job], Mapping[str, Any]] = lambda job: {}
        self.returns_as_is = False
        self.controller_stop: str | None = None
        self._deciding: int | None = None
        self._jobs: dict[tuple[int, int], Job] = {}
        self._started_in: dict[int, int] = {}

    def know(self, space: Space) -> Translation:
        """The translation, from `space` where there is none yet."""
        if self.translation is None:
            self.translation = Translation.of_space(space)
        self.context.set_prop(ContextKey.SEARCH_SPACE, self.translation.search_space)
        return self.translation

    def begin(self, space: Space, *, slots: int, stop: Callable[[str], None]) -> None:
        """The study begins to run; `stop` is called, by any thread, when a component asks to stop."""
        self.begun = True
        self.know(space)
        self.context.set_prop(ContextKey.NUM_WORKERS, slots)
        self.context.when_stopped(lambda message: self._stop(message, stop))

    @contextmanager
    def deciding(self) -> Iterator[Context]:
        """The controller is being asked: should it ask to stop, it simply recommends nothing more."""
        self._deciding = threading.get_ident()
        try:
            yield self.context
        finally:
            self._deciding = None
        if not self.begun:  # nobody else is there who could have asked
            self.controller_stop = self.context.get_stop_message()

    def _stop(self, message: str, stop: Callable[[str], None]) -> None:
        if self._deciding == threading.get_ident() or message == self.controller_stop:
            self.controller_stop = message
        else:
            stop(message)

    # Jobs

    def start_job(
        self, number: int, attempt: int, *, slot: int, parameters: Parameters, origin: Mapping[str, Any]
    ) -> Job:
        """The job of an attempt, with all that its context holds at the start; made when first asked for."""
        if found := self._jobs.get((number, attempt)):
            return found
        self._jobs = {key: job for key, job in self._jobs.items() if not job.ended}
        place = self._started_in[slot] = self._started_in.get(slot, 0) + 1
        job = Job(number=number, attempt=attempt, slot=slot, parameters=parameters, context=Context(self.context))
        self._jobs[number, attempt] = job
        assert self.translation is not None
        properties = {
            ContextKey.JOB_NAME: f"W{slot + 1}_{place}_J{number}",
            ContextKey.JOB_STATUS: Status.RUNNING,
            ContextKey.RECOMMENDATION: self.recommendation(number, parameters, origin),
            ContextKey.CONCRETE_SEARCH_VALUE: self.translation.concrete(parameters),
            ContextKey.GPUS: [int(gpu) if str(gpu).isdecimal() else gpu for gpu in self.gpus_of(slot)],
            MMARPropKey.JOB_START_TIME: time.time(),
            **self.details(job),
        }
        for key, value in properties.items():
            job.context.set_prop(key, value)
        return job

    def end_job(self, job: Job, status: str, score: Any) -> None:
        """Says in the job's context how it ended; None is no score."""
        job.ended = True
        job.context.set_prop(ContextKey.JOB_STATUS, Status(status))
        if score is None:
            job.context.remove_prop(ContextKey.SCORE)
        else:
            job.context.set_prop(ContextKey.SCORE, score)

    def recommendation(self, number: int, parameters: Parameters, origin: Mapping[str, Any]) -> Any:
        """What the controller gave for a trial, or the same made anew: its id is then the trial's number."""
        assert self.translation is not None
        while isinstance(inner := origin.get("inner"), Mapping):
            origin = inner
        index = origin.get("index")
        if origin.get("by") == "component" and isinstance(index, int) and index < len(self.recommended):
            given, became = self.recommended[index]
            if became == parameters and self.translation.knows(_values_of(given)):
                return given
        result = SearchResult(self.translation.search_space, self.translation.indices_of(parameters))
        return Recommendation(origin.get("rec_id", number), result)


class Sharing(Protocol):
    """An adapter that works in a run with others."""

    @property
    def run(self) -> ClaraRun: ...

    def share(self, run: ClaraRun) -> None:
        """Works in `run` from now on; called before it begins."""
        ...


def bring_together(components: Iterable[Any]) -> ClaraRun | None:
    """Has those of `components` that are Clara's work in one run, with what they know so far; None: there are none."""
    members: list[Sharing] = [c for c in map(_innermost, components) if callable(getattr(c, "share", None))]
    if not members:
        return None
    runs = list(dict.fromkeys(member.run for member in members))
    shared = next((run for run in runs if not run.begun), None) or ClaraRun()
    for run in runs:
        if run is not shared:
            shared.context.take_over(run.context)
    for member in members:
        member.share(shared)
    return shared


def _innermost(component: Any) -> Any:
    while (inner := getattr(component, "inner_controller", None)) is not None:
        component = inner
    return component


def _values_of(given: Any) -> Mapping[str, Any]:
    values = getattr(getattr(given, "result", None), "values", None)
    return values if isinstance(values, Mapping) else {}
