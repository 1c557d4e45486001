"""The `clara` executor: trials are executed by a component in the style of Clara AutoML, each in a thread of its own.

It translates only: recommendations and contexts to the component, what comes back to outcomes. What the component
starts is the component's to end, in `abort`; a thread that does not return then is left to itself.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from meristem.clara.context import name_of
from meristem.clara.definitions import NO_SCORE
from meristem.clara.interfaces import is_claras
from meristem.clara.keys import ContextKey
from meristem.clara.run import ClaraRun, Job
from meristem.clara.scores import is_missing
from meristem.clara.translation import Translation
from meristem.components import build, make_automl_importable, spec_of
from meristem.errors import InputError
from meristem.executors.call_result import failure_of, score_of
from meristem.executors.warm_pool import outcome_of
from meristem.processes.gpus import gpus_of, parse_gpus, slot_count
from meristem.space import Space
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report

log = logging.getLogger("meristem.study")

_FAREWELL_SECONDS = 0.5


@dataclass(eq=False, slots=True, kw_only=True)
class _Working:
    """An attempt that is being executed; `over_at` is when it is no longer waited for."""

    attempt: Attempt
    job: Job
    stop: threading.Event = field(default_factory=threading.Event)
    over_at: float | None = None
    thread: threading.Thread | None = None


class ClaraExecutor:
    """Executes trials by a component with `determine_search_space(ctx)` and `execute(recommendation, ctx)`.

    Args:
        component: The object, or its specification.
        slots: How many trials at once; None: as many as the engine asks for.
        gpus: GPU ids, `,` within a slot and `:` between slots: `"0,1:2,3"`; jobs find theirs in their contexts.

    Attributes:
        label: The component's class.
        objective: What a study that is made for it makes large: the score.
        run: What it shares with Clara's other components.

    Raises:
        InputError: It is no such component, or slots and GPUs do not fit.
    """

    objective = "score"

    def __init__(self, component: Any, *, slots: int | None = None, gpus: str | None = None) -> None:
        if isinstance(component, (str, Mapping)):
            component = build("executor", spec_of("executor", component))
        if isinstance(component, type) or not is_claras("executor", component):
            raise InputError(
                f"{component!r:.80} is no executor in the style of Clara AutoML.",
                fix="Give an object with determine_search_space(ctx) and execute(recommendation, ctx).",
            )
        make_automl_importable()  # it may import it only when it executes
        self._component = component
        self.label = name_of(component)
        self.run = ClaraRun()
        self._asked = False
        self._gpus = None if gpus is None else parse_gpus(gpus)
        self._slots = slot_count(slots, self._gpus)
        self._translation: Translation | None = None
        self._working: dict[int, _Working] = {}
        self._news: queue.SimpleQueue[tuple[_Working, Outcome]] = queue.SimpleQueue()

    @property
    def slots(self) -> int | None:
        return self._slots

    @property
    def space(self) -> Space:
        """The space that the component determines.

        Raises:
            InputError: It raised, or gave no search space.
        """
        self._determine()
        if self._translation is None:
            raise InputError(
                f"The executor {self.label} determines no search space.",
                fix="Have determine_search_space(ctx) return one, or give the study a space.",
            )
        return self._translation.space

    def share(self, run: ClaraRun) -> None:
        """Works in `run` from now on."""
        self.run = run
        run.gpus_of = lambda slot: gpus_of(self._gpus, slot)
        run.returns_as_is = True
        run.translation = self._translation or run.translation

    def expect(self, names: Collection[str]) -> list[str]:
        """What is wrong with a study of a space of these parameters, as sentences."""
        self._determine()
        if self._translation is None or set(names) == set(self._translation.names):
            return []
        found = ", ".join(self._translation.names)
        return [f"{self.label} determines the search space itself ({found}): leave the study's space out"]

    def open(self, slots: int) -> None:
        """Nothing to get ready: each attempt has a thread of its own."""

    def start(self, attempt: Attempt) -> None:
        job = self.run.start_job(
            attempt.number, attempt.attempt, slot=attempt.slot, parameters=attempt.parameters, origin=attempt.origin
        )
        working = self._working[attempt.number] = _Working(attempt=attempt, job=job)
        name = str(job.context.get_prop(ContextKey.JOB_NAME))
        working.thread = threading.Thread(target=self._work, args=(working, self._news), name=name, daemon=True)
        working.thread.start()

    def adopt(self, attempt: Attempt) -> bool:
        """Never: threads die with their engine."""
        return False

    def poll(self, timeout: timedelta) -> Sequence[Report]:
        end = time.monotonic() + timeout.total_seconds()
        while True:
            moments = [end, *(w.over_at for w in self._working.values() if w.over_at is not None)]
            reports = [*self._listen(max(0.0, min(moments) - time.monotonic())), *self._leave_overdue()]
            if reports or time.monotonic() >= end:
                return reports

    def stop(self, number: int, grace: timedelta) -> None:
        """Has the component abort the job at once; after `grace` it is no longer waited for."""
        working = self._working.get(number)
        if working is None:
            return
        over_at = time.monotonic() + grace.total_seconds()
        working.over_at = min(over_at, working.over_at or over_at)
        self._abort(working)

    def close(self) -> None:
        left = list(self._working.values())
        self._working.clear()
        self._news = queue.SimpleQueue()
        for working in left:
            self._abort(working)
        end = time.monotonic() + _FAREWELL_SECONDS
        for working in left:
            if working.thread is not None:
                working.thread.join(max(0.0, end - time.monotonic()))

    def shutdown(self) -> None:
        """Tells the component of the end of the study."""
        if callable(shut := getattr(self._component, "shutdown", None)):
            shut(self.run.context)

    def _determine(self) -> None:
        """Asks for the search space, once."""
        if self._asked:
            return
        self._asked = True
        try:
            given = self._component.determine_search_space(self.run.context)
        except InputError:
            raise
        except Exception as error:  # a user's component may raise anything
            self._asked = False
            raise InputError(
                f"The executor {self.label} could not determine its search space", [f"{type(error).__name__}: {error}"]
            ) from error
        if given is not None:
            self._translation = self.run.translation = Translation.of_targets(given)
            self.run.context.set_prop(ContextKey.SEARCH_SPACE, given)

    # In a job's thread

    def _work(self, working: _Working, news: queue.SimpleQueue[tuple[_Working, Outcome]]) -> None:
        outcome = Outcome(status=OutcomeStatus.STOPPED) if working.stop.is_set() else self._execute(working)
        news.put((working, outcome))

    def _execute(self, working: _Working) -> Outcome:
        context = working.job.context
        try:
            score = self._component.execute(context.get_prop(ContextKey.RECOMMENDATION), context)
        except BaseException as error:  # SystemExit, too, fails this trial alone
            found = outcome_of(failure_of(error))
        else:
            context.set_prop(ContextKey.SCORE, score)
            found = self._judge(score)
        if working.stop.is_set():
            return Outcome(status=OutcomeStatus.STOPPED, score=found.score)
        if (failure := context.failure) is not None:
            return Outcome(status=OutcomeStatus.FAILED, error=failure.message, traceback=failure.traceback)
        return found

    def _judge(self, score: Any) -> Outcome:
        if is_missing(score):
            why = f"it never validated: {NO_SCORE} is Clara's mark for no score"
            return Outcome(status=OutcomeStatus.FAILED, error=why)
        try:
            return Outcome(status=OutcomeStatus.COMPLETED, score=score_of(score))
        except Exception as error:  # a returned object may raise anything when looked at
            why = str(error).replace("The function", f"{self.label}.execute", 1)
            return Outcome(status=OutcomeStatus.FAILED, error=why[:500])

    # In the engine's thread

    def _abort(self, working: _Working) -> None:
        if working.stop.is_set():
            return
        working.stop.set()
        working.job.context.stop_here("this job was asked to stop")
        abort = getattr(self._component, "abort", None)
        if callable(abort):  # in a thread: one that hangs must not hold the engine up
            threading.Thread(target=self._abort_it, args=(abort, working), name="clara-abort", daemon=True).start()

    def _abort_it(self, abort: Callable[[Any], Any], working: _Working) -> None:
        try:
            abort(working.job.context)
        except Exception as error:  # a user's component may raise anything
            log.warning(
                "Trial %d: %s.abort raised %s: %s", working.attempt.number, self.label, type(error).__name__, error
            )

    def _leave_overdue(self) -> list[Report]:
        now = time.monotonic()
        overdue = [w for w in self._working.values() if w.over_at is not None and w.over_at <= now]
        for working in overdue:
            del self._working[working.attempt.number]
            working.job.ended = True
            log.warning("Trial %d: %s.execute did not return after abort().", working.attempt.number, self.label)
        return [Report(number=w.attempt.number, outcome=Outcome(status=OutcomeStatus.STOPPED)) for w in overdue]

    def _listen(self, seconds: float) -> list[Report]:
        reports = []
        with suppress(queue.Empty):  # all that is there has been heard
            working, outcome = self._news.get(timeout=seconds) if seconds > 0 else self._news.get_nowait()
            while True:
                number = working.attempt.number
                if self._working.get(number) is working:  # not one that was no longer waited for
                    del self._working[number]
                    working.job.ended = True
                    reports.append(Report(number=number, outcome=outcome))
                working, outcome = self._news.get_nowait()
        return reports
