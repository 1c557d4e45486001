"""What the engine asks of executors and handlers.

An executor runs trials and reports what came of them; a handler reacts to what happens in a study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from meristem.space import Parameters
from meristem.spool import Measurement


class OutcomeStatus(StrEnum):
    """How a trial's execution ended, as the executor saw it."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"  # it ended because it was asked to, by `StopTrial` or by force
    ABANDONED = "abandoned"  # given up: what became of it is not known, or will not be


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back of a trial.

    Attributes:
        score: Whatever the training gave: a number, a mapping of metrics, any JSON value. The
            executor does not interpret it.
        error: One line saying why it failed.
        traceback: The details, where there are any (a Python traceback, the last lines of stderr).
        may_run: It may run on somewhere: it was asked to stop, but nothing says that it did, or it is in doubt.
    """

    status: OutcomeStatus
    score: Any = None
    error: str | None = None
    traceback: str | None = None
    may_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a trial, handed to an executor.

    Attributes:
        folder: The attempt's own folder. It may not exist yet; whoever writes into it first makes it.
        slot: Which of the engine's slots it runs in, from 0; no two running attempts share one.
        parent_folder: The folder of the trial that this one goes on from, where its controller named one.
        key: Tells this attempt from all others, in this study and elsewhere.
        deployment: What the executor reported when it deployed the attempt; None where it did not.
        origin: Who recommended it and why, as it is kept with the trial.
    """

    study: str
    number: int
    attempt: int
    parameters: Parameters
    folder: Path
    slot: int
    parent_folder: Path | None = None
    key: str = ""
    deployment: Mapping[str, Any] | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """News of one attempt: new measurements, and the outcome when it has ended (given exactly once).

    Attributes:
        deployment: A JSON object by which the attempt is found in the system that it was just deployed to. It is
            stored, and handed back with the attempt to `adopt`.
    """

    number: int
    measurements: Sequence[Measurement] = ()
    deployment: Mapping[str, Any] | None = None
    outcome: Outcome | None = None


class Executor(Protocol):
    """Runs attempts. Called from one thread only; user code that fails is an Outcome, never an exception.

    An executor may have an attribute `lasting`: its attempts go on in a system outside when the engine ends, and are
    left there to be adopted by the next one when a run is interrupted or breaks, or where they cannot be stopped. One
    that never can stop an attempt has `can_stop = False`; one that fetches metrics itself names them in `metric_names`.
    `describe_slot(slot)` gives facts on a slot for people: a mapping that may have `gpus` (ids) and `worker` (a name).
    A lasting one may have `hold()`: it launches nothing more, and what it has not launched ends as stopped.
    One that runs trials through a store may have `use_store(store)`: it is called with the study's before it is opened.
    """

    @property
    def slots(self) -> int | None:
        """How many attempts it can hold at once; None: as many as it is asked to."""
        ...

    def open(self, slots: int) -> None:
        """Gets ready to hold `slots` attempts at once."""
        ...

    def start(self, attempt: Attempt) -> None:
        """Starts `attempt` and returns at once."""
        ...

    def adopt(self, attempt: Attempt) -> bool:
        """Takes up a attempt that another, dead engine had started; False where it must be run again."""
        ...

    def poll(self, timeout: timedelta) -> Sequence[Report]:
        """What is new, waiting at most `timeout` for something to be."""
        ...

    def stop(self, number: int, grace: timedelta) -> None:
        """Asks the attempt to stop and, once `grace` has passed, ends it by force where it can.

        Returns at once; the outcome comes through `poll`. May be repeated (a shorter grace counts).
        """
        ...

    def close(self) -> None:
        """Ends whatever still runs, at once, and frees everything. May be repeated.

        An executor may have `shutdown()`, too, called after the study has ended and handlers are shut down. One
        whose attempts can be adopted may also have `release()`: it frees everything and lets them
        go on, since another engine has taken the study over.
        """
        ...


class Handler(Protocol):
    """Reacts to events inside a study. Calls to one handler never overlap."""

    def handle(self, event: Any, run: Any) -> None:
        """Called for each event, handlers in configured order. `event` is one of `meristem.study.happenings`,
        `run` a `StudyRun`: read the study from it, or ask it to stop."""
        ...

    def shutdown(self, run: Any) -> None:
        """Called once after the study has ended, handlers in reverse order."""
        ...
