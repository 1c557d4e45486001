"""The `mmar` executor: trials are trainings of a Medical Model Archive (MMAR), each in a copy of its own.

A run has a folder, and in it each job its MMAR, `W<worker>_<job of that worker>_J<trial>`, as in Clara AutoML. Beside
what the training writes, a job has a folder `meristem` with its report, its process and its exit code.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from meristem.bundles import SearchedConfig, Variables, read_json, read_search, takes_argument, write_json
from meristem.clara.keys import ContextKey, MMARPropKey
from meristem.clara.run import ClaraRun, Job
from meristem.errors import InputError, MeristemError, one_line
from meristem.executors.command import CommandExecutor
from meristem.executors.command_outcome import completed_or_failed
from meristem.executors.launch import Surroundings
from meristem.executors.mmar_copy import (
    LOG_FILE,
    RUNS_FOLDER,
    TRACES_FOLDER,
    copy_mmar,
    key_content,
    links_leading_out,
)
from meristem.executors.mmar_jobs import Jobs, make_run_folder
from meristem.executors.placeholders import Command
from meristem.executors.searched_study import differences, objective_of
from meristem.executors.train_stats import STATS_FILE, TrainStats, read_stats
from meristem.processes.gpus import gpus_of
from meristem.space import Space
from meristem.spool import Measurement
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report

log = logging.getLogger("meristem.executors")

CONFIG_FILE, ENVIRONMENT_FILE = "config/config_train.json", "config/environment.json"
VALUES_FILE, _OWNER_FILE = "recommendation.json", ".mmar"
_COMMANDS = ("commands/automl_train_round.sh", "commands/train.sh")
_SCORE = "score"
_COPY_SECONDS = 0.05  # between two looks at copies that are being made


@dataclass(frozen=True, slots=True, kw_only=True)
class MmarFiles:
    """What stands in the files of an MMAR.

    Attributes:
        environment: What environment.json holds.
        unknown: Variables that nobody gives, with the places in the configuration that refer to them.
    """

    searched: SearchedConfig
    variables: Variables
    environment: Mapping[str, Any]
    unknown: Mapping[str, Sequence[str]]


def read_mmar(mmar: Path, train_config_file: str, given: Mapping[str, Any]) -> MmarFiles:
    """Reads what is searched in an MMAR, and what its variables stand for.

    Args:
        given: Variables that count more than those of the MMAR.

    Raises:
        InputError: It has mistakes, or searches nothing; lists all of them.
    """
    source = mmar / train_config_file
    config = read_json(source)
    environment = read_json(mmar / ENVIRONMENT_FILE) if (mmar / ENVIRONMENT_FILE).exists() else {}
    variables = Variables.of(config, environment, given)
    searched = read_search(config, variables=variables, has_argument=takes_argument, source=str(source))
    unknown = variables.unknown(config)
    return MmarFiles(searched=searched, variables=variables, environment=environment, unknown=unknown)


class MmarExecutor(CommandExecutor):
    """Trains copies of an MMAR, with the values that its `search` items ask for.

    Args:
        mmar: The folder of the MMAR; nothing in it is changed.
        run_folder: Where the jobs' MMARs are made; by default `automl/<run_id>` in the MMAR.
        run_id: Of the default folder.
        train_config_file: Within the MMAR.
        command: What trains, in the job's MMAR; by default `commands/automl_train_round.sh`, else `commands/train.sh`.
        key_mmar_content_only: Copies configurations, commands and resources alone.
        data_list_file_name: A file in `config/` that is copied with them.
        set: Variables that count more than those of the configuration and of environment.json.
        metric: What the score is called; by default the metric with `is_key_metric`.
        slots: Trainings at a time; by default one for each group of GPUs.
        gpus: GPU ids, `,` within a slot and `:` between slots: `"0,1:2,3"`.

    Attributes:
        searched: What the configuration says is searched.

    Raises:
        InputError: Any of these cannot be used; all mistakes are listed.
    """

    def __init__(
        self, mmar: str | Path, *, run_folder: str | Path | None = None, run_id: str | None = None,
        train_config_file: str = CONFIG_FILE, command: Command | None = None, key_mmar_content_only: bool = False,
        data_list_file_name: str | None = None, set: Mapping[str, Any] | None = None, metric: str | None = None,
        slots: int | None = None, gpus: str | None = None,
    ) -> None:  # fmt: skip
        self._base = Path(mmar).absolute()
        problems = self._mmar_problems(command, train_config_file)
        if data_list_file_name and not (self._base / "config" / data_list_file_name).is_file():
            problems.append(f"there is no data list config/{data_list_file_name} in it")
        if run_folder is None and run_id is None:
            problems.append("neither run_id nor run_folder is given: how should the run be called?")
        if problems:
            raise InputError(f"The MMAR {self._base} cannot be used", problems)
        super().__init__(command or self._shipped_command(), slots=slots, gpus=gpus)
        self._run = Path(run_folder).absolute() if run_folder else self._base / RUNS_FOLDER / str(run_id)
        self._config_file = train_config_file
        self._set = dict(set or {})
        self._files = read_mmar(self._base, train_config_file, self._set)
        self.searched = self._files.searched
        if problems := self._run_problems():
            raise InputError(f"The MMAR {self._base} cannot be used", problems)
        self._own = {Path(train_config_file).parts[0], "config", "models", self._models.split("/")[0]}
        self.metric = metric or self.searched.key_metric or _SCORE
        self._wanted = key_content(data_list_file_name) if key_mmar_content_only else lambda path: True
        self._stats: dict[int, tuple[tuple[int, int], TrainStats]] = {}
        self._told: dict[int, int] = {}
        self._jobs = Jobs(self._run)
        self._homes: dict[int, Path | None] = {}
        self._copies: ThreadPoolExecutor | None = None
        self._copying: dict[int, tuple[Attempt, Future[None]]] = {}
        self._stopped: dict[int, None] = {}
        self.share(ClaraRun())

    @property
    def space(self) -> Space:
        """What is searched: one parameter for each `search` item."""
        return self.searched.space

    @property
    def objective(self) -> str:
        """The key metric, to be maximized."""
        return objective_of(self.metric)

    def expect(self, names: Collection[str]) -> list[str]:
        """Returns, as sentences, in what a study's parameters differ from what is searched in the MMAR."""
        return differences(self.space, names, "the MMAR")

    def share(self, run: ClaraRun) -> None:
        """Tells components in Clara's style where runs and jobs are."""
        self.run = run
        run.gpus_of = lambda slot: gpus_of(self._gpus, slot)
        run.details = self._told_of
        run.context.set_prop(MMARPropKey.AUTOML_ROOT, str(self._run.parent))
        run.context.set_prop(MMARPropKey.RUN_ROOT, str(self._run))

    # As executors do

    def describe_slot(self, slot: int) -> dict[str, Any]:
        """Its worker, as Clara and the jobs' folders name it, and its GPUs."""
        return {"worker": f"W{slot + 1}", **super().describe_slot(slot)}

    def open(self, slots: int) -> None:
        """Makes the run's folder.

        Raises:
            InputError: It cannot be made.
        """
        make_run_folder(self._run)
        self._own_run()
        if leading_out := links_leading_out(self._base, self._own):
            shown = "; ".join(leading_out[:5]) + (" …" if len(leading_out) > 5 else "")
            log.warning("Links lead out of the MMAR, and all trials share what they lead to: %s", shown)
        for name, places in self._files.unknown.items():
            log.warning("Nobody gives the variable {%s}, which stands in %s", name, ", ".join(places[:3]))
        self._copies = ThreadPoolExecutor(1, thread_name_prefix="copy-mmar")

    def start(self, attempt: Attempt) -> None:
        assert self._copies is not None
        self._jobs.discard(attempt.number, attempt.key)
        job = self._jobs.folder(attempt.number, attempt.attempt, attempt.slot)
        placed = replace(attempt, folder=job / TRACES_FOLDER)
        self._homes[attempt.number] = _home_of(attempt)
        self._copying[attempt.number] = (placed, self._copies.submit(self._make_job, job, placed))

    def adopt(self, attempt: Attempt) -> bool:
        taken_up = super().adopt(attempt)
        if taken_up and attempt.deployment is None:  # killed before it was stored where the job is
            self._homes[attempt.number] = _home_of(attempt)
            self._unstarted.append(self._deployed(self._place(attempt)))
        return taken_up

    def poll(self, timeout: timedelta) -> Sequence[Report]:
        end = time.monotonic() + timeout.total_seconds()
        while True:
            self._start_copied()
            left = max(0.0, end - time.monotonic())
            found = super().poll(timedelta(seconds=min(left, _COPY_SECONDS) if self._copying else left))
            for report in found:
                if report.outcome is not None:
                    self._stats.pop(report.number, None)
                    self._told.pop(report.number, None)
            if found or time.monotonic() >= end:
                return found

    def stop(self, number: int, grace: timedelta) -> None:
        if number in self._copying:
            self._stopped[number] = None
            self._copying[number][1].cancel()
        super().stop(number, grace)

    def close(self) -> None:
        super().close()
        self._end_copying()

    def release(self) -> None:
        super().release()
        self._end_copying()

    def _end_copying(self) -> None:
        """Ends copies that are being made, and removes those of which nothing was started."""
        if self._copies is not None:
            self._copies.shutdown(cancel_futures=True)
        for attempt, _ in self._copying.values():
            shutil.rmtree(attempt.folder.parent, ignore_errors=True)
        self._copying.clear()
        self._stopped.clear()

    # One job

    def _make_job(self, job: Path, attempt: Attempt) -> None:
        """The job's MMAR, which appears when it is whole, with the values put in."""
        self._jobs.claim(job)
        copy_mmar(
            self._base, job, wanted=self._wanted, own=self._own, begin=lambda part: self._jobs.mark(part, attempt.key),
            finish=lambda part: self._put_in(part, attempt),
        )  # fmt: skip

    def _put_in(self, folder: Path, attempt: Attempt) -> None:
        write_json(folder / self._config_file, self.searched.applied(attempt.parameters))
        if self._set:
            write_json(folder / ENVIRONMENT_FILE, {**self._files.environment, **self._set})
        stats = self._stats_file(folder)
        stats.parent.mkdir(parents=True, exist_ok=True)
        stats.unlink(missing_ok=True)  # what the MMAR was shipped with is not this job's
        write_json(folder / TRACES_FOLDER / VALUES_FILE, self.searched.values_of(attempt.parameters))

    def _start_copied(self) -> None:
        for number, (attempt, copying) in [item for item in self._copying.items() if item[1][1].done()]:
            del self._copying[number]
            stopped = number in self._stopped
            self._stopped.pop(number, None)
            error = None if copying.cancelled() else copying.exception()
            if error is not None and not isinstance(error, (OSError, MeristemError)):
                raise error
            if stopped or error is not None:
                shutil.rmtree(attempt.folder.parent, ignore_errors=True)
                why = None if error is None else f"its MMAR could not be made: {one_line(error)}"
                status = OutcomeStatus.STOPPED if stopped else OutcomeStatus.FAILED
                self._unstarted.append(Report(number=number, outcome=Outcome(status=status, error=why)))
            else:
                self._unstarted.append(self._deployed(attempt))
                super().start(attempt)

    def _deployed(self, attempt: Attempt) -> Report:
        """Where the job is; seen from the study's store if it lies beneath that, so that both can be moved together."""
        job, home = attempt.folder.parent, self._homes.pop(attempt.number, None)
        seen = job.relative_to(home) if home is not None and job.is_relative_to(home) else job
        return Report(number=attempt.number, deployment={"folder": str(seen)})

    def _own_run(self) -> None:
        """Raises InputError where the run's folder, which is not in this MMAR, is another MMAR's."""
        if self._run.is_relative_to(self._base):
            return
        owner = self._run / _OWNER_FILE
        with suppress(FileExistsError), open(owner, "x", encoding="utf-8") as file:
            file.write(str(self._base))
        if (other := owner.read_text(encoding="utf-8")) != str(self._base):
            raise InputError(f"The run {self._run} is of the MMAR {other}.", fix="Give this one another run_id.")

    def _prepare(self, attempt: Attempt) -> tuple[Surroundings, Attempt]:
        folder = attempt.folder.parent
        env = {"MMAR_ROOT": str(folder)}
        command = ["/bin/sh", "-c", 'exec "$@" > "$MMAR_ROOT/log.txt" 2>&1', "sh", *self._arguments()]
        return Surroundings(command=command, cwd=folder, env=env, as_it_is=True), attempt

    def _place(self, attempt: Attempt) -> Attempt:
        folder = self._jobs.find(attempt.number, attempt.key)
        return attempt if folder is None else replace(attempt, folder=folder / TRACES_FOLDER)

    # What it measures

    def _news(self, attempt: Attempt, *, final: bool) -> list[Measurement]:
        path = self._stats_file(attempt.folder.parent)
        try:
            found = path.stat()
        except OSError:
            return []
        mark = (found.st_mtime_ns, found.st_size)
        if (known := self._stats.get(attempt.number)) is not None and known[0] == mark:
            return []
        stats = read_stats(path)
        if stats is None:
            return []
        self._stats[attempt.number] = (mark, stats)
        told = self._told.get(attempt.number, 0)
        self._told[attempt.number] = len(stats.curve)
        return [Measurement(metric=self.metric, step=step, value=value) for step, value in stats.curve[told:]]

    def _judge(self, attempt: Attempt, code: int | None, *, reported: bool, faults: Sequence[str]) -> Outcome:
        folder = attempt.folder.parent
        if code != 0:
            return completed_or_failed(folder, code, reported=True, faults=faults, errors_in=LOG_FILE)
        stats = read_stats(self._stats_file(folder))
        if stats is not None and stats.best is not None:
            return Outcome(status=OutcomeStatus.COMPLETED, score={self.metric: stats.best})
        if reported:
            return Outcome(status=OutcomeStatus.COMPLETED)
        where = self._stats_file(folder).relative_to(folder)
        there = "cannot be read as JSON" if (folder / where).exists() else "was not written"
        why = there if stats is None else "has no value of the key metric: it never validated"
        return Outcome(status=OutcomeStatus.FAILED, error=f"the training ended well, but {where} {why}")

    @property
    def _models(self) -> str:
        """Where checkpoints and statistics are, from the MMAR."""
        models = self._files.variables.values.get("MMAR_CKPT_DIR")
        return models if isinstance(models, str) and models else "models"

    def _stats_file(self, folder: Path) -> Path:
        return folder / self._models / STATS_FILE

    def _told_of(self, job: Job) -> dict[str, str]:
        folder = self._jobs.folder(job.number, job.attempt, job.slot)
        return {ContextKey.JOB_NAME: folder.name, MMARPropKey.JOB_MMAR_ROOT: str(folder)}

    # Checks

    def _shipped_command(self) -> Command:
        return [next(path for path in _COMMANDS if (self._base / path).is_file())]

    def _arguments(self) -> list[str]:
        if isinstance(self._command, str):
            return ["/bin/sh", "-c", self._command]
        first, *rest = map(str, self._command)
        script = self._base / first
        if not script.is_file():
            return [first, *rest]
        return [f"./{first}", *rest] if os.access(script, os.X_OK) else ["/bin/bash", first, *rest]

    def _run_problems(self) -> list[str]:
        problems = []
        if os.path.isabs(self._models) or ".." in Path(self._models).parts:
            problems.append(f"MMAR_CKPT_DIR={self._models!r} leads out of it, so that all jobs would share one folder")
        if self._run.is_relative_to(self._base) and not self._run.is_relative_to(self._base / RUNS_FOLDER):
            problems.append(f"the run {self._run} would lie in it, and be copied with it: choose a folder outside")
        return problems

    def _mmar_problems(self, command: Command | None, config_file: str) -> list[str]:
        if not self._base.is_dir():
            return ["there is no such folder"]
        problems = []
        if not (self._base / config_file).is_file():
            problems.append(f"it has no {config_file}")
        if command is None and not any((self._base / path).is_file() for path in _COMMANDS):
            problems.append(f"it has no {' and no '.join(_COMMANDS)}; or give a command")
        return problems


def _home_of(attempt: Attempt) -> Path | None:
    """The folder in which the study's folders are: `HOME/meristem-trials/STUDY/TRIAL` is the attempt's."""
    parents = attempt.folder.absolute().parents
    return parents[2] if len(parents) > 2 else None
