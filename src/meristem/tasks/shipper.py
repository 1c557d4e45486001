"""The process beside a script that was started by hand: it ships the script's spool folder into the store.

    python -m meristem.tasks.shipper FOLDER [--store URL]
    python -m meristem.tasks.shipper --left-overs FOLDERS [--store URL]

It outlives the script: it ships what is left, notices how the script ended, ends the task, and removes the folder.
Where the store is away it waits, for days if need be. It may itself be killed at any moment: the next shipper that
starts beside the folder goes on where it was. What it has to say goes to its standard error, a log in the folder.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from meristem.errors import AttemptLost, InputError, MeristemError, StoreError
from meristem.store.database import parse_url, place_of
from meristem.store.opening import store_url
from meristem.store.store import Store
from meristem.tasks.discarding import is_discarded
from meristem.tasks.hand_run import HandRun, verdict
from meristem.tasks.process_mark import is_alive
from meristem.tasks.report_records import Remote
from meristem.tasks.shipped import locked, read_note, write_note
from meristem.tasks.spool_folder import SpoolFolder, TaskFile

log = logging.getLogger("meristem.shipper")

KEEP_VARIABLE, GRACE_VARIABLE = "MERISTEM_KEEP_SPOOLS", "MERISTEM_GRACE"
_RENEW_SECONDS, _LOOK_SECONDS = 10.0, 1.0
_FIRST_PAUSE_SECONDS, _PAUSE_SECONDS, _LONGEST_WAIT_SECONDS = 0.05, 0.5, 60.0
_GRACE_SECONDS = 10.0  # from the wish that a script ends to SIGTERM, and from that to SIGKILL
_EXIT_SECONDS = 30.0  # a script that said at its exit that it ends is not waited for any longer
_GIVE_UP_SECONDS = 7 * 86_400.0  # after the script's end; the folder stays and can be imported


class Shipper:
    """Attends one script from its folder. The caller holds the folder's lock."""

    def __init__(self, folder: SpoolFolder, url: str) -> None:
        self.folder = folder
        self._url = url
        self._store: Store | None = None
        self._gone_since: float | None = None
        self._left_overs: subprocess.Popen[bytes] | None = None

    def attend(self, *, patient: bool = True) -> bool:
        """Ships until the script has ended and all is in the store; True then. Without patience, one try."""
        wait, told = 1.0, ""
        while True:
            try:
                self._go_on()
            except AttemptLost as error:
                log.warning("%s The folder stays: %s", error, self.folder.path)
                _mark(self.folder, "refused")
                return False
            except StoreError as error:
                if str(error) != told:  # an outage of hours is told once
                    log.warning("%s", error)
                told = str(error)
            except MeristemError:
                raise
            except OSError as error:  # of the folder's disk
                log.warning("%s: %s", self.folder.path, error)
            else:
                return True
            if not patient or self._has_waited_long():
                return False
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    def _go_on(self) -> None:
        if self._store is None:
            self._store = Store(self._url, patience=timedelta(seconds=10))
        run = HandRun(self.folder, self._store)
        if run.note.queue is None and not is_discarded(self.folder.report):
            run.take_up()
            self._ship_left_overs()
            _Attendance(run, self._store).until_ended()
        if is_discarded(self.folder.report):
            run.discard()
        elif run.note.queue is not None:
            self._leave(run, Remote(queue=run.note.queue, priority=run.note.priority))
        elif run.shipping.remote is not None:
            self._leave(run, run.shipping.remote)
        run.mark("shipped")

    @staticmethod
    def _leave(run: HandRun, remote: Remote) -> None:
        try:
            run.leave_to_workers(remote)
        except StoreError:
            raise
        except MeristemError as error:
            log.warning("Task %s stays a draft: %s", run.note.number, error)

    def _ship_left_overs(self) -> None:
        """Has another process ship what killed shippers left beside this folder."""
        if self._left_overs is None and any(left_overs(self.folder.path.parent, self._url, besides=self.folder.path)):
            command = [sys.executable, "-P", "-m", __spec__.name, "--left-overs", str(self.folder.path.parent)]
            with suppress(OSError):
                self._left_overs = subprocess.Popen([*command, "--store", self._url], start_new_session=True)

    def _has_waited_long(self) -> bool:
        if script_lives(self.folder.read_task()):
            return False
        self._gone_since = self._gone_since or time.monotonic()
        return time.monotonic() - self._gone_since > _GIVE_UP_SECONDS


