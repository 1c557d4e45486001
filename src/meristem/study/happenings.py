"""What handlers are told: one small value for each thing that happens inside a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meristem.space import Space
from meristem.spool import Measurement
from meristem.statuses import StudyStatus
from meristem.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStarted:
    """The first event of a run, exactly once. `run` counts from 1; above 1 the study was resumed."""

    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceAvailable:
    """The space is known; the second event of a run, once."""

    space: Space


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationsAvailable:
    """The controller recommended these trials."""

    trials: Sequence[Trial]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStarted:
    """A trial is about to start; exactly one TrialEnded follows."""

    trial: Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementReported:
    """A running trial reported a value."""

    trial: Trial
    measurement: Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnded:
    """A trial has ended. With `again` it goes back to waiting (a retry, or the study stops)."""

    trial: Trial
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEnded:
    """The last event of a run, exactly once."""

    status: StudyStatus
    message: str


Happening = (
    StudyStarted
    | SpaceAvailable
    | RecommendationsAvailable
    | TrialStarted
    | MeasurementReported
    | TrialEnded
    | StudyEnded
)
