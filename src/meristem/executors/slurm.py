"""`SlurmRunner`: each trial is a job of a Slurm cluster.

Needs Slurm's programs (sbatch, squeue, scontrol, scancel) and a folder that the nodes share; no accounting database, no
daemon of its own. A trial's folder is named by its key and made before the job, and a job claims it before it trains: a
launch may be repeated, and whatever crashed in between, a trial is trained by one job.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import tempfile
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from meristem.errors import InputError
from meristem.executors.launch import command_problems
from meristem.executors.placeholders import Command, placeholders
from meristem.executors.runner_protocol import Metadata
from meristem.executors.slurm_commands import SlurmAway, SlurmRefused, cancel, find_job, list_jobs, submit
from meristem.executors.slurm_script import SCRIPT_FILE, SLURM_LOG, claimant_of, traces_in, write_job
from meristem.executors.slurm_states import Job, Standing, standing, standing_of_unlisted
from meristem.space import Parameters
from meristem.spool import STOP_FILE
from meristem.statuses import TrialStatus

_RECORD_FILE, _LOCK_FILE = "slurm.json", "lock"
_LOCK_SECONDS = 10.0
# A job that Slurm knows no more ended long ago (MinJobAge), unless the controller has just been started anew.
_UNLISTED_SECONDS = 30.0
_OWN_OPTIONS = frozenset(
    {"parsable", "job-name", "output", "error", "array", "wait", "wrap", "chdir", "clusters", "test-only"}
)
_CHOSEN_OPTIONS = {
    "partition": "partition",
    "cpus-per-task": "cpus",
    "mem": "memory",
    "gres": "gpus",
    "time": "time_limit",
}


class SlurmRunner:
    """Runs each trial as a job of Slurm.

    Args:
        command: Text for the shell, in which no value can be run as code, or a list of arguments, as for the `command`
            executor: `{name}` stands for a parameter's value, `{trial}` for the trial's number, `{folder}` for its
            folder; it reports as programs of that executor do.
        folder: Where trials' folders are made; the nodes must see it under the same path.
        partition: None: the cluster's default.
        cpus: For each job.
        memory: For each job, as Slurm writes it, such as `"4G"`.
        gpus: For each job: a number, or with its type, such as `"a100:2"`.
        time_limit: Of each job; as text as Slurm writes it, such as `"2:00:00"`.
        environment: Variables beside those that Slurm passes on (all of this process, mostly).
        cwd: Where jobs run; None: where this process does.
        sbatch_options: Any other long options of `sbatch`, such as `{"account": "lab", "exclusive": True}`.
        poll_seconds: Between two calls of `squeue` at least; a cluster with many users may ask for more.

    Raises:
        InputError: Any of these cannot be used; all mistakes are listed.
    """

    def __init__(
        self,
        command: Command,
        *,
        folder: str | Path,
        partition: str | None = None,
        cpus: int | None = None,
        memory: str | None = None,
        gpus: int | str | None = None,
        time_limit: timedelta | str | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        sbatch_options: Mapping[str, Any] | None = None,
        poll_seconds: float = 2.0,
    ) -> None:
        limit = _slurm_time(time_limit) if isinstance(time_limit, timedelta) else time_limit
        chosen = {"partition": partition, "cpus-per-task": cpus, "mem": memory, "time": limit}
        chosen["gres"] = None if gpus is None else f"gpu:{gpus}"
        others = {str(name).replace("_", "-"): value for name, value in (sbatch_options or {}).items()}
        problems = _problems(command, environment, cwd, chosen, others) + _folder_problems(folder)
        if limit is not None and not isinstance(limit, str):  # 7200 would be minutes for Slurm, seconds for others
            problems.append(f"'time_limit' is {limit!r:.60}; give a timedelta, or text such as \"2:00:00\"")
        if problems:
            raise InputError("The Slurm runner cannot be used", problems)
        self.poll_seconds = float(poll_seconds)
        self._command: Command = command if isinstance(command, str) else [str(part) for part in command]
        self._folder = Path(folder).absolute()
        self._cwd = Path(cwd or ".").absolute()
        self._environment = {name: str(value) for name, value in (environment or {}).items()}
        self._options = _as_arguments({**chosen, **others})
        self._comments = "comment" not in others
        self._names: frozenset[str] = frozenset()
        self._unlisted_since: dict[str, float] = {}

    def expect(self, names: Collection[str]) -> list[str]:
        """Takes note of all parameters of the space, so that inactive ones become empty text.

        Returns what is wrong with the command's placeholders, as sentences.
        """
        self._names = frozenset(names)
        return placeholders(self._command, sorted(names))

    def run_trial(self, number: int, parameters: Parameters, *, key: str | None = None) -> dict[str, Any]:
        """Submits the trial's job, or finds the one that was submitted under this key before.

        Returns:
            `job_id`, `folder` and `job_name`, all text.

        Raises:
            SlurmAway: Slurm gave no answer. A job that it may make of this yet will not train.
            SlurmRefused: Slurm does not take such a job, in its words.
            InputError: A value of a parameter cannot be given to a command.
            OSError: The trial's folder cannot be written.
        """
        key = uuid.uuid4().hex if key is None else key
        folder = self._folder / f"{number}-{_digest(key)}"
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder) as descriptor:
            if (found := self._find(folder)) is not None:
                return found
            (folder / STOP_FILE).unlink(missing_ok=True)
            write_job(folder, self._command, number, parameters, self._names, self._environment)
            return self._submit(folder, key, descriptor)

    def find_trial(self, key: str) -> dict[str, Any] | None:
        """What `run_trial` returned, or would have, under this key; None where there is no job that could train.

        Raises:
            SlurmAway: Slurm gave no answer, or a submission under this key is still under way.
        """
        for folder in self._folder.glob(f"*-{_digest(key)}"):
            with _lock(folder):
                return self._find(folder)
        return None

    def poll_trial(self, number: int, metadata: Metadata) -> Standing:
        """How one trial stands, and why; see `poll_trials`."""
        return self.poll_trials({number: metadata})[number]

    def poll_trials(self, metadata_by_number: Mapping[int, Metadata]) -> dict[int, Standing]:
        """How trials stand, and why, by one call of `squeue` for all of them.

        Raises:
            SlurmAway: Slurm gave no answer that can be used.
        """
        if not metadata_by_number:
            return {}
        by_id = {job.job_id: job for job in list_jobs()}
        return {number: self._standing(metadata, by_id) for number, metadata in metadata_by_number.items()}

    def stop_trial(self, number: int, metadata: Metadata) -> None:
        """Asks the training to stop (a file `stop`, SIGTERM); Slurm kills it after its KillWait.

        Raises:
            SlurmAway: Slurm gave no answer.
            SlurmRefused: Slurm does not let this user cancel the job.
        """
        folder = Path(metadata["folder"])
        with suppress(OSError):  # a full disk or a removed folder: the signal does it
            (folder / STOP_FILE).touch()
        job_ids = {str(metadata["job_id"]), claimant_of(folder) or str(metadata["job_id"])}
        cancel(sorted(job_ids), name=_job_name(folder))

    def _submit(self, folder: Path, key: str, descriptor: int | None) -> dict[str, Any]:
        log = str(folder / SLURM_LOG).replace("%", "%%")
        name = _job_name(folder)
        arguments = [f"--job-name={name}", f"--output={log}", "--open-mode=append", f"--chdir={self._cwd}"]
        arguments += [f"--comment={key}"] if self._comments else []
        try:
            job_id = submit([*arguments, *self._options, str(folder / SCRIPT_FILE), str(folder)], descriptor)
        except SlurmAway:
            # The request may be under way still: the job, if it is ever made, finds the file and ends.
            (folder / STOP_FILE).touch()
            raise
        return _record(folder, job_id)

    def _find(self, folder: Path) -> dict[str, Any] | None:
        """The metadata of the trial in `folder`; a job that ended without a claim has not trained."""
        with suppress(OSError, ValueError):
            recorded: dict[str, Any] = json.loads((folder / _RECORD_FILE).read_text(encoding="utf-8"))
            return recorded
        if (claimant := claimant_of(folder)) is not None:
            return _record(folder, claimant)
        if not (folder / SCRIPT_FILE).exists() or (folder / STOP_FILE).exists():
            return None
        alive = [job.job_id for job in list_jobs() if job.name == _job_name(folder) and not job.ended]
        if alive:
            return _record(folder, min(alive, key=int))
        claimant = claimant_of(folder)  # it may have begun and ended since
        return None if claimant is None else _record(folder, claimant)

    def _standing(self, metadata: Metadata, by_id: Mapping[str, Job]) -> Standing:
        if not {"folder", "job_id"} <= metadata.keys():  # one odd trial must not hold up the others
            return (
                TrialStatus.FAILED,
                f"it has no folder and no job_id in {dict(metadata)!r:.100}; no SlurmRunner ran it",
            )
        folder = Path(metadata["folder"])
        traces = traces_in(folder)
        job_id = traces.claimant or str(metadata["job_id"])
        job = by_id.get(job_id) or find_job(job_id)
        if job is not None and job.name == _job_name(folder):  # a cluster that was set up anew gives ids again
            self._unlisted_since.pop(job_id, None)
            return standing(job, traces)
        since = self._unlisted_since.setdefault(job_id, time.monotonic())
        if traces.exit_code is None and not traces.stop_asked and time.monotonic() < since + _UNLISTED_SECONDS:
            return TrialStatus.RUNNING, f"Slurm does not list job {job_id} just now"
        return standing_of_unlisted(job_id, traces)


def _digest(key: str) -> str:
    return hashlib.blake2s(key.encode(errors="surrogatepass"), digest_size=10).hexdigest()


def _job_name(folder: Path) -> str:
    return f"meristem-{folder.name}"


def _record(folder: Path, job_id: str) -> dict[str, Any]:
    metadata = {"job_id": job_id, "folder": str(folder), "job_name": _job_name(folder)}
    written = folder / f"{_RECORD_FILE}.tmp"
    with suppress(OSError):  # the job is there: a disk that is full now must not deny it
        written.write_text(json.dumps(metadata), encoding="utf-8")
        written.replace(folder / _RECORD_FILE)
    return metadata


@contextmanager
def _lock(folder: Path) -> Iterator[int | None]:
    """Holds the folder's lock; `sbatch` inherits it, so that it is held while a submission of a dead engine goes on.

    Gives the descriptor, or None on a file system that has no locks.

    Raises:
        SlurmAway: Another holds it for too long.
    """
    descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield descriptor if _locked(descriptor, folder) else None
    finally:
        os.close(descriptor)


def _locked(descriptor: int, folder: Path) -> bool:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SlurmAway(f"A submission of the trial in {folder} is still under way.") from None
            time.sleep(0.05)
        except OSError:
            return False


def _as_arguments(options: Mapping[str, Any]) -> list[str]:
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]


def _slurm_time(limit: timedelta) -> str:
    """`days-hours:minutes:seconds`."""
    seconds = max(1, round(limit.total_seconds()))
    hours, rest = divmod(seconds % 86400, 3600)
    return f"{seconds // 86400}-{hours:02}:{rest // 60:02}:{rest % 60:02}"


def _problems(
    command: object, environment: object, cwd: object, chosen: Mapping[str, Any], others: Mapping[str, Any]
) -> list[str]:
    problems = command_problems(command, cwd)
    if environment is not None and not isinstance(environment, Mapping):
        problems.append(f"'environment' must be a mapping of names to values, not {type(environment).__name__}")
    elif bad := [name for name in environment or {} if not re.fullmatch(r"[A-Za-z_]\w*", str(name), re.ASCII)]:
        problems.append(f"'environment' has {bad[0]!r:.60}, which is no name of a variable")
    elif nul := [name for name, value in (environment or {}).items() if "\0" in str(value)]:
        problems.append(f"the value of {nul[0]!r:.60} in 'environment' contains NUL")
    for name, value in {**chosen, **others}.items():
        if chosen.get(name) is not None and name in others:
            problems.append(f"'sbatch_options' has {name!r}; and {_CHOSEN_OPTIONS[name]}=… is given too")
        elif name in _OWN_OPTIONS:
            problems.append(f"'sbatch_options' has {name!r}, which the runner sets itself")
        elif not re.fullmatch(r"[a-z][a-z0-9-]+", name):
            problems.append(f"'sbatch_options' has {name!r:.60}; name long options of sbatch, without the dashes")
        elif value is not None and (not isinstance(value, (str, int, float)) or "\0" in str(value)):
            problems.append(f"the option {name!r} of sbatch is {value!r:.60}, which is neither text, number nor switch")
    return problems


def _folder_problems(folder: object) -> list[str]:
    if not isinstance(folder, (str, Path)):
        return [f"'folder' must be a path, not {folder!r:.60}"]
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return []
    except OSError as error:
        return [
            f"the folder {str(folder)!r:.200} cannot be written ({error.strerror}); it must be shared with the nodes"
        ]


__all__ = ["SlurmAway", "SlurmRefused", "SlurmRunner"]
