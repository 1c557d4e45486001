"""The trials of a study as Ax counts and moves them: by index from 0, by hand.

What a move means, the study decides; here indices become numbers, and refusals are told in the client's words.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Mapping
from typing import Any

from meristem.client.raw_data import Data
from meristem.errors import InputError, StudyError, did_you_mean
from meristem.statuses import TrialStatus
from meristem.store.rows import TrialRow
from meristem.study.asking import CALLER
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
    """The trials of one study, by index; those that the caller runs can be moved."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._study_id = study.store.studies.get(study.name).id

    def get(self, index: int) -> TrialRow:
        """Raises InputError where there is no trial of this index."""
        number = number_of(index)
        row = self._study.store.trials.find(self._study_id, number) if 0 < number < 2**31 else None
        if row is None:
            count = self._study.store.studies.get(self._study.name).trials_created
            known = f"Indices go from 0 to {count - 1}." if count else "There is none so far."
            raise InputError(f"There is no trial {index}. {known}", fix=_HOW)
        return row

    def running(self, index: int) -> int:
        """The number of the trial, which the caller must be running.

        Raises:
            StudyError: It has ended, or was not started.
            InputError: There is none, or it is run by `run_trials`.
        """
        row = self.get(index)
        if row.status == TrialStatus.WAITING:
            raise StudyError(f"Trial {index} was not started.", fix="get_next_trials starts it.")
        if row.status != TrialStatus.RUNNING:
            raise StudyError(
                f"Trial {index} is {row.status} already, and what came of it stands.",
                fix="A further result of its parameters is a trial of its own: attach_trial(parameters).",
            )
        if row.run_by != CALLER:
            raise InputError(
                f"Trial {index} is run by run_trials, which fetches its data itself.",
                fix="Let its runner report a status, or give it up with mark_trial_abandoned.",
            )
        return row.number

    def attach(self, parameters: Any, *, baseline: bool = False, arm_name: str | None = None) -> Trial:
        """Adds a trial that the caller runs. Raises ParameterError where it does not lie in the space."""
        self._study.space.check(parameters)  # which misses none: nothing is filled in
        named: Mapping[str, Any] = {} if arm_name is None else {"arm_name": str(arm_name)}
        return self._study.begin(parameters, baseline=baseline, origin=named)

    def add(self, number: int, data: Data, progression: int | None) -> None:
        """Stores data of a running trial."""
        if "step" in data:
            raise InputError("Data that is added to a trial cannot be called 'step'.", fix="Rename the metric.")
        self._study.record(number, progression, **data)

    def complete(self, number: int, data: Data) -> Trial:
        """Ends a trial with `data` and all that was added before.

        Raises:
            InputError: A metric that the objective or a limit names is missing; the trial goes on.
        """
        given = {*data, *(m.metric for m in self._study.measurements(number))}
        if missing := [name for name in self._study.goals.metrics if name not in given]:
            raise InputError(
                f"Trial {number - 1} cannot be completed yet",
                [f"{name!r} is missing. {did_you_mean(name, sorted(given))}".strip() for name in missing],
                fix="Give what is missing: complete_trial(…, raw_data={…}), NaN where it is not known; or end it with "
                "mark_trial_failed or mark_trial_abandoned. The trial goes on.",
            )
        told = self._study.tell(number, data)
        if told.status == TrialStatus.FAILED:
            log.warning("Trial %d is FAILED: %s. Its values are kept and reach no model.", index_of(told), told.error)
        return told

    def stop(self, number: int) -> None:
        """Ends a trial early: what it measured counts for models.

        Raises:
            StudyError: It measured nothing.
        """
        try:
            self._study.stop_trial(number)
        except StudyError as error:
            raise StudyError(
                f"Trial {number - 1} has no data, so that nothing is learnt from stopping it early.",
                fix="Give data with attach_data first, or call mark_trial_abandoned.",
            ) from error
