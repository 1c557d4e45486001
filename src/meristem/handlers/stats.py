"""Counts what each slot did: trials started, finished, unfinished, busy time, utilisation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from meristem.handlers.handler import Handler
from meristem.study.happenings import StudyEnded, StudyStarted, TrialEnded, TrialStarted
from meristem.study.run import StudyRun


@dataclass(slots=True)
class SlotStats:
    """What one slot did in this run: attempts started, those that ended by themselves, busy time in seconds."""

    started: int = 0
    finished: int = 0
    busy: float = 0.0
    since: float | None = None

    @property
    def unfinished(self) -> int:
        return self.started - self.finished


class Stats(Handler):
    """Collects running times by slot, and prints them when the study has ended.

    Args:
        show: Whether to print the table; the numbers are in `summary()` in any case.
    """

    def __init__(self, show: bool = True, console: Console | None = None) -> None:
        self.show = show
        self.slots: dict[int, SlotStats] = {}
        self.total = 0.0
        self._console = console or Console(stderr=True)
        self._began = 0.0

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        self.slots = {slot: SlotStats() for slot in range(run.slots)}
        self._began = time.monotonic()

    def trial_started(self, event: TrialStarted, run: StudyRun) -> None:
        slot = self._slot(event.trial.slot)
        slot.started += 1
        slot.since = time.monotonic()

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        slot = self._slot(event.trial.slot)
        slot.finished += not event.again or event.trial.error is not None  # a retried attempt has finished, too
        if slot.since is not None:
            slot.busy += time.monotonic() - slot.since
            slot.since = None

    def study_ended(self, event: StudyEnded, run: StudyRun) -> None:
        self.total = time.monotonic() - self._began
        if self.show:
            self._console.print(self._table())

    def summary(self) -> dict[str, Any]:
        """The numbers: by slot, total time, and utilisation (busy time over slots times total time)."""
        busy = sum(slot.busy for slot in self.slots.values())
        return {
            "slots": {
                slot: {"started": s.started, "finished": s.finished, "unfinished": s.unfinished, "busy": s.busy}
                for slot, s in self.slots.items()
            },
            "total": self.total,
            "utilisation": busy / (self.total * len(self.slots)) if self.total and self.slots else 0.0,
        }

    def _slot(self, slot: int | None) -> SlotStats:
        return self.slots.setdefault(slot or 0, SlotStats())

    def _table(self) -> Table:
        summary = self.summary()
        table = Table(title=f"{self.total:.1f} s in all, slots busy {summary['utilisation']:.0%}", title_justify="left")
        for column in ("slot", "started", "finished", "unfinished", "busy s"):
            table.add_column(column, justify="right")
        for slot, s in self.slots.items():
            table.add_row(str(slot), str(s.started), str(s.finished), str(s.unfinished), f"{s.busy:.1f}")
        return table
