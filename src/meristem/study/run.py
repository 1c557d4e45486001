"""A run of a study as handlers see it: what to read, and how to ask it to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from meristem.objective import Goals
from meristem.space import Space
from meristem.spool import Measurement
from meristem.statuses import ENDED, TrialStatus
from meristem.stopping.ending import Standing
from meristem.stopping.losses import Losses
from meristem.store.rows import TrialRow
from meristem.study.folders import trial_folder
from meristem.study.from_rows import trial_of
from meristem.study.ledger import Ledger
from meristem.study.plan import Plan
from meristem.trial import Trial

_PAGE = 100


class StudyRun:
    """One run of a study, for handlers.

    Attributes:
        folder: The study's folder; each trial's folder is in it.
        slots: How many trials run at a time.
    """

    def __init__(
        self, ledger: Ledger, plan: Plan, *, folder: Path, slots: int, stop: Callable[[str], None],
        stop_trial: Callable[[int, str | None], None],
    ) -> None:  # fmt: skip
        self._ledger, self.plan, self.folder, self.slots = ledger, plan, folder, slots
        self._stop, self._stop_trial = stop, stop_trial
        self._started = time.monotonic()
        self._kept = Losses()
        self._kept_for: Mapping[str, float] | None = None
        self.name: str = ledger.name
        self.space: Space = ledger.definition.space
        self.goals: Goals = ledger.definition.goals

    @property
    def best(self) -> Trial | None:
        """The best completed trial so far; None also where there are several objectives (see `leaders`)."""
        row = self._ledger.leaders.best
        return None if row is None else self.trial_of(row)

    @property
    def leaders(self) -> list[Trial]:
        """The best trial, or the non-dominated ones where there are several objectives."""
        return [self.trial_of(row) for row in self._ledger.leaders.rows]

    @property
    def ended(self) -> int:
        """Trials that have ended, in all runs, but those that were abandoned: others take their place."""
        return self._ledger.spent

    @property
    def running(self) -> list[int]:
        """Numbers of the trials that run now."""
        return [n for n, row in self._ledger.open.items() if row.status == TrialStatus.RUNNING]

    @property
    def since_best(self) -> int:
        """Trials ended since the best one did."""
        return self._ledger.leaders.since

    @property
    def losses(self) -> Sequence[float | None]:
        """The losses of all ended trials in the order in which they ended.

        None where a trial has none that counts: it did not complete, or breaks a limit.
        """
        return self.standing().losses

    def standing(self, *, regret: float | None = None) -> Standing:
        """Where the study stands, as ending rules see it: each trial is read once, not at each that ends."""
        history, baseline = self._ledger.history, self._ledger.leaders.baseline
        if baseline is not self._kept_for:  # limits that are relative to it judge all trials anew
            self._kept, self._kept_for = Losses(), baseline
        for place in range(len(self._kept.all), len(history)):
            one = history[place]
            counts = one.status == TrialStatus.COMPLETED and self.goals.keeps_limits(one.metrics, baseline)
            self._kept.add(one.loss if counts else None)
        return Standing.of(self._kept, regret=regret)

    def regret_bound(self, *, doubt: float = 0.1) -> float | None:
        """By how much a point may be better than the best, as a model believes; None with too few losses."""
        from meristem.controllers.insight import FEWEST  # imports scipy, which takes long
        from meristem.study.insight import insight_of

        if len(self.standing().measured) < FEWEST or not self.space.dimensions:
            return None
        return insight_of(self._ledger.snapshot(), self.goals.objectives[0]).regret_bound(doubt=doubt)

    @property
    def elapsed(self) -> float:
        """Seconds since this run started."""
        return time.monotonic() - self._started

    def best_trials(self, count: int) -> list[Trial]:
        """The `count` best completed trials that keep all limits; all leaders where there are several objectives."""
        if not self.goals.single:
            return self.leaders
        baseline = self._ledger.leaders.baseline
        return list(islice((t for t in self.completed() if self.goals.keeps_limits(t.metrics, baseline)), count))

    def completed(self) -> Iterator[Trial]:
        """All completed trials, best first; of several objectives by the first."""
        offset = 0
        while rows := self._ledger.store.trials.best(self._ledger.study_id, limit=_PAGE, offset=offset):
            yield from map(self.trial_of, rows)
            offset += len(rows)

    def ended_trials(self) -> Iterator[Trial]:
        """All trials that have ended, in all runs, in order of their numbers."""
        offset, ended = 0, sorted(ENDED)
        while rows := self._ledger.store.trials.list_page(
            self._ledger.study_id, statuses=ended, limit=_PAGE, offset=offset
        ):
            yield from map(self.trial_of, rows)
            offset += len(rows)

    def get_trial(self, number: int) -> Trial:
        """A trial of this study as it is now."""
        row = self._ledger.store.trials.find(self._ledger.study_id, number)
        assert row is not None
        return self.trial_of(row)

    def measurements(self, number: int) -> list[Measurement]:
        """What a trial reported, by step."""
        return self._ledger.store.trials.measurements(self._ledger.study_id, number)

    def trial_of(self, row: TrialRow) -> Trial:
        """The trial that a row of the store stands for."""
        return trial_of(row, self.goals, study=self.name, root=self.folder)

    def folder_of(self, number: int, attempt: int = 1) -> Path:
        """The folder of a trial's attempt; it exists once something was written into it."""
        return trial_folder(self.folder, number, attempt)

    def parent_folder_of(self, row: TrialRow) -> Path | None:
        """The folder of the trial that a trial goes on from, where its controller named one."""
        parent = row.origin.get("parent")
        if not isinstance(parent, int) or isinstance(parent, bool):
            return None
        found = self._ledger.store.trials.find(self._ledger.study_id, parent)
        return None if found is None else self.folder_of(parent, found.attempt)

    def stop(self, message: str) -> None:
        """Asks the study to stop; the first message counts."""
        self._stop(message)

    def stop_trial(self, number: int, reason: str | None = None) -> None:
        """Asks one running trial to stop; it ends as `stopped`."""
        self._stop_trial(number, reason)
