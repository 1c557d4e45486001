"""Keeps the folders of the best trials and removes the others; a link `best` leads to the best.

What to keep is read from the store each time, so a run that was killed half-way is put right by
the next one.
"""

from __future__ import annotations

import bisect
import os
import shutil
from pathlib import Path

from meristem.errors import InputError
from meristem.handlers.handler import Handler
from meristem.study.happenings import StudyEnded, StudyStarted, TrialEnded
from meristem.study.run import StudyRun
from meristem.study.trial import Trial, TrialStatus


class KeepBest(Handler):
    """Manages disk space: of all ended trials only the `keep` best keep their folders.

    Args:
        keep: How many folders to keep.
        keep_failed: Whether folders of failed trials stay, for their logs.
    """

    def __init__(self, keep: int = 3, keep_failed: bool = True) -> None:
        if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
            raise InputError(f"keep_best got keep={keep!r}.", fix="Give a whole number from 1.")
        self.keep, self.keep_failed = keep, keep_failed
        self._kept: list[tuple[float, int, Path]] = []  # loss, number, folder; best first

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        self._kept = []
        for trial in run.completed():
            self._consider(trial, run)
        self._link(run.folder)

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        trial = event.trial
        if trial.status == TrialStatus.COMPLETED:
            self._consider(trial, run)
            self._link(run.folder)
        elif trial.folder is not None and not self.keep_failed:
            shutil.rmtree(trial.folder, ignore_errors=True)

    def study_ended(self, event: StudyEnded, run: StudyRun) -> None:
        self._link(run.folder)

    def _consider(self, trial: Trial, run: StudyRun) -> None:
        assert trial.value is not None
        assert trial.folder is not None
        bisect.insort(self._kept, (run.objective.loss(trial.value), trial.number, trial.folder))
        for _loss, _number, folder in self._kept[self.keep :]:
            shutil.rmtree(folder, ignore_errors=True)
        del self._kept[self.keep :]

    def _link(self, root: Path) -> None:
        """Points `best` at the best trial's folder, in one step, so that it is valid at any moment."""
        existing = [folder for _loss, _number, folder in self._kept if folder.exists()]
        link = root / "best"
        if not existing:
            link.unlink(missing_ok=True)
            return
        if link.is_symlink() and os.readlink(link) == existing[0].name:
            return
        fresh = root / f".best.{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(existing[0].name)
        fresh.replace(link)
