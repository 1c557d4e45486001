"""Whether running trials look hopeless, for who asks now and then: curves that are kept, and fed from the store.

An engine hears of each measurement as it comes and needs none of this.
"""

from __future__ import annotations

from typing import Any

from meristem.objective import Goals
from meristem.spool import Measurement
from meristem.statuses import ENDED, TrialStatus
from meristem.store.rows import TrialRow
from meristem.store.store import Store
from meristem.study.early_stopping import EarlyStopping, rule_of

_FEW = 500  # trials that are asked for by their numbers


class Watch:
    """One stopping rule, and the curves of one study as far as they were read.

    Args:
        early_stopping: The rule, as for `Study.run`.

    Raises:
        InputError: It stands for no rule, or the study has several objectives.
    """

    def __init__(self, store: Store, study_id: int, early_stopping: Any, goals: Goals) -> None:
        rule = rule_of(early_stopping, None, goals)
        assert rule is not None
        self._store, self._study_id = store, study_id
        self._metrics = tuple(goals.objectives[0].terms)
        self._early = EarlyStopping(rule, goals)
        self._attempts: dict[int, int] = {}
        self._cursor = 0

    def why_stop(self, number: int) -> str | None:
        """Why the trial should be stopped now; None where it may go on, or does not run."""
        running = {row.number for row in self._read() if row.status == TrialStatus.RUNNING}
        return self._early.why_now(number) if number in running else None

    def _read(self) -> list[TrialRow]:
        """Takes in what is new of the trials that were open when it was read last; gives those that have not ended."""
        rows, head = self._store.trials.list_changed(self._study_id, after=self._cursor)
        numbers = [row.number for row in rows] if len(rows) <= _FEW else None
        reports: dict[int, list[Measurement]] = {}
        for number, measurement in self._store.trials.list_reports(self._study_id, self._metrics, numbers=numbers):
            reports.setdefault(number, []).append(measurement)
        for row in rows:
            if self._attempts.get(row.number) != row.attempt:
                self._early.start(row)
                self._attempts[row.number] = row.attempt
            self._early.take(row.number, reports.get(row.number, ()))
            if row.status in ENDED:
                self._early.end(row.number)
        self._cursor = head
        return [row for row in rows if row.status not in ENDED]
