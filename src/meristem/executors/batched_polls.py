"""Polls many trials in one question, from a thread of its own; who attends a trial finds its answer here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from meristem.errors import InputError
from meristem.executors.pacing import Pace
from meristem.executors.runner_protocol import Metadata


@dataclass(slots=True, eq=False)
class _Watched:
    metadata: Metadata
    since: float
    wake: threading.Event
    answer: Any = None
    error: Exception | None = None


class BatchedPolls:
    """Statuses of all trials that are watched, asked for as often as the youngest of them is to be polled.

    Args:
        poll: From metadata by number to statuses by number.
    """

    def __init__(self, poll: Callable[[Mapping[int, Metadata]], Mapping[int, Any]], pace: Pace) -> None:
        self._poll, self._pace = poll, pace
        self._lock, self._changed = threading.Lock(), threading.Event()
        self._watched: dict[int, _Watched] = {}
        self._asking = False

    def watch(self, number: int, metadata: Metadata, wake: threading.Event) -> None:
        """Asks for this trial, too, from now on; `wake` is set at news of it. May be repeated."""
        with self._lock:
            self._watched[number] = _Watched(metadata=metadata, since=time.monotonic(), wake=wake)
            if not self._asking:
                self._asking = True
                threading.Thread(target=self._ask_on, name="poll-trials", daemon=True).start()
        self._changed.set()

    def forget(self, number: int) -> None:
        with self._lock:
            self._watched.pop(number, None)
        self._changed.set()

    def status(self, number: int) -> Any:
        """What was answered last; None before the first answer.

        Raises:
            LookupError: The last answer says nothing of this trial.
            Exception: Whatever polling raised last.
        """
        found = self._watched[number]
        if found.error is not None:
            raise found.error
        return found.answer

    def _ask_on(self) -> None:
        asked, failures = float("-inf"), 0
        while True:
            with self._lock:
                watched = dict(self._watched)
                self._asking = bool(watched)
                self._changed.clear()
            if not watched:
                return
            wait = asked + self._wait(watched, failures) - time.monotonic()
            if wait > 0:
                self._changed.wait(wait)  # whoever is new may be in more of a hurry
                continue
            asked = time.monotonic()
            failures = 0 if self._ask(watched) else failures + 1

    def _wait(self, watched: Mapping[int, _Watched], failures: int) -> float:
        if failures:
            return self._pace.retry_wait(failures)
        now = time.monotonic()
        return min(self._pace.poll_wait(now - one.since) for one in watched.values())

    def _ask(self, watched: Mapping[int, _Watched]) -> bool:
        """Whether there was an answer."""
        try:
            given = self._poll({number: one.metadata for number, one in watched.items()})
            if not isinstance(given, Mapping):
                raise InputError(f"poll_trials gave {given!r:.80}.", fix="Return a dict of statuses by number.")
        except Exception as error:
            for one in watched.values():
                one.error = error
                one.wake.set()
            return False
        for number, one in watched.items():
            before = (one.answer, one.error)
            one.error = None if number in given else LookupError(f"poll_trials said nothing of trial {number}")
            one.answer = given.get(number)
            if repr(before) != repr((one.answer, one.error)):
                one.wake.set()
        return True
