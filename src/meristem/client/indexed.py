"""The trials of a study as Ax counts and moves them: by index from 0, by hand.

What a move means, study and ledger decide; here indices become numbers, and refusals are told in the client's words.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Mapping
from typing import Any

from meristem.client.raw_data import Data
from meristem.errors import InputError, StudyError
from meristem.spool import Measurement
from meristem.statuses import ENDED, TrialStatus
from meristem.stopping.rule import StoppingRule
from meristem.store.rows import TrialRow
from meristem.study.asking import CALLER, Asking
from meristem.study.early_stopping import EarlyStopping
from meristem.study.ledger import Ledger
from meristem.study.study import Study
from meristem.trial import Trial

log = logging.getLogger("meristem.client")

_HOW = "Give an index that get_next_trials or attach_trial gave."


def index_of(trial: Trial) -> int:
    return trial.number - 1


def number_of(index: Any) -> int:
    """Raises InputError where `index` is no whole number."""
    try:
        if isinstance(index, bool):
            raise TypeError
        return operator.index(index) + 1
    except TypeError:
        raise InputError(f"trial_index={index!r:.60} is no whole number.", fix=_HOW) from None


def arm_of(trial: Trial) -> str:
    """The name of the trial's parameters."""
    return str(trial.origin.get("arm_name") or ("baseline" if trial.origin.get("baseline") else f"{index_of(trial)}_0"))


class IndexedTrials:
    """The trials of one study, by index."""

    def __init__(self, study: Study) -> None:
        self._study = study
        row = study.store.studies.get(study.name)
        self._study_id = row.id
        self.ledger = Ledger(study.store, row, study.definition)
        self._asking = Asking(self.ledger)

    def get(self, index: int) -> Trial:
        """Raises InputError where there is no trial of this index."""
        number = number_of(index)
        row = self._study.store.trials.find(self._study_id, number) if 0 < number < 2**31 else None
        if row is None:
            count = self._study.store.studies.get(self._study.name).trials_created
            known = f"Indices go from 0 to {count - 1}." if count else "There is none so far."
            raise InputError(f"There is no trial {index}. {known}", fix=_HOW)
        return self._study.get_trial(number)

    def running(self, index: int) -> Trial:
        """The trial, which the caller must be running.

        Raises:
            StudyError: It has ended, or was not started.
            InputError: There is none, or it is run by `run_trials`.
        """
        trial = self.get(index)
        if trial.status == TrialStatus.WAITING:
            raise StudyError(f"Trial {index} was not started.", fix="get_next_trials starts it.")
        if trial.status != TrialStatus.RUNNING:
            raise StudyError(
                f"Trial {index} is {trial.status} already, and what came of it stands.",
                fix="A further result of its parameters is a trial of its own: attach_trial(parameters).",
            )
        row = self._row(trial)
        if row.run_by != CALLER:
            raise InputError(
                f"Trial {index} is run by run_trials, which fetches its data itself.",
                fix="Let its runner report a status, or give it up with mark_trial_abandoned.",
            )
        return trial

    def attach(self, parameters: Any, origin: Mapping[str, Any]) -> Trial:
        """Adds a trial that the caller runs. Raises ParameterError where it does not lie in the space."""
        self._study.space.check(parameters)
        row = self._asking.begin(self._study.space.normalize(parameters), origin)
        return self._study.get_trial(row.number)

    def add(self, trial: Trial, data: Data, progression: int | None) -> None:
        """Stores data of a running trial."""
        self._asking.keep_report(trial, progression, data)

    def complete(self, trial: Trial, data: Data) -> Trial:
        """Ends a trial with `data` and all that was added before.

        Raises:
            InputError: An objective is missing; the trial goes on.
        """
        try:
            told = self._study.tell(trial.number, data)
        except InputError as error:
            raise InputError(
                f"Trial {index_of(trial)} cannot be completed yet",
                error.problems or [error.what],
                fix="Give what is missing: complete_trial(…, raw_data={…}); or end it with mark_trial_failed or "
                "mark_trial_abandoned. The trial goes on.",
            ) from error
        if told.status == TrialStatus.FAILED:
            log.warning("Trial %d is FAILED: %s. Its values are kept and reach no model.", index_of(told), told.error)
        elif missing := [name for name in self._study.goals.metrics if name not in told.metrics]:
            log.warning(
                "Trial %d is COMPLETED without %s, so that it is not known to keep the limits.",
                index_of(told), ", ".join(missing),
            )  # fmt: skip
        return told

    def stop(self, trial: Trial) -> None:
        """Ends a trial early: what it measured counts for models.

        Raises:
            StudyError: It measured nothing.
        """
        if not self._study.measurements(trial.number):
            raise StudyError(
                f"Trial {index_of(trial)} has no data, so that nothing is learnt from stopping it early.",
                fix="Give data with attach_data first, or call mark_trial_abandoned.",
            )
        self._asking.stop(trial.number)

    def why_stop(self, trial: Trial, rule: StoppingRule) -> str | None:
        """Why `rule` would stop the trial now; None where it lets it go on."""
        goals, store = self._study.goals, self._study.store
        rows = store.trials.list_page(self._study_id)
        over = [row for row in rows if row.status in ENDED]
        going = [row for row in rows if row.status == TrialStatus.RUNNING]
        reports: dict[int, list[Measurement]] = {row.number: [] for row in rows}
        for number, measurement in store.trials.list_reports(self._study_id, tuple(goals.objectives[0].terms)):
            reports[number].append(measurement)
        early = EarlyStopping(rule, goals, over, [(row.number, m) for row in over for m in reports[row.number]])
        why = None
        for row in sorted(going, key=lambda row: row.number == trial.number):  # it comes last, and sees all others
            early.start(row)
            why = early.why_stop(row.number, reports[row.number])
        return why

    def _row(self, trial: Trial) -> TrialRow:
        row = self._study.store.trials.find(self._study_id, trial.number)
        assert row is not None
        return row