class _Attendance:
    """Ships beside a script, keeps its attempt alive, ends it where somebody asked, until it has ended."""

    def __init__(self, run: HandRun, store: Store) -> None:
        self._run = run
        self._store = store
        self._renewed = self._looked = time.monotonic()
        self._told_to_stop: float | None = None
        self._terminated: float | None = None
        self._said_that_it_exits: float | None = None
        self._grace = float(os.environ.get(GRACE_VARIABLE) or _GRACE_SECONDS)

    def until_ended(self) -> None:
        run, pause = self._run, _FIRST_PAUSE_SECONDS
        while not run.has_ended:
            gone = not self._is_needed()  # asked first: what it wrote before its end is then read below
            try:
                shipped = run.shipping.step(final=gone)
            except AttemptLost:
                run.take_up()  # it was counted as lost while this machine slept; else it is refused here
                continue
            if gone and not shipped:
                if run.shipping.remote is None and not is_discarded(run.folder.report):
                    self._finish()
                return
            self._keep_up()
            if not shipped:
                time.sleep(pause)
                pause = min(1.3 * pause, _PAUSE_SECONDS)

    def _is_needed(self) -> bool:
        """Whether more may come of the script."""
        if not script_lives(self._run.task):
            return False
        said = self._run.shipping.ended
        if said is None:
            return True
        if not said.at_exit or self._run.shipping.remote is not None:
            return False
        self._said_that_it_exits = self._said_that_it_exits or time.monotonic()
        return time.monotonic() - self._said_that_it_exits < _EXIT_SECONDS

    def _finish(self) -> None:
        run = self._run
        run.finish(*verdict(run.shipping.ended, run.folder.read_exit_status(), run.look_for_abort()))

    def _keep_up(self) -> None:
        now = time.monotonic()
        if now - self._renewed > _RENEW_SECONDS:
            self._renewed = now
            self._run.renew()
            self._store.workers.sweep()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            if self._run.look_for_abort() is not None:
                self._end_script(now)

    def _end_script(self, now: float) -> None:
        """Asks by the stop file, then by SIGTERM, then ends it. A notebook's kernel holds more than its task."""
        if self._told_to_stop is None:
            self._told_to_stop = now
            self._run.folder.ask_to_stop()
        task = self._run.task
        if task.pid is None or task.source.get("notebook") or not script_lives(task):
            return
        if self._terminated is None and now - self._told_to_stop > self._grace:
            self._terminated = now
            _send(task.pid, signal.SIGTERM)
        elif self._terminated is not None and now - self._terminated > self._grace:
            _send(task.pid, signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def script_lives(task: TaskFile) -> bool:
    """Whether the script of this task runs on this machine, as far as can be told."""
    if task.pid is None:
        return False
    alive = is_alive(task.pid, task.process)
    if alive is not None or task.process is not None:
        return bool(alive)
    try:
        os.kill(task.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def left_overs(folders: Path, url: str, *, besides: Path | None = None) -> list[Path]:
    """Spool folders in `folders` that a shipper began to ship to this store, and whose script ran here and is gone."""
    store, found = place_of(parse_url(url)), []
    states = ("shipping",) if os.environ.get(KEEP_VARIABLE) else ("shipping", "shipped")
    for file in sorted(folders.glob("*/shipper.json")):
        folder = file.parent
        note = read_note(folder)
        if folder == besides or note is None or note.store != store or note.state not in states:
            continue
        with suppress(OSError, InputError):
            task = SpoolFolder(folder).read_task()
            if is_alive(task.pid, task.process) is False:
                found.append(folder)
    return found


def ship_folder(folder: Path, url: str, *, patient: bool = True) -> bool:
    """Ships a folder until all of it is in the store, and removes it; False where another process does so."""
    with locked(folder) as mine:
        if not mine or not SpoolFolder(folder).task_file.exists():
            return False
        note = read_note(folder)
        if note is not None and note.state == "refused":
            return False
        if (note is None or note.state != "shipped") and not Shipper(SpoolFolder(folder), url).attend(patient=patient):
            return False
        if not os.environ.get(KEEP_VARIABLE):
            shutil.rmtree(folder, ignore_errors=True)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m meristem.tasks.shipper", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="the spool folder of a script")
    parser.add_argument("--left-overs", type=Path, metavar="FOLDERS", help="ship all that is left in a folder of them")
    parser.add_argument("--store", help="URL or file; by default MERISTEM_STORE, or meristem.db here")
    given = parser.parse_args(arguments)
    given.store = store_url(given.store)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C in the script's terminal is meant for the script
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(10)
    if given.left_overs is not None:
        for folder in left_overs(given.left_overs, given.store):
            ship_folder(folder, given.store, patient=False)
        return 0
    if given.folder is None:
        parser.error("name a spool folder")
    try:
        ship_folder(given.folder.absolute(), given.store)
    except MeristemError as error:
        log.error("%s", error)
        return error.exit_code
    return 0


def _mark(folder: SpoolFolder, state: str) -> None:
    if note := read_note(folder.path):
        note.state = state
        write_note(folder.path, note)


if __name__ == "__main__":
    sys.exit(main())
