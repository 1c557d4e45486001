"""When to ask a system outside again: while it works, and when asking it failed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_SHARE = 0.02  # of the time that a trial has run so far, so that its end is heard of within that share
_FIRST_RETRY, _LONGEST_RETRY = 0.05, 10.0  # seconds
_SOONEST = 0.01
_FEWEST_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often trials are polled, and how long failures are put up with.

    Attributes:
        shortest: Seconds between two polls of a trial at least.
        longest: And at most.
        patience: For how many seconds on end the system outside may be away.
        trial_patience: For how many seconds on end a call may fail for one trial alone.
        late: How many seconds after its end a trial's metrics may come.
    """

    shortest: float = 0.0
    longest: float = 10.0
    patience: float = 3600.0
    trial_patience: float = 30.0
    late: float = 600.0

    def poll_wait(self, elapsed: float) -> float:
        """Seconds until the next poll of a trial that has run for `elapsed`."""
        return max(_SOONEST, self.shortest, min(self.longest, _SHARE * elapsed))

    def retry_wait(self, failures: int) -> float:
        """Seconds to wait after so many failures on end."""
        return max(self.shortest, min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(failures - 1, 40)))

    def endures(self, *, failures: int, elapsed: float, alone: bool) -> bool:
        """Whether to ask once more after so many failures on end, the first of them `elapsed` seconds ago.

        Args:
            alone: It is this trial that fails, and not the system outside that is away.
        """
        if elapsed >= self.patience:
            return False
        return not alone or failures < _FEWEST_TRIES or elapsed < self.trial_patience
