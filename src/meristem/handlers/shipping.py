"""Hands entries to something outside from a thread of its own, so that a study never waits for it.

What waits is one entry a trial: news are joined to those of the same trial that have not gone yet. So what is slow or
away makes the batches larger, not the queue longer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from meristem.errors import one_line
from meristem.handlers.mlflow_entry import Entry
from meristem.handlers.mlflow_store import MlflowAway, MlflowRefused

log = logging.getLogger("meristem.handlers")

_PACE_SECONDS = 1.0  # between two rounds of handing over
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS, _RETRY_AT_END_SECONDS = 2.0, 60.0, 1.0


class Shipping:
    """What waits to be handed over, and the thread that does it.

    Args:
        what: To what entries go, for warnings.
        write: Writes one entry; raises MlflowAway where it is to be tried again, MlflowRefused where it is not.
        unlogged: Of trials that have ended, those that are not there; raises MlflowAway.

    Attributes:
        handed_over: How many entries, and answers, there have been: while it grows, it is worth waiting.
        refused: Trials of which something was not taken, with why.
        why_away: Why the last try failed; None: it did not.
    """

    def __init__(
        self, what: str, write: Callable[[Entry], None], unlogged: Callable[[Sequence[int]], list[int]]
    ) -> None:
        self._what, self._write, self._unlogged = what, write, unlogged
        self._changed = threading.Condition()
        self._waiting: dict[int, list[Entry]] = {}  # joined when their turn comes: joining at each would be quadratic
        self._asked: list[int] | None = None
        self._answer: list[int] = []
        self._busy = self._hurried = self._closed = False
        self._points = self.handed_over = 0
        self.refused: dict[int, str] = {}
        self.why_away: str | None = None
        self._warned = False
        self._thread = threading.Thread(target=self._work, name="meristem-mlflow", daemon=True)
        self._thread.start()

    @property
    def points(self) -> int:
        """How many values of metrics wait."""
        return self._points

    def put(self, entry: Entry) -> None:
        """Takes news; returns at once."""
        with self._changed:
            self._waiting.setdefault(entry.number, []).append(entry)
            self._points += len(entry.points)
            self._changed.notify_all()

    def ask(self, numbers: Sequence[int]) -> None:
        """Asks which of these trials, which have ended, are not there; the answer comes by `take_answer`."""
        with self._changed:
            self._asked = list(numbers)
            self._changed.notify_all()

    def take_answer(self) -> list[int]:
        """Trials that are not there, as far as known; each is given once."""
        with self._changed:
            found, self._answer = self._answer, []
            return found

    def idle(self, *, within: float) -> bool:
        """Whether nothing waits any more, waiting `within` seconds for that; from now on nothing is put off."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(self._is_idle, within)

    def close(self) -> list[int]:
        """Ends it, and gives the numbers of what was not handed over. A call that hangs is left alone."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return sorted({*self._waiting, *self._answer, *(self._asked or [])})

    def _is_idle(self) -> bool:
        return not (self._waiting or self._busy or self._asked is not None or self._answer)

    def _work(self) -> None:
        retry = _FIRST_RETRY_SECONDS
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting or self._asked is not None)
                if self._closed:
                    return
                self._busy = True
            try:
                self._round()
            except MlflowAway as error:
                self._tell_away(error)
                pause, retry = retry, min(2 * retry, _LONGEST_RETRY_SECONDS)
            else:
                self.why_away = None
                pause, retry = _PACE_SECONDS, _FIRST_RETRY_SECONDS
            with self._changed:
                self._busy = False
                self._changed.notify_all()
            self._rest(pause)

    def _rest(self, seconds: float) -> None:
        """Waits, but no longer than a moment once it is hurried, and not at all where it then got through."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._closed and (left := end - time.monotonic()) > 0:
                if self._hurried:
                    if self.why_away is None:
                        return
                    end = min(end, time.monotonic() + _RETRY_AT_END_SECONDS)
                    self._changed.wait_for(lambda: self._closed, max(0.0, end - time.monotonic()))
                    return
                self._changed.wait(left)

    def _round(self) -> None:
        with self._changed:
            asked = self._asked
        if asked is not None:
            found = self._unlogged(asked)
            with self._changed:
                self._answer += found
                self._asked = None
                self.handed_over += 1
        while (entry := self._next()) is not None:
            try:
                self._write(entry)
            except MlflowRefused as error:
                self._tell_refused(entry.number, error)
            except BaseException:
                self._put_back(entry)
                raise
            self.handed_over += 1

    def _next(self) -> Entry | None:
        with self._changed:
            if not self._waiting or self._closed:
                return None
            entry = Entry.joined(self._waiting.pop(next(iter(self._waiting))))
            self._points -= len(entry.points)
            return entry

    def _put_back(self, entry: Entry) -> None:
        with self._changed:
            self._waiting = {entry.number: [entry, *self._waiting.pop(entry.number, ())], **self._waiting}
            self._points += len(entry.points)

    def _tell_away(self, error: Exception) -> None:
        self.why_away = str(error)
        if not self._warned:
            self._warned = True
            log.warning(
                "%s cannot be used just now (%.200s). The study goes on; what is to be logged waits.", self._what, error
            )

    def _tell_refused(self, number: int, error: Exception) -> None:
        if not self.refused:
            log.warning("%s does not take what trial %d came to: %s", self._what, number, one_line(error))
        self.refused.setdefault(number, str(error))
