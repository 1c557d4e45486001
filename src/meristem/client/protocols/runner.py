"""IRunner: deploys trials to a system outside and tells how they stand; TrialStatus: how a trial stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from meristem.client.types import TParameterization
from meristem.statuses import TrialStatus as Stored


class TrialStatus(IntEnum):
    """How a trial stands, under Ax's names and numbers."""

    CANDIDATE = 0
    STAGED = 1
    FAILED = 2
    COMPLETED = 3
    RUNNING = 4
    ABANDONED = 5
    DISPATCHED = 6
    EARLY_STOPPED = 7
    STALE = 8

    @property
    def is_terminal(self) -> bool:
        """Whether the trial has ended."""
        ended = {TrialStatus.FAILED, TrialStatus.COMPLETED, TrialStatus.ABANDONED, TrialStatus.EARLY_STOPPED}
        return self in ended or self is TrialStatus.STALE

    @classmethod
    def of(cls, status: Stored) -> TrialStatus:
        """What Ax calls a status of Meristem."""
        return _NAMES[status]


_NAMES = {
    Stored.WAITING: TrialStatus.CANDIDATE,
    Stored.RUNNING: TrialStatus.RUNNING,
    Stored.COMPLETED: TrialStatus.COMPLETED,
    Stored.FAILED: TrialStatus.FAILED,
    Stored.STOPPED: TrialStatus.EARLY_STOPPED,
    Stored.ABANDONED: TrialStatus.ABANDONED,
}


class IRunner(ABC):
    """Deploys trials and tells how they stand.

    Beside Ax's methods a runner may have `find_trial(key)` (the metadata of a trial deployed under this key, or None;
    `run_trial` then takes `key=`), which leaves no launch in doubt after a crash, and `poll_trials(metadata_by_index)`
    (the statuses of many trials in one call).
    """

    @abstractmethod
    def run_trial(self, trial_index: int, parameterization: TParameterization) -> dict[str, Any]:
        """Deploys a trial and returns at once what it can be found by again, as a JSON object."""

    @abstractmethod
    def poll_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> TrialStatus:
        """How the trial stands."""

    def stop_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Ends a trial early. Needed for early stopping only."""
        raise NotImplementedError(f"{type(self).__name__} cannot stop trials: it has no stop_trial of its own.")
