"""What Clara's MMARHandler does: keeps the best MMARs and a link to the best, stops at a threshold, shows a table."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from meristem.errors import InputError
from meristem.handlers.freed import note_freed
from meristem.handlers.handler import Handler
from meristem.handlers.keep_best import KeepBest
from meristem.handlers.stop_at import StopAt
from meristem.statuses import TrialStatus
from meristem.study.happenings import StudyEnded, StudyStarted, TrialEnded
from meristem.study.run import StudyRun
from meristem.trial import Trial

_SHOWN = 20


class MmarHandler(Handler):
    """Manages the MMARs of a run.

    Args:
        num_mmars_to_keep: How many job MMARs stay, those of the best scores; None: all.
        stop_threshold: Ends the run once a job reaches this score.
        console: Where the final table goes.
    """

    def __init__(
        self, num_mmars_to_keep: int | None = None, stop_threshold: float | None = None, console: Console | None = None
    ) -> None:
        if num_mmars_to_keep is not None and (type(num_mmars_to_keep) is not int or num_mmars_to_keep < 1):
            raise InputError(
                f"num_mmars_to_keep={num_mmars_to_keep!r:.60} is no number of MMARs.",
                fix="Give a whole number from 1, or leave it out to keep all.",
            )
        self.num_mmars_to_keep = num_mmars_to_keep
        self._stop = None if stop_threshold is None else StopAt(stop_threshold)
        self._keep = _KeepMmars(num_mmars_to_keep, keep_failed=False)
        self._console = console or Console(stderr=True)

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        self._keep.study_started(event, run)
        if self._stop is not None:
            self._stop.study_started(event, run)

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        if event.trial.status == TrialStatus.FAILED and event.trial.folder is not None:
            _keep_log(event.trial.folder)
        self._keep.trial_ended(event, run)
        if self._stop is not None:
            self._stop.trial_ended(event, run)

    def study_ended(self, event: StudyEnded, run: StudyRun) -> None:
        self._keep.study_ended(event, run)
        self._console.print(self._table(run))

    def _table(self, run: StudyRun) -> Table:
        """The jobs that are kept, best first."""
        kept = self.num_mmars_to_keep
        of = "all" if kept is None else f"the {kept} best are kept"
        table = Table("score", "worker", "start", "end", title=f"Jobs of run {run.name} ({of})", title_justify="left")
        table.add_column("MMAR", overflow="fold")
        for trial in run.best_trials(min(kept or _SHOWN, _SHOWN)):
            table.add_row(
                f"{trial.value:.6g}", f"W{(trial.slot or 0) + 1}", _clock(trial.started_at), _clock(trial.ended_at),
                _root(trial),
            )  # fmt: skip
        return table


class _KeepMmars(KeepBest):
    """Keeps a note of what it frees."""

    def delete(self, folder: Path, run: StudyRun) -> None:
        note_freed(folder)
        super().delete(folder, run)


def _keep_log(job: Path) -> None:
    """What a training that failed has said stays, also when its MMAR goes."""
    kept = job.parent / "failed"
    with suppress(OSError):
        kept.mkdir(exist_ok=True)
        shutil.copyfile(job / "log.txt", kept / f"{job.name}.log")


def _clock(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%m-%d %H:%M:%S", time.localtime(seconds))


def _root(trial: Trial) -> str:
    folder = trial.folder
    return "" if folder is None else str(_short(folder))


def _short(folder: Path) -> Path:
    try:
        return folder.relative_to(Path.cwd())
    except ValueError:
        return folder
