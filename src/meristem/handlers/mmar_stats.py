"""What Clara's MMARStatsHandler does: tells in the end what the jobs of a run came to, and what disk they take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from meristem.handlers.freed import disk_size, freed_sizes
from meristem.handlers.handler import Handler
from meristem.statuses import TrialStatus
from meristem.study.happenings import StudyEnded, StudyStarted
from meristem.study.run import StudyRun

_JOBS = "W*_*_J*"  # names of jobs' MMARs, also of those that have not ended


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStats:
    """What all jobs of a run came to, also those of earlier runs that it goes on from.

    Attributes:
        outcomes: How many jobs, by outcome.
        scores: Of completed jobs, best first.
        seconds: How long each job that has ended took, shortest first.
        kept: MMARs that are there, by their bytes on disk; what is shared with the base MMAR counts for each.
        freed: MMARs that were removed.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    scores: Sequence[float] = ()
    seconds: Sequence[float] = ()
    kept: dict[Path, int] = field(default_factory=dict)
    freed: dict[Path, int] = field(default_factory=dict)

    @classmethod
    def of(cls, run: StudyRun) -> JobStats:
        """Counts them: from the store, and on disk."""
        objective = run.goals.objectives[0]
        outcomes: Counter[str] = Counter()
        scores, seconds, folders = [], [], set()
        for trial in run.ended_trials():
            outcomes[trial.status.value] += 1
            if trial.status == TrialStatus.COMPLETED and objective.metric in trial.values:
                scores.append(trial.values[objective.metric])
            if trial.seconds is not None:
                seconds.append(trial.seconds)
            if trial.folder is not None:
                folders.add(trial.folder)
        parents = {folder.parent for folder in folders}
        unfinished = {path for parent in parents for path in parent.glob(_JOBS)}
        freed = {folder: size for parent in parents for folder, size in freed_sizes(parent).items()}
        kept = {folder: disk_size(folder) for folder in sorted(folders | unfinished) if folder.is_dir()}
        return cls(
            outcomes=dict(outcomes.most_common()), scores=sorted(scores, key=objective.loss), seconds=sorted(seconds),
            kept=kept, freed=freed,
        )  # fmt: skip


class MmarStats(Handler):
    """Prints, when the study has ended, how its jobs ended, their scores and times, and the disk that their MMARs take.

    Args:
        show: Whether to print the table; the numbers are in `summary()` in any case.
    """

    def __init__(self, show: bool = True, console: Console | None = None) -> None:
        self.show = show
        self.stats = JobStats()
        self._console = console or Console(stderr=True)

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        self.stats = JobStats()

    def study_ended(self, event: StudyEnded, run: StudyRun) -> None:
        self.stats = JobStats.of(run)
        if self.show:
            self._console.print(_table(self.stats, run))

    def summary(self) -> dict[str, Any]:
        """The numbers: jobs by outcome, scores and seconds (best, shortest first), MMARs and their bytes on disk."""
        stats = self.stats
        return {
            "jobs": stats.outcomes,
            "scores": _spread(stats.scores, ("best", "median", "worst")),
            "seconds": {**_spread(stats.seconds, ("shortest", "median", "longest")), "total": sum(stats.seconds)},
            "mmars": len(stats.kept),
            "size_bytes": sum(stats.kept.values()),
            "freed_mmars": len(stats.freed),
            "freed_bytes": sum(stats.freed.values()),
        }


def _spread(values: Sequence[float], names: tuple[str, str, str]) -> dict[str, float]:
    return dict(zip(names, (values[0], median(values), values[-1]), strict=True)) if values else {}


def _table(stats: JobStats, run: StudyRun) -> Table:
    table = Table(title=f"MMARs of run {run.name}", title_justify="left", show_header=False)
    jobs = ", ".join(f"{count} {outcome}" for outcome, count in stats.outcomes.items())
    table.add_row("jobs", f"{sum(stats.outcomes.values())}: {jobs}" if jobs else "none has ended")
    spread = _spread(stats.scores, ("best", "median", "worst"))
    shown = ", ".join(f"{name} {value:.6g}" for name, value in spread.items())
    table.add_row(run.goals.objectives[0].metric, shown or "no job has a score")
    if stats.seconds:
        spread = _spread(stats.seconds, ("shortest", "median", "longest"))
        shown = ", ".join(f"{name} {value:.1f} s" for name, value in spread.items())
        table.add_row("time of a job", f"{shown}; {sum(stats.seconds):.1f} s in all")
    table.add_row("on disk", _disk(stats.kept))
    table.add_row("freed", _disk(stats.freed))
    return table


def _disk(sizes: dict[Path, int]) -> str:
    return f"{len(sizes)} MMARs, {_readable(sum(sizes.values()))}" if sizes else "none"


def _readable(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
