"""Tells a trial that fails from a system outside that is away: by what other trials hear of it at the same time."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from meristem.errors import InputError, one_line
from meristem.executors.pacing import Pace

log = logging.getLogger("meristem.executors")

LAUNCH, FIND, POLL = "run_trial", "find_trial", "poll_trial"

# What waiting will not mend: mistakes in the runner, and answers that mean nothing.
_MISTAKES = (InputError, TypeError, AttributeError, NameError, ImportError, NotImplementedError)
_WARN_AFTER = 3  # failures on end
_WARN_AGAIN = 300.0  # seconds


@dataclass(slots=True)
class Trouble:
    """Calls of one kind that failed on end for one trial.

    Attributes:
        since: When the first of them failed, on the monotonic clock.
    """

    failures: int = 0
    since: float = 0.0

    def add(self) -> None:
        if not self.failures:
            self.since = time.monotonic()
        self.failures += 1


class Outages:
    """What the trials of one executor know together. Threads may share it."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._lock = threading.Lock()
        self._answered: dict[str, float] = {}
        self._warned: dict[tuple[str, str], float] = {}
        self._launch_lost = False

    def answered(self, call: str) -> None:
        """Takes note that a call got an answer."""
        with self._lock:
            self._answered[call] = time.monotonic()
            if call == LAUNCH:
                self._launch_lost = False

    def endures(self, call: str, trouble: Trouble, error: Exception) -> bool:
        """Whether the call is to be made once more; `trouble` counts this failure already."""
        self.warn(call, trouble.failures, error)
        with self._lock:
            elapsed = time.monotonic() - trouble.since
            others = self._answered.get(call, float("-inf")) > trouble.since
            # No launch has an older one to be compared with. So one trial may be given up on suspicion, and no
            # other before a launch has got through: an outage costs one trial, however long and with however many.
            suspect = call == LAUNCH and not self._launch_lost
            alone = others or suspect or isinstance(error, _MISTAKES)
            goes_on = self._pace.endures(failures=trouble.failures, elapsed=elapsed, alone=alone)
            self._launch_lost = self._launch_lost or (call == LAUNCH and not goes_on)
            return goes_on

    def warn(self, call: str, failures: int, error: Exception) -> None:
        """Says that a call keeps failing; each kind of error once in a while."""
        if failures < _WARN_AFTER:
            return
        with self._lock:
            now, key = time.monotonic(), (call, type(error).__name__)
            if now - self._warned.get(key, float("-inf")) < _WARN_AGAIN:
                return
            self._warned[key] = now
        log.warning("%s failed %d times on end and is called again: %s", call, failures, one_line(error))
