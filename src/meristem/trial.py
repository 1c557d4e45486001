"""One point of the space that is tried, as users see it: inside the training, and afterwards.

Only the standard library is imported: this file is loaded into every worker process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meristem.errors import StudyError
from meristem.statuses import TrialStatus


@dataclass(frozen=True, kw_only=True, repr=False)
class Trial:
    """A trial.

    Attributes:
        number: From 1, in order of proposal.
        parameters: Active parameters by name; inactive ones are absent.
        value: The objective as measured, in the user's sense; None where nothing usable was, and in studies
            of several objectives.
        values: All objectives by name; empty where nothing usable was measured.
        metrics: Final values by metric; NaN and infinity are kept as they were. `sems` has their standard
            errors, where they are known.
        error: One line saying why it failed; `traceback` has the details.
        slot: Which of the study's slots it runs in, from 0; `gpus` are the ids of that slot's GPUs.
        started_at, ended_at: Seconds since the epoch.
    """

    number: int
    parameters: Mapping[str, Any]
    study: str = ""
    status: TrialStatus = TrialStatus.RUNNING
    attempt: int = 1
    value: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    sems: Mapping[str, float] = field(default_factory=dict)
    score: Any = None
    error: str | None = None
    traceback: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    slot: int | None = None
    gpus: tuple[str, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None
    place: Path | None = None
    parent_folder: Path | None = None

    @property
    def folder(self) -> Path | None:
        """The trial's own folder; files in it stay with the trial. Made when the training first asks for it."""
        return self.place

    @property
    def seconds(self) -> float | None:
        """How long it ran."""
        return None if self.started_at is None or self.ended_at is None else self.ended_at - self.started_at

    def report(self, step: int | None = None, **metrics: Any) -> None:
        """Reports metrics while the trial runs, at `step` or (without one) as final values.

        Args:
            metrics: Numbers, or pairs (mean, standard error).

        Raises:
            StopTrial: The trial is asked to stop. Let it pass, or clean up and return.
            InputError: A metric is neither a number nor such a pair.
        """
        raise StudyError(
            f"Trial {self.number} is {self.status} and takes no reports here.",
            "Reports come from the training that runs the trial, or from the process that asked for it.",
        )

    def stop_asked(self) -> bool:
        """Whether the trial was asked to stop, for trainings that want to tidy up first."""
        return False

    def get(self, name: str, default: Any = None) -> Any:
        """The parameter's value, or `default` where it is inactive."""
        return self.parameters.get(name, default)

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def __contains__(self, name: object) -> bool:
        return name in self.parameters

    def __repr__(self) -> str:
        values = "".join(f", {name}={value:.6g}" for name, value in self.values.items())
        error = f", error={self.error!r:.80}" if self.error else ""
        return f"Trial({self.number}, {self.status}{values}{error}, parameters={dict(self.parameters)})"
