"""Keeps the folders of the best trials and removes the others; a link `best` leads to the best.

What to keep is read from the store each time, so a run that was killed half-way is put right by
the next one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from meristem.errors import InputError
from meristem.handlers.handler import Handler
from meristem.statuses import TrialStatus
from meristem.study.happenings import StudyEnded, StudyStarted, TrialEnded
from meristem.study.run import StudyRun
from meristem.trial import Trial


class KeepBest(Handler):
    """Manages disk space: of all ended trials only the `keep` best keep their folders.

    Where there are several objectives, all trials that no other beats in everything keep theirs.

    Args:
        keep: How many folders to keep; None: all, and only the link is made.
        keep_failed: Whether folders of failed trials stay, for their logs.
    """

    def __init__(self, keep: int | None = 3, keep_failed: bool = True) -> None:
        if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int) or keep < 1):
            raise InputError(f"keep_best got keep={keep!r}.", fix="Give a whole number from 1.")
        self.keep, self.keep_failed = keep, keep_failed
        self._kept: set[Path] = set()

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        """Puts right what an engine that was killed left undone."""
        wanted = self._link(run)
        self._kept = wanted
        for trial in run.ended_trials() if self.keep is not None else ():
            if trial.status != TrialStatus.FAILED or not self.keep_failed:
                self._remove(run, trial, sparing=wanted)

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        if event.again:
            return
        wanted = self._link(run)
        if self.keep is None:
            return
        for folder in self._kept - wanted:
            self.delete(folder, run)
        self._kept = wanted
        if event.trial.status != TrialStatus.FAILED or not self.keep_failed:
            self._remove(run, event.trial, sparing=wanted)

    def study_ended(self, event: StudyEnded, run: StudyRun) -> None:
        self._link(run)

    def _link(self, run: StudyRun) -> set[Path]:
        """Points `best` at the best trial's folder, in one step, so that it is valid at any moment.

        Returns:
            The folders to keep.
        """
        best = run.best_trials(self.keep or 1)
        wanted = [trial.folder for trial in best if trial.folder is not None]
        existing = [folder for folder in wanted if folder.exists()]
        link = (wanted[0].parent if wanted else run.folder) / "best"
        if not existing:
            link.unlink(missing_ok=True)
        elif not (link.is_symlink() and os.readlink(link) == existing[0].name):
            fresh = link.with_name(f".best.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(existing[0].name)
            fresh.replace(link)
        return set(wanted)

    def delete(self, folder: Path, run: StudyRun) -> None:
        """Removes a folder that is not to be kept, with all in it."""
        shutil.rmtree(folder, ignore_errors=True)

    def _remove(self, run: StudyRun, trial: Trial, *, sparing: Iterable[Path]) -> None:
        """Removes the folders of all attempts of `trial`."""
        folders = {run.folder_of(trial.number, attempt) for attempt in range(1, trial.attempt + 1)}
        for folder in folders | ({trial.folder} if trial.folder is not None else set()):
            if folder not in sparing and folder.exists():
                self.delete(folder, run)
