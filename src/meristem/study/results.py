"""What came of a study, to be read: its best trials, all trials, what they tell about the space, its log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meristem.errors import InputError, NoBestTrial
from meristem.events import Event
from meristem.objective import Goals, Objective
from meristem.space import Space
from meristem.spool import Measurement
from meristem.statuses import StudyStatus
from meristem.store.rows import TrialRow
from meristem.store.store import Store
from meristem.study.asking import Asking
from meristem.study.from_rows import trial_of
from meristem.study.leaders import leaders_of
from meristem.trial import Trial

if TYPE_CHECKING:
    import pandas

    from meristem.controllers.insight import Insight
    from meristem.reports.report import Report


class Results:
    """The reading side of a Study.

    Attributes:
        folder: Where the trials of the study have their folders.
    """

    name: str
    space: Space
    goals: Goals
    folder: Path
    _store: Store
    _id: int
    _asking: Asking

    @property
    def store(self) -> Store:
        """The store that keeps it."""
        return self._store

    @property
    def status(self) -> StudyStatus:
        """Where it stands; `interrupted` also when the engine that ran it has died."""
        row = self._store.studies.get(self.name)
        return StudyStatus.INTERRUPTED if row.engine_died else StudyStatus(row.status)

    @property
    def best(self) -> Trial:
        """The completed trial with the best objective value that keeps all limits; among equals the earlier one.

        Raises:
            NoBestTrial: None has completed yet.
            InputError: The study has several objectives: see `pareto`.
        """
        if not self.goals.single:
            raise InputError(
                f"Study {self.name!r} has several objectives ({self.goals}), so that no trial is the best.",
                fix="See study.pareto, the trials that no other beats in everything.",
            )
        return self._leaders()[0]

    @property
    def pareto(self) -> list[Trial]:
        """The completed trials that keep all limits and that no other beats in everything.

        Raises:
            NoBestTrial: None has completed yet.
        """
        return self._leaders()

    def _leaders(self) -> list[Trial]:
        rows = leaders_of(self._store, self._id, self.goals)
        if not rows:
            counts = ", ".join(f"{n} {status}" for status, n in self.counts().items()) or "no trials"
            raise NoBestTrial(self.name, counts, self._asking.why_no_baseline())
        return [self._trial(row) for row in rows]

    @property
    def trials(self) -> list[Trial]:
        """All trials in order of their numbers."""
        return [self._trial(row) for row in self._store.trials.list_page(self._id)]

    def get_trial(self, number: int) -> Trial:
        """One trial. Raises InputError when there is none of that number."""
        row = self._store.trials.find(self._id, number)
        if row is None:
            raise InputError(f"Study {self.name!r} has no trial {number}.")
        return self._trial(row)

    def insight(self, objective: str | Objective | None = None) -> Insight:
        """What the trials tell about the space: predictions, what matters, how far to trust it.

        Args:
            objective: A metric or weighted sum, with a minus sign where smaller is better; by default the study's.

        Raises:
            InputError: Fewer than five trials have a finite value of it, or several objectives and none named.
        """
        from meristem.study.insight import insight_of  # imports scipy, which takes long

        if objective is None and not self.goals.single:
            names = ", ".join(f"study.insight({str(o)!r})" for o in self.goals.objectives)
            raise InputError(f"Study {self.name!r} has several objectives.", fix=f"Name one: {names}.")
        if isinstance(objective, str):
            objective = Objective.parse(objective)
        return insight_of(self._asking.snapshot(), objective or self.goals.objectives[0])

    def report(self) -> Report:
        """All that its trials tell, explained: written as HTML, Markdown, JSON or PNG; shown in notebooks."""
        from meristem.reports.report import report_of  # of a floor above, and slow to import

        return report_of(self)

    def hypervolume(self) -> float:
        """What the Pareto front beats, measured from the thresholds; in the product of the objectives' units.

        Raises:
            InputError: An objective has no threshold to measure from.
        """
        from meristem.bayesopt.hypervolume import hypervolume  # imports numpy code that few need

        known = [threshold for threshold in self.goals.reference() if threshold is not None]
        if len(known) < len(self.goals.objectives):
            missing = [o.metric for o in self.goals.objectives if o.metric not in self.goals.thresholds]
            raise InputError(
                f"The hypervolume has no worst value to be measured from for {', '.join(missing)}.",
                fix="Give the study thresholds={'accuracy': 0.8, …}.",
            )
        rows = leaders_of(self._store, self._id, self.goals)
        front = [losses for row in rows if (losses := self.goals.losses(row.metrics)) is not None]
        return hypervolume(front, known) if front else 0.0

    def counts(self) -> dict[str, int]:
        """How many trials there are in each status."""
        return self._store.trials.counts(self._id)

    def measurements(self, number: int) -> list[Measurement]:
        """What a trial reported, by step."""
        return list(self._store.trials.measurements(self._id, number))

    def list_reports(self, metrics: Sequence[str]) -> list[tuple[int, Measurement]]:
        """What all trials reported of `metrics` at steps, in their last attempts: trial numbers and measurements."""
        return self._store.trials.list_reports(self._id, metrics)

    def events(self, after: int = 0, *, limit: int = 1000) -> list[Event]:
        """The study's log after cursor `after`; the last event's number is the next cursor."""
        return self._store.events.list_after(self._id, after, limit=limit)

    def trials_dataframe(self) -> pandas.DataFrame:
        """All trials as a table: one row a trial, `parameters.NAME` and `metrics.NAME` columns.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas  # optional, and slow to import
        except ImportError as error:
            raise InputError("A DataFrame needs pandas.", fix="pip install 'meristem[pandas]'") from error
        return pandas.DataFrame(_as_records(self.trials, self.goals))

    def _trial(self, row: TrialRow) -> Trial:
        ordered = {n: row.parameters[n] for n in self.space.names if n in row.parameters}
        return trial_of(replace(row, parameters=ordered), self.goals, study=self.name, root=self.folder)


def _as_records(trials: Iterable[Trial], goals: Goals) -> list[dict[str, Any]]:
    names = [objective.metric for objective in goals.objectives]
    return [
        {
            "number": t.number,
            "status": t.status.value,
            **({"value": t.value} if goals.single else {f"values.{n}": t.values.get(n) for n in names}),
            **{f"parameters.{n}": v for n, v in t.parameters.items()},
            **{f"metrics.{n}": v for n, v in t.metrics.items()},
            "seconds": t.seconds,
            "error": t.error,
        }
        for t in trials
    ]
