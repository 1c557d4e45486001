"""Where studies and trials stand, and the one table of a trial's legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from meristem.errors import IllegalMove


class StudyStatus(StrEnum):
    """Where a study stands."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"  # the budget is used, or there is nothing more to try
    STOPPED = "stopped"  # somebody asked for it
    INTERRUPTED = "interrupted"  # Ctrl-C, or the engine died
    FAILED = "failed"


class TrialStatus(StrEnum):
    """Where a trial stands."""

    WAITING = "waiting"  # proposed, or to be run again
    RUNNING = "running"
    COMPLETED = "completed"  # has a finite value of every objective
    FAILED = "failed"
    STOPPED = "stopped"  # ended early on request; what it measured counts for models, not as the best
    ABANDONED = "abandoned"  # given up by hand


MOVES: Mapping[TrialStatus, frozenset[TrialStatus]] = {
    TrialStatus.WAITING: frozenset({TrialStatus.RUNNING, TrialStatus.ABANDONED}),
    TrialStatus.RUNNING: frozenset(set(TrialStatus)),  # to running: it was deployed
    TrialStatus.COMPLETED: frozenset(),
    TrialStatus.FAILED: frozenset(),
    TrialStatus.STOPPED: frozenset(),
    TrialStatus.ABANDONED: frozenset(),
}
ENDED = frozenset(status for status, onward in MOVES.items() if not onward)


def check_move(number: int, before: str, after: str) -> None:
    """Raises IllegalMove where the table has no such move of trial `number`."""
    if TrialStatus(after) not in MOVES[TrialStatus(before)]:
        raise IllegalMove(f"Trial {number}", before, after)
