"""Shows a study's history to Optuna: a storage whose trials are those of one snapshot.

Optuna asks it for trials and writes the one that it is drawing; nothing is kept beyond that. What samplers
note down with trials and with the study travels in the trials' origins. Imported only where Optuna is.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState, create_trial

_STUDY = 0
NAME = "meristem"


class SnapshotStorage(BaseStorage):
    """One study, whose ended and running trials are given; a trial's id is its place among them.

    Attributes:
        noted: What samplers have written down about the study, beyond what was given.
    """

    def __init__(self, trials: Sequence[FrozenTrial], directions: int, attributes: dict[str, Any]) -> None:
        self._trials = list(trials)
        for number, trial in enumerate(self._trials):
            trial.number = trial._trial_id = number
        self._directions = [StudyDirection.MINIMIZE] * directions
        self._attributes = dict(attributes)
        self.noted: dict[str, Any] = {}

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial = template_trial or create_trial(state=TrialState.RUNNING)
        trial.number = trial._trial_id = len(self._trials)
        self._trials.append(trial)
        return trial._trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        trial = self._trials[trial_id]
        # Fresh mappings, since a trial shown to a sampler may be held on to.
        trial.params = {**trial.params, param_name: distribution.to_external_repr(param_value_internal)}
        trial.distributions = {**trial.distributions, param_name: distribution}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        trial = self._trials[trial_id]
        trial.system_attrs = {**trial.system_attrs, key: value}

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        trial = self._trials[trial_id]
        trial.user_attrs = {**trial.user_attrs, key: value}

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        self._trials[trial_id].state = state
        return True

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._trials[trial_id].intermediate_values[step] = intermediate_value

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._trials[trial_id]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return trial_number

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._attributes[key] = self.noted[key] = value

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Users of this storage have no study of Optuna's to write to."""

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._attributes

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return {}

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._directions

    def get_study_id_from_name(self, study_name: str) -> int:
        return _STUDY

    def get_study_name_from_id(self, study_id: int) -> str:
        return NAME

    def get_all_studies(self) -> list[FrozenStudy]:
        return []

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return _STUDY

    def delete_study(self, study_id: int) -> None:
        """There is only the one."""
