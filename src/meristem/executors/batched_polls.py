"""Polls many trials in one question: whoever asks first asks for all, the others share the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from meristem.executors.runner_protocol import Metadata


class BatchedPolls:
    """Statuses of all trials that are watched.

    Args:
        poll: From metadata by number to statuses by number.
    """

    def __init__(self, poll: Callable[[Mapping[int, Metadata]], Mapping[int, Any]]) -> None:
        self._poll = poll
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self._watched: dict[int, Metadata] = {}
        self._answers: dict[int, tuple[float, Any]] = {}

    def watch(self, number: int, metadata: Metadata) -> None:
        with self._lock:
            self._watched[number] = metadata

    def forget(self, number: int) -> None:
        with self._lock:
            self._watched.pop(number, None)
            self._answers.pop(number, None)

    def status(self, number: int, *, at_most_old: float) -> Any:
        """The status of a trial, asked for less than so many seconds ago.

        Raises:
            LookupError: The answer says nothing of it.
            Exception: Whatever polling raises.
        """
        since = time.monotonic() - at_most_old
        with self._asking:  # one question at a time; who waited here mostly finds the answer
            found = self._answers.get(number)
            if found is not None and found[0] >= since:
                return found[1]
            with self._lock:
                watched = dict(self._watched)
            asked_at = time.monotonic()
            given = self._poll(watched)
            with self._lock:
                self._answers = {n: (asked_at, given[n]) for n in watched if n in given}
        if number not in self._answers:
            raise LookupError(f"poll_trials said nothing of trial {number}")
        return self._answers[number][1]
