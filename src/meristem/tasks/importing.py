"""Spool folders that are brought into a store later: recorded offline, or on a machine that never reached it."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

from meristem.errors import AttemptLost, InputError, TaskRefused
from meristem.statuses import TaskStatus
from meristem.store.store import Store
from meristem.store.task_rows import TaskRow
from meristem.tasks.discarding import is_discarded
from meristem.tasks.hand_run import HandRun, verdict
from meristem.tasks.process_mark import is_alive
from meristem.tasks.shipped import BY_HAND, LOCK_FILE, locked
from meristem.tasks.spool_folder import TASK_FILE, SpoolFolder

_MOST_BYTES = 1 << 40  # that a zip may unpack to


def import_folder(place: Path | str, store: Store) -> TaskRow:
    """Brings the spool folder (or a zip of it, see `export_folder`) of a script that has ended into `store`.

    May be repeated: what is there already is not written again. The folder stays as it is.

    Raises:
        InputError: It is no such folder, its script still runs, or it belongs to a worker.
        TaskRefused: A shipper ships it just now, or its task was changed in the store since.
    """
    place = Path(place).expanduser().absolute()
    if place.is_file() and zipfile.is_zipfile(place):
        with tempfile.TemporaryDirectory(prefix="meristem-import-") as unpacked:
            return _import(_unpack(place, Path(unpacked)), store)
    return _import(place, store)


def export_folder(folder: Path | str, target: Path | str) -> Path:
    """Packs a spool folder into a zip that `import_folder` takes; returns its path.

    Raises:
        InputError: It is no spool folder.
    """
    folder, target = Path(folder).expanduser().absolute(), Path(target).expanduser().absolute()
    _checked(folder)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != LOCK_FILE and path != target:
                archive.write(path, path.relative_to(folder))
    return target


def _import(place: Path, store: Store) -> TaskRow:
    folder = _checked(place)
    task = folder.read_task()
    if task.remote:
        raise InputError(f"{place} belongs to a worker, which brings it into its store itself.")
    if is_discarded(folder.report):
        raise InputError(f"The script of {place} only told how it is called (--help): there is nothing to import.")
    if is_alive(task.pid, task.process):
        fix = "Its task is shipped while it runs, or imported once it has ended."
        raise InputError(f"The script of {place} still runs (pid {task.pid}).", fix=fix)
    with locked(place) as mine:
        if not mine:
            raise TaskRefused(task.number or 0, "being shipped", "imported", "A shipper has that folder just now.")
        return _ship_all(HandRun(folder, store), store)


def _ship_all(run: HandRun, store: Store) -> TaskRow:
    known = store.tasks.find(run.task.id)
    run.note.state = "importing"
    try:
        row = run.take_up()
    except AttemptLost:
        if known is None:
            raise
        if known.status is TaskStatus.RUNNING and str(known.worker).startswith(BY_HAND):
            fix = "Another shipper or import has it; where that one died, import it again in half a minute."
            raise TaskRefused(known.number, "being shipped", "imported", fix) from None
        return known  # imported before, and gone on from there
    if not run.has_ended:
        run.shipping.finish()
        run.finish(*verdict(run.shipping.ended, run.folder.read_exit_status(), None))
    run.mark("imported")
    return store.tasks.get(row.number)


def _checked(place: Path) -> SpoolFolder:
    folder = SpoolFolder(place)
    if not folder.task_file.is_file():
        fix = "Give the folder that Task.init() named, which holds a task.json, or a zip of it."
        raise InputError(f"{place} is no folder of a task.", fix=fix)
    return folder


def _unpack(file: Path, target: Path) -> Path:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > min(_MOST_BYTES, shutil.disk_usage(target).free):
            raise InputError(f"{file} unpacks to more than the disk has room for.")
        archive.extractall(target)  # names that lead out of the folder are cut by zipfile itself
    found = sorted(target.rglob(TASK_FILE), key=lambda path: len(path.parts))
    if not found:
        raise InputError(f"{file} holds no task.json.", fix="Give a zip of the folder that Task.init() named.")
    return found[0].parent
