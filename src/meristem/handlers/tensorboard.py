"""Writes what trials do as TensorBoard logs: a run for each trial, which the HPARAMS tab compares.

A file is judged by what is in it: one that does not say its end is written anew from the store, so that what an engine
that was killed left undone, or what could not be written, is put right later.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meristem.errors import InputError, one_line
from meristem.handlers.event_file import EventFile, SessionStatus, event_files, is_complete
from meristem.handlers.handler import Handler
from meristem.spool import Measurement
from meristem.statuses import ENDED, TrialStatus
from meristem.study.happenings import MeasurementReported, StudyEnded, StudyStarted, TrialEnded, TrialStarted
from meristem.study.run import StudyRun
from meristem.trial import Trial

log = logging.getLogger("meristem.handlers")

FOLDER, FINAL = "tensorboard", "final"
_LONGEST_TRACEBACK = 10_000  # characters, the last of it


class TensorboardLog(Handler):
    """Writes TensorBoard logs. Nothing is installed for it; `meristem[tensorboard]` has what shows them.

    Each trial is a run: what it reports are scalars by step; what it came to are scalars `final/METRIC` at the trial's
    number; a text has its parameters, one `NAME => value` a line, under its name or that of its job. An attempt that is
    tried again is a run of its own, of the same session group.

    Args:
        log_dir: In it the study has a folder, and each trial a folder in that. By default the folder `tensorboard`
            in the study's folder.
    """

    def __init__(self, log_dir: str | Path | None = None) -> None:
        if log_dir is not None and not (isinstance(log_dir, (str, Path)) and str(log_dir).strip()):
            raise InputError(f"tensorboard got log_dir={log_dir!r:.60}.", fix="Give a folder, or leave it out.")
        self.log_dir = None if log_dir is None else Path(log_dir).expanduser().absolute()
        self._open: dict[int, _TrialLog] = {}
        self._missing: dict[int, None] = {}  # trials that could not be written
        self._warned = False

    def folder(self, run: StudyRun) -> Path:
        """Where the study's runs are: what `tensorboard --logdir` wants."""
        return run.folder / FOLDER if self.log_dir is None else self.log_dir / run.folder.name

    def study_started(self, event: StudyStarted, run: StudyRun) -> None:
        self._open, self._missing, self._warned = {}, {}, False
        for trial in run.ended_trials():
            self._write_whole(trial, run, only_incomplete=True)

    def trial_started(self, event: TrialStarted, run: StudyRun) -> None:
        trial = event.trial
        self._missing.pop(trial.number, None)
        try:
            self._close_earlier(trial, run)
            self._open[trial.number] = self._begun(trial, run)
        except OSError as error:
            self._failed(trial.number, error, run)

    def measurement_reported(self, event: MeasurementReported, run: StudyRun) -> None:
        if (opened := self._open.get(event.trial.number)) is None:
            return
        try:
            opened.name_it(event.trial, run)
            opened.measure(event.measurement)
        except OSError as error:
            self._failed(event.trial.number, error, run)

    def trial_ended(self, event: TrialEnded, run: StudyRun) -> None:
        trial = event.trial
        opened = self._open.pop(trial.number, None)
        if opened is None and not event.again:
            self._write_whole(trial, run)
        if opened is None:
            return
        try:
            opened.name_it(trial, run)
            opened.end(trial)
        except OSError as error:
            self._failed(trial.number, error, run)
        finally:
            opened.close()

    def study_ended(self, event: StudyEnded, run: StudyRun) -> None:
        for number in list(self._missing):
            trial = run.get_trial(number)
            if trial.status in ENDED:
                self._write_whole(trial, run)
        if self._missing:
            log.warning(
                "TensorBoard logs of %d trials are not whole; the next run of the study writes them.",
                len(self._missing),
            )

    def shutdown(self, run: StudyRun) -> None:
        for opened in self._open.values():
            opened.close()
        self._open.clear()

    def _folder_of(self, trial: Trial, run: StudyRun, attempt: int) -> Path:
        return self.folder(run) / run.folder_of(trial.number, attempt).name

    def _begun(self, trial: Trial, run: StudyRun) -> _TrialLog:
        """The log of a trial, with what is known of it already: one that is taken up has measured before."""
        folder = self._folder_of(trial, run, trial.attempt)
        earlier, known = event_files(folder), run.measurements(trial.number)
        opened = _TrialLog(EventFile(folder), group=f"{run.folder.name}/{run.folder_of(trial.number).name}")
        try:
            opened.begin(trial, known)
            for path in earlier:
                path.unlink(missing_ok=True)
        except OSError:
            opened.close()
            raise
        return opened

    def _write_whole(self, trial: Trial, run: StudyRun, *, only_incomplete: bool = False) -> None:
        """The log of a trial that has ended."""
        try:
            if only_incomplete:
                files = event_files(self._folder_of(trial, run, trial.attempt))
                if files and is_complete(files[-1]):
                    return
            self._close_earlier(trial, run)
            opened = self._begun(trial, run)
            try:
                opened.name_it(trial, run)
                opened.end(trial)
            finally:
                opened.close()
            self._missing.pop(trial.number, None)
        except OSError as error:
            self._failed(trial.number, error, run)

    def _close_earlier(self, trial: Trial, run: StudyRun) -> None:
        """Says of earlier attempts that they ended; an engine that was killed could not."""
        for attempt in range(1, trial.attempt):
            folder = self._folder_of(trial, run, attempt)
            files = event_files(folder)
            if files and not is_complete(files[-1]):
                closing = EventFile(folder)
                closing.session_end(SessionStatus.FAILURE, at=time.time())
                closing.close()

    def _failed(self, number: int, error: OSError, run: StudyRun) -> None:
        if (opened := self._open.pop(number, None)) is not None:
            opened.close()  # it may end within a record
        self._missing[number] = None
        if not self._warned:
            self._warned = True
            log.warning(
                "TensorBoard logs cannot be written to %s (%s). The study goes on; they are written once that works.",
                self.folder(run), one_line(error),
            )  # fmt: skip


