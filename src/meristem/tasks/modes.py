"""Where a training runs, and what it asked `Task.init` for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from meristem.errors import InputError
from meristem.naming import naming_problems
from meristem.spool import REPORT_VARIABLE
from meristem.tasks.capture_switches import Capture
from meristem.tasks.spool_folder import ATTACH_VARIABLE, OFFLINE_VARIABLE, TASK_VARIABLE


class Mode(Enum):
    """Where the training runs."""

    BY_HAND = "by hand"
    WORKER = "on a worker"
    TRIAL = "in a study's trial"
    ATTACHED = "in a process that the training spawned"
    MUTE = "in another process of a distributed training than its first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What `Task.init` was asked for."""

    project: str
    name: str
    tags: tuple[str, ...] = ()
    kind: str = "training"
    comment: str = ""
    parent: str | None = None
    store: str | None = None
    offline: bool | None = None
    capture: Capture = field(default_factory=Capture)

    def __post_init__(self) -> None:
        if problems := naming_problems(project=self.project, name=self.name, kind=self.kind, tags=self.tags):
            raise InputError("Task.init() got what it cannot use", problems)


def find_mode(environment: Mapping[str, str], *, spawned: bool) -> Mode:
    """Where a training with these environment variables runs.

    Args:
        spawned: The process was started by multiprocessing.
    """
    if spawned and (environment.get(ATTACH_VARIABLE) or environment.get(TASK_VARIABLE)):
        return Mode.ATTACHED
    if environment.get(TASK_VARIABLE):
        return Mode.WORKER
    if environment.get(REPORT_VARIABLE):
        return Mode.TRIAL
    if environment.get("RANK", "0") not in ("", "0"):  # of torchrun and its like
        return Mode.MUTE
    return Mode.BY_HAND


def place_of(mode: Mode, environment: Mapping[str, str]) -> Path | None:
    """The spool folder that is there already; None where there is none."""
    if mode is Mode.ATTACHED and environment.get(ATTACH_VARIABLE):
        return Path(environment[ATTACH_VARIABLE])
    if mode in (Mode.WORKER, Mode.ATTACHED):
        return Path(environment[TASK_VARIABLE]).absolute().parent
    if mode is Mode.TRIAL:
        return Path(environment[REPORT_VARIABLE]).absolute().parent
    return None


def is_offline(wanted: Wanted) -> bool:
    """Whether all is kept in a folder, for `meristem task import`."""
    if wanted.offline is not None:
        return wanted.offline
    return os.environ.get(OFFLINE_VARIABLE, "").lower() not in ("", "0", "false", "no")
