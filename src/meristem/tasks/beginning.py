"""How a task begins: which folder, what is captured, whether a shipper is started."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from meristem.tasks.capturing import environment_of, source_of
from meristem.tasks.launching import start_shipper
from meristem.tasks.live import LiveTask
from meristem.tasks.modes import Mode, Wanted, find_mode, is_offline, place_of
from meristem.tasks.process_mark import process_mark
from meristem.tasks.reporting.append_file import warn
from meristem.tasks.spool_folder import (
    ATTACH_VARIABLE,
    SpoolFolder,
    TaskFile,
    new_task_id,
    tasks_folder,
)


def begin(wanted: Wanted) -> LiveTask:
    """Starts the task that `wanted` describes, or takes up the one that a worker has prepared."""
    mode = find_mode(os.environ, spawned=_spawned())
    place = place_of(mode, os.environ)
    if mode is Mode.BY_HAND:
        return _begin_by_hand(wanted)
    if place is not None and mode is not Mode.TRIAL:
        folder = SpoolFolder(place)
        return _begun(LiveTask(mode, folder, folder.read_task(), wanted))
    file = TaskFile(id=new_task_id(), project=wanted.project, name=wanted.name, kind=wanted.kind, tags=wanted.tags)
    return _begun(LiveTask(mode, SpoolFolder(place or Path(os.devnull)), file, wanted))


def attach(place: Path) -> LiveTask:
    """Reports of this process go to the folder of a task that runs in another one."""
    folder = SpoolFolder(place)
    file = folder.read_task()
    return LiveTask(Mode.ATTACHED, folder, file, Wanted(project=file.project, name=file.name))


def _begun(live: LiveTask) -> LiveTask:
    live.start()
    return live


def _begin_by_hand(wanted: Wanted) -> LiveTask:
    identity = new_task_id()
    folder = SpoolFolder(tasks_folder() / identity)
    source = source_of(folder.path) if wanted.capture.source else {}
    file = TaskFile(
        id=identity,
        project=wanted.project,
        name=wanted.name,
        kind=wanted.kind,
        tags=wanted.tags,
        comment=wanted.comment,
        parent=wanted.parent,
        source=source,
        environment=environment_of(source, packages=wanted.capture.packages),
        pid=os.getpid(),
        process=process_mark(),
        created_at=time.time(),
    )
    try:
        folder.write_task(file)
    except OSError as error:
        warn(f"the task cannot be kept in {folder.path} ({error.strerror}); the training goes on without")
        return _begun(LiveTask(Mode.MUTE, folder, file, wanted))
    live = LiveTask(Mode.BY_HAND, folder, file, wanted)
    os.environ[ATTACH_VARIABLE] = str(folder.path)  # this process may spawn others
    _announce(live, shipped=not is_offline(wanted) and start_shipper(folder.path, wanted.store))
    return _begun(live)


def _announce(live: LiveTask, *, shipped: bool) -> None:
    file, place = live.file, os.path.relpath(live.folder.path)
    place = place if not place.startswith("..") else str(live.folder.path)
    how = f"meristem task show {file.id}" if shipped else f"kept in {place}; meristem task import {place}"
    with suppress(OSError, ValueError, AttributeError):  # there may be no stderr
        print(f"Meristem task {file.id} ({file.project}: {file.name}): {how}", file=sys.stderr, flush=True)


def _spawned() -> bool:
    """Whether multiprocessing started this process, which may run the script's top level again."""
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is None:
        return False
    # A child has no parent yet while it imports the script.
    inheriting = getattr(multiprocessing.current_process(), "_inheriting", False)
    return inheriting or multiprocessing.parent_process() is not None


def is_same(live: LiveTask, wanted: Wanted) -> bool:
    """Whether `Task.init` asks for the task that runs: of the same name, or the one task that a worker runs."""
    if live.mode in (Mode.WORKER, Mode.TRIAL, Mode.ATTACHED):
        return place_of(find_mode(os.environ, spawned=_spawned()), os.environ) == live.folder.path
    return (live.wanted.project, live.wanted.name) == (wanted.project, wanted.name)
