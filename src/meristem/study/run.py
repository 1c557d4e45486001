"""A run of a study as handlers see it: what to read, and how to ask it to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from meristem.objective import Objective
from meristem.space import Space
from meristem.study.folders import trial_folder
from meristem.study.ledger import Ledger
from meristem.study.plan import Plan
from meristem.study.trial import Trial, TrialStatus, trial_of


class StudyRun:
    """One run of a study, for handlers.

    Attributes:
        folder: The study's folder; each trial's folder is in it.
        slots: How many trials run at a time.
    """

    def __init__(
        self, ledger: Ledger, plan: Plan, *, folder: Path, slots: int, stop: Callable[[str], None],
        stop_trial: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._ledger, self.plan, self.folder, self.slots = ledger, plan, folder, slots
        self._stop, self._stop_trial = stop, stop_trial
        self._started = time.monotonic()
        self.name: str = ledger.name
        self.space: Space = ledger.definition.space
        self.objective: Objective = ledger.definition.objective

    @property
    def best(self) -> Trial | None:
        """The best completed trial so far."""
        row = self._ledger.best
        return None if row is None else trial_of(row, self.objective, folder=self.folder_of(row.number, row.attempt))

    @property
    def ended(self) -> int:
        """Trials that have ended, in all runs."""
        return len(self._ledger.history)

    @property
    def running(self) -> list[int]:
        """Numbers of the trials that run now."""
        return [n for n, row in self._ledger.open.items() if row.status == TrialStatus.RUNNING]

    @property
    def since_best(self) -> int:
        """Trials ended since the best one did."""
        return self._ledger.since_best

    @property
    def elapsed(self) -> float:
        """Seconds since this run started."""
        return time.monotonic() - self._started

    def completed(self) -> list[Trial]:
        """All completed trials, best first."""
        rows = self._ledger.store.trials.best(self._ledger.study_id, limit=2**31 - 1)
        return [trial_of(r, self.objective, folder=self.folder_of(r.number, r.attempt)) for r in rows]

    def folder_of(self, number: int, attempt: int = 1) -> Path:
        """The folder of a trial's attempt; it exists once something was written into it."""
        return trial_folder(self.folder, number, attempt)

    def stop(self, message: str) -> None:
        """Asks the study to stop; the first message counts."""
        self._stop(message)

    def stop_trial(self, number: int) -> None:
        """Asks one running trial to stop; it ends as `stopped`."""
        self._stop_trial(number)
