"""What the store holds, as values: rows of studies, trials, measurements; and a change to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meristem.events import Event
from meristem.spool import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """A study as stored. Times are seconds since the epoch.

    Attributes:
        suspended_slots: Slots that get no new trials, and since when.
        engine_died: It counts as running, but the engine that ran it has died.
    """

    id: int
    name: str
    definition: Mapping[str, Any]
    setup: Mapping[str, Any]
    status: str
    message: str | None
    stop_message: str | None
    run: int
    trials_created: int
    last_event: int
    created_at: float
    updated_at: float
    lease_owner: str | None
    lease_token: int
    folder_key: str = ""
    suspended_slots: Mapping[int, float] = field(default_factory=dict)
    engine_died: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A trial as stored. `key` is the canonical JSON of its parameters, `failures` counts failed attempts.

    Attributes:
        deployment: By what it is found in the system outside in which it runs; None where it was not deployed.
        abort_message: What somebody said who asked the engine to give it up.
        end_event: Number of the event that told of its end; None until it has ended.
    """

    number: int
    status: str
    parameters: Mapping[str, Any]
    key: str = ""
    attempt: int = 1
    failures: int = 0
    run_by: str = "engine"
    slot: int | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    deployment: Mapping[str, Any] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    sems: Mapping[str, float] = field(default_factory=dict)
    score: Any = None
    loss: float | None = None
    error: str | None = None
    traceback: str | None = None
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    abort_message: str | None = None
    end_event: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMove:
    """A trial's step from one status to another; refused when the trial is not in `before`."""

    row: TrialRow
    before: str
    attempt_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAbort:
    """Word to the engine to give up a trial; refused when that attempt of it does not run."""

    trial: int
    attempt: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMeasurements:
    """Measurements of one attempt of a trial."""

    trial: int
    attempt: int
    measurements: Sequence[Measurement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Everything that one commit writes to one study, with the events that tell of it.

    Attributes:
        token: Fencing number of the writer's lease; None for a writer that needs none.
        trials_created: How many trials the writer knows of, when it proposes new ones: a
            proposal on an older history is refused with `Conflict`.
        study: Columns of the study to set, such as its status.
        expected: Columns of the study as the writer read them: refused with `Conflict` where they are different now.
    """

    study_id: int
    events: Sequence[Event]
    token: int | None = None
    trials_created: int | None = None
    new_trials: Sequence[TrialRow] = ()
    moves: Sequence[TrialMove] = ()
    measurements: Sequence[TrialMeasurements] = ()
    aborts: Sequence[TrialAbort] = ()
    study: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)


class Conflict(Exception):
    """Another writer proposed trials or set what was expected meanwhile: look again and decide anew."""