class _TrialLog:
    """The log of one attempt of a trial.

    Args:
        group: What all attempts of the trial share.
    """

    def __init__(self, file: EventFile, *, group: str) -> None:
        self._file, self._group = file, group
        self._named = False
        self._known: set[tuple[str, int | None]] = set()

    def begin(self, trial: Trial, known: list[Measurement]) -> None:
        hparams = {name: _hparam(value) for name, value in trial.parameters.items()}
        self._file.session_start(hparams, group=self._group, at=trial.started_at or time.time())
        for measurement in known:
            self.measure(measurement)
        self._known = {(m.metric, m.step) for m in known}

    def name_it(self, trial: Trial, run: StudyRun) -> None:
        """Writes its parameters under its name; that of its job, where it has one, is known once it is deployed."""
        if self._named:
            return
        self._named = True
        own = run.folder_of(trial.number, trial.attempt)
        name = f"trial {trial.number}" if trial.folder in (None, own) else getattr(trial.folder, "name", "")
        self._file.text(name, _code(_lines(trial.parameters)), at=time.time())

    def measure(self, m: Measurement) -> None:
        # Of a trial that was taken up, all that it ever measured may be told again.
        if m.step is not None and (m.metric, m.step) not in self._known:
            self._file.scalar(m.metric, m.value, step=m.step, at=m.at or time.time())

    def end(self, trial: Trial) -> None:
        at = trial.ended_at or time.time()
        for metric, value in trial.metrics.items():
            self._file.scalar(f"{FINAL}/{metric}", value, step=trial.number, at=at)
        if trial.error:
            details = (trial.traceback or "")[-_LONGEST_TRACEBACK:]
            self._file.text("error", _code(f"{trial.error}\n{details}"), at=at)
        good = trial.status in (TrialStatus.COMPLETED, TrialStatus.STOPPED)
        self._file.session_end(SessionStatus.SUCCESS if good else SessionStatus.FAILURE, at=at)

    def close(self) -> None:
        self._file.close()


def _hparam(value: Any) -> float | bool | str:
    if isinstance(value, (bool, str, float)):
        return value
    return float(value) if isinstance(value, int) and abs(value) <= 1 << 53 else json.dumps(value, default=str)


def _lines(parameters: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{name} => {value if isinstance(value, str) else json.dumps(value, default=str)}"
        for name, value in parameters.items()
    )


def _code(text: str) -> str:
    """As Markdown that shows it letter by letter."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines())
