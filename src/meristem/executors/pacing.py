"""When to ask a system outside again: while it works, and when asking it failed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_SHARE = 0.02  # of the time that a trial has run so far, so that its end is heard of within that share
_FIRST_RETRY, _LONGEST_RETRY = 0.05, 60.0  # seconds
_SOONEST = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often trials are polled, and how long failures are put up with.

    Attributes:
        shortest: Seconds between two polls of a trial at least.
        longest: And at most.
        launches: How often a launch is tried.
        patience: For how many seconds on end polling may fail.
        late: How many seconds after its end a trial's metrics may come.
    """

    shortest: float = 0.0
    longest: float = 10.0
    launches: int = 5
    patience: float = 3600.0
    late: float = 600.0

    def poll_wait(self, elapsed: float) -> float:
        """Seconds until the next poll of a trial that has run for `elapsed`."""
        return max(_SOONEST, self.shortest, min(self.longest, _SHARE * elapsed))

    @staticmethod
    def retry_wait(failures: int) -> float:
        """Seconds to wait after so many failures on end."""
        return min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(failures - 1, 40))
