"""One point of the space that is tried: its statuses, its legal moves, and how users see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from meristem.controllers.protocol import Observation
from meristem.errors import IllegalMove, StudyError
from meristem.objective import Objective
from meristem.store.rows import TrialRow


class TrialStatus(StrEnum):
    """Where a trial stands."""

    WAITING = "waiting"  # proposed, or to be run again
    RUNNING = "running"
    COMPLETED = "completed"  # has a finite objective value
    FAILED = "failed"
    STOPPED = "stopped"  # ended early on request; what it measured counts for models, not as the best
    ABANDONED = "abandoned"  # given up by hand


MOVES: Mapping[TrialStatus, frozenset[TrialStatus]] = {
    TrialStatus.WAITING: frozenset({TrialStatus.RUNNING, TrialStatus.ABANDONED}),
    TrialStatus.RUNNING: frozenset(
        {TrialStatus.WAITING, TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.STOPPED, TrialStatus.ABANDONED}
    ),
    TrialStatus.COMPLETED: frozenset(),
    TrialStatus.FAILED: frozenset(),
    TrialStatus.STOPPED: frozenset(),
    TrialStatus.ABANDONED: frozenset(),
}
ENDED = frozenset(status for status, onward in MOVES.items() if not onward)


def check_move(number: int, before: str, after: str) -> None:
    """Raises IllegalMove where the table has no such move."""
    if TrialStatus(after) not in MOVES[TrialStatus(before)]:
        raise IllegalMove(f"Trial {number}", before, after)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial, inside the training and afterwards.

    Attributes:
        number: From 1, in order of proposal.
        parameters: Active parameters by name; inactive ones are absent.
        value: The objective as measured, in the user's sense; None where nothing usable was.
        metrics: Final values by metric; NaN and infinity are kept as they were.
        error: One line saying why it failed; `traceback` has the details.
        folder: The trial's own folder; files in it stay with the trial. Made by who first writes.
        started_at, ended_at: Seconds since the epoch.
    """

    number: int
    parameters: Mapping[str, Any]
    status: TrialStatus = TrialStatus.RUNNING
    attempt: int = 1
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    score: Any = None
    error: str | None = None
    traceback: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    slot: int | None = None
    started_at: float | None = None
    ended_at: float | None = None

    def report(self, step: int | None = None, **metrics: float) -> None:
        """Reports measurements while the trial runs.

        Raises:
            StopTrial: The trial is asked to stop. Let it pass, or clean up and return.
        """
        raise StudyError(
            f"Trial {self.number} is {self.status} and takes no reports here.",
            "Reports come from the training that runs the trial, or from the process that asked for it.",
        )

    @property
    def seconds(self) -> float | None:
        """How long it ran."""
        return None if self.started_at is None or self.ended_at is None else self.ended_at - self.started_at

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]


def trial_of(row: TrialRow, objective: Objective, *, folder: Path | None = None) -> Trial:
    """The trial that a row of the store stands for."""
    return Trial(
        number=row.number,
        parameters=row.parameters,
        status=TrialStatus(row.status),
        attempt=row.attempt,
        value=None if row.loss is None else objective.loss(row.loss),
        metrics=row.metrics,
        score=row.score,
        error=row.error,
        traceback=row.traceback,
        origin=row.origin,
        folder=folder,
        slot=row.slot,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def observation_of(row: TrialRow) -> Observation:
    """The trial as controllers see it."""
    return Observation(
        number=row.number,
        parameters=row.parameters,
        status=row.status,
        loss=row.loss,
        metrics=row.metrics,
        score=row.score,
        origin=row.origin,
    )
