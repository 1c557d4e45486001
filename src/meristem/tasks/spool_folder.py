"""The spool folder of one attempt of a task: what lies where, and its identity in `task.json`.

A training (or the worker that starts it) writes it; a shipper reads it. Only the standard library is imported here.

    task.json      what the task is: written once, whole
    report.jsonl   what it reports: lines, appended (see `meristem.spool`, and `tasks.reporting.records`)
    console.log    what it printed: raw bytes, appended
    files/…        big bytes that task.json and records name; never changed once they are named
    stop           exists once somebody asked the training to stop
    exit_status    one byte, written as the process ends; not on every system (see `tasks.exit_status`)
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from meristem.errors import InputError
from meristem.spool import REPORT_FILE, STOP_FILE

TASK_FILE, CONSOLE_FILE, FILES_FOLDER, EXIT_STATUS_FILE = "task.json", "console.log", "files", "exit_status"
TASK_VARIABLE, TASKS_VARIABLE = "MERISTEM_TASK", "MERISTEM_TASKS"
ATTACH_VARIABLE = "MERISTEM_TASK_OF_PARENT"  # for processes that multiprocessing spawns: they report to the same folder
OFFLINE_VARIABLE = "MERISTEM_OFFLINE"
DEFAULT_TASKS_FOLDER = "meristem-tasks"
VERSION = 1
_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFile:
    """What `task.json` says.

    Attributes:
        id: 16 hex digits, the first a letter; known before any store was reached. `number` is the store's.
        remote: The values of `parameters` replace those of the code: a worker runs the task.
        source, environment: What ran, and in what Python; see the reference of the spool folder.
        parameters: JSON values by `Section/name`.
        attempt, fence: Which run of the task this is; `fence` goes with every write of it.
        pid, process: The training's process, and what tells it from another of the same pid, such as a start time
            (see `tasks.process_mark`); None before there is one.
        created_at: Seconds since the epoch.
    """

    id: str
    project: str
    name: str
    kind: str = "training"
    tags: tuple[str, ...] = ()
    comment: str = ""
    parent: str | None = None
    remote: bool = False
    source: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1
    fence: int = 1
    number: int | None = None
    pid: int | None = None
    process: str | None = None
    created_at: float = 0.0

    def to_json(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"version": VERSION, **values, "tags": list(self.tags)}

    @classmethod
    def from_json(cls, given: Any) -> TaskFile:
        """Reads what `to_json` gave; keys that a later Meristem may have added are passed over.

        Raises:
            InputError: It is no task, or one of a later version.
        """
        if not isinstance(given, dict) or not {"id", "project", "name"} <= given.keys():
            raise InputError("This is no task.json.", fix="It is an object with id, project, name and more.")
        if given.get("version", VERSION) != VERSION:
            raise InputError(
                f"This task.json has version {given['version']!r:.20}; this Meristem reads version {VERSION}.",
                fix="Read it with the Meristem that wrote it, or a newer one.",
            )
        known = {f.name: given[f.name] for f in fields(cls) if f.name in given}
        return cls(**{**known, "tags": tuple(known.get("tags") or ())})


@dataclass(frozen=True, slots=True)
class SpoolFolder:
    """Where the parts of a spool folder are. Nothing is made by naming it."""

    path: Path

    @property
    def task_file(self) -> Path:
        return self.path / TASK_FILE

    @property
    def report(self) -> Path:
        return self.path / REPORT_FILE

    @property
    def console(self) -> Path:
        return self.path / CONSOLE_FILE

    @property
    def files(self) -> Path:
        return self.path / FILES_FOLDER

    @property
    def stop(self) -> Path:
        return self.path / STOP_FILE

    @property
    def exit_status(self) -> Path:
        return self.path / EXIT_STATUS_FILE

    def write_task(self, task: TaskFile) -> None:
        """Writes task.json whole or not at all. Raises OSError where the disk does not take it."""
        text = json.dumps(task.to_json(), indent=1, ensure_ascii=True) + "\n"
        self.path.mkdir(parents=True, exist_ok=True)
        draft = self.path / f"{TASK_FILE}.{os.urandom(4).hex()}"
        try:
            with open(draft, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.task_file)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def read_task(self) -> TaskFile:
        """Reads task.json.

        Raises:
            FileNotFoundError: There is none (yet).
            InputError: It is broken, or of a later version.
        """
        text = self.task_file.read_text(encoding="utf-8")
        try:
            given = json.loads(text)
        except ValueError as error:
            raise InputError(f"{self.task_file} is no JSON: {error}.") from None
        return TaskFile.from_json(given)

    def stop_asked(self) -> bool:
        return os.path.exists(self.stop)

    def ask_to_stop(self) -> None:
        """Asks the training to stop; may be repeated."""
        self.stop.touch()

    def read_exit_status(self) -> int | None:
        """The status with which the training's process exited, 0 to 255; None where that was not recorded."""
        try:
            recorded = self.exit_status.read_bytes()
        except OSError:
            return None
        return recorded[0] if recorded else None


def new_task_id() -> str:
    """16 random hex digits, the first a letter, so that nobody takes an id for a number."""
    digits = os.urandom(_ID_BYTES).hex()
    return "abcdef"[int(digits[0], 16) % 6] + digits[1:]


def hide_from_git(folder: Path) -> None:
    """Has git pass over a folder that Meristem has made, so that the user's repository stays clean."""
    with suppress(OSError), (folder / ".gitignore").open("x", encoding="utf-8") as file:
        file.write("*\n")


def tasks_folder() -> Path:
    """Where folders of scripts run by hand are: $MERISTEM_TASKS, or `meristem-tasks` in the working directory."""
    return Path(os.environ.get(TASKS_VARIABLE) or DEFAULT_TASKS_FOLDER).expanduser().absolute()


def scalar_name(title: str, series: str) -> str:
    """The name of a scalar in the spool: `title/series`, or `title` where both are the same."""
    return title if series == title else f"{title}/{series}"


def title_and_series(name: str) -> tuple[str, str]:
    """What `scalar_name` put together: title and series are told apart at the first slash.

    A name without a slash is title and series at once.
    """
    title, slash, series = name.partition("/")
    return (title, series) if slash and title and series else (name, name)
