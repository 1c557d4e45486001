"""Runs each trial of a function in a thread of this process, one thread for each slot.

Nothing is isolated: a crash takes the engine along, Python's lock is shared, and a trial that never
reports cannot be stopped. It suits quick functions, and those that cannot be sent elsewhere.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from meristem import present
from meristem.executors.call_result import run_function
from meristem.executors.training import TrainingTrial
from meristem.executors.warm_pool import outcome_of
from meristem.processes.gpus import GpuGroups, gpus_of
from meristem.spool import Measurement, line_of, measurements_of
from meristem.study.protocols import Attempt, Outcome, Report

_FAREWELL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    attempt: Attempt
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    running: _Running
    measurements: list[Measurement] = field(default_factory=list)
    outcome: Outcome | None = None


class InProcess:
    """Runs attempts of one function in threads of this process."""

    def __init__(self, function: Callable[[Any], Any], gpus: GpuGroups | None) -> None:
        self._function, self._gpus = function, gpus
        self._news: queue.SimpleQueue[_News] = queue.SimpleQueue()
        self._inboxes: dict[int, queue.SimpleQueue[_Running | None]] = {}
        self._threads: list[threading.Thread] = []
        self._running: dict[int, _Running] = {}

    def open(self, slots: int) -> None:
        for slot in range(slots):
            self._inbox(slot)

    def start(self, attempt: Attempt) -> None:
        running = self._running[attempt.number] = _Running(attempt=attempt)
        self._inbox(attempt.slot).put(running)

    def poll(self, timeout: timedelta) -> list[Report]:
        """What is new; each attempt's news are one report, its measurements before its outcome."""
        end = time.monotonic() + timeout.total_seconds()
        while True:
            reports = self._listen(max(0.0, end - time.monotonic()))
            if reports or time.monotonic() >= end:
                return reports

    def stop(self, number: int, grace: timedelta) -> None:
        """Asks the trial to stop at its next report; a thread cannot be ended by force."""
        if running := self._running.get(number):
            running.stop.set()

    def close(self) -> None:
        """Asks every trial to stop; one that does not listen goes on unheard until this process ends."""
        for running in self._running.values():
            running.stop.set()
        for inbox in self._inboxes.values():
            inbox.put(None)
        end = time.monotonic() + _FAREWELL_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._running.clear()
        self._inboxes.clear()
        self._threads.clear()
        self._news = queue.SimpleQueue()

    def _inbox(self, slot: int) -> queue.SimpleQueue[_Running | None]:
        if slot not in self._inboxes:
            inbox = self._inboxes[slot] = queue.SimpleQueue()
            thread = threading.Thread(target=self._serve, args=(inbox,), name=f"slot-{slot}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self._inboxes[slot]

    def _serve(self, inbox: queue.SimpleQueue[_Running | None]) -> None:
        news = self._news
        while (running := inbox.get()) is not None:
            attempt = running.attempt
            with present.running(present.trial(attempt.study, attempt.number)):
                ending = run_function(self._function, self._trial_of(running, news))
            news.put(_News(running=running, outcome=outcome_of(ending)))

    def _trial_of(self, running: _Running, news: queue.SimpleQueue[_News]) -> TrainingTrial:
        def write(step: int | None, metrics: Mapping[str, Any]) -> None:
            # Through the spool's own text, so that the same values pass and fail as in other executors.
            measurements = measurements_of(json.loads(line_of(step, metrics)))
            news.put(_News(running=running, measurements=measurements))

        attempt = running.attempt
        return TrainingTrial(
            study=attempt.study,
            number=attempt.number,
            attempt=attempt.attempt,
            parameters=dict(attempt.parameters),
            slot=attempt.slot,
            gpus=gpus_of(self._gpus, attempt.slot),
            place=attempt.folder,
            parent_folder=attempt.parent_folder,
            write=write,
            asked=running.stop.is_set,
        )

    def _listen(self, seconds: float) -> list[Report]:
        measurements: dict[int, list[Measurement]] = {}
        outcomes: dict[int, Outcome] = {}
        with suppress(queue.Empty):  # all that is there has been heard
            news = self._news.get(timeout=seconds) if seconds > 0 else self._news.get_nowait()
            while True:
                number = news.running.attempt.number
                if self._running.get(number) is news.running:  # not a report that came after its outcome
                    measurements.setdefault(number, []).extend(news.measurements)
                    if news.outcome is not None:
                        outcomes[number] = news.outcome
                        del self._running[number]
                news = self._news.get_nowait()
        return [
            Report(number=number, measurements=found, outcome=outcomes.get(number))
            for number, found in measurements.items()
        ]
