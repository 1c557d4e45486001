"""One attempt of a task on this worker, from its claim to its end, in a thread of its own.

It makes the folder, fetches the bytes that the task needs, starts the process, ships what that reports, and tells the
worker's loop what came of it. Whatever goes wrong here ends the attempt, never the worker.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from meristem import present
from meristem.errors import AttemptLost, MeristemError, StoreUnavailable, one_line
from meristem.needs import Needs
from meristem.present import PRESENT_VARIABLE
from meristem.spool import REPORT_FILE, REPORT_VARIABLE
from meristem.statuses import Cause, TaskStatus
from meristem.store.output_rows import Positions
from meristem.store.store import Store
from meristem.store.task_rows import Claim
from meristem.tasks.shipping import Shipping
from meristem.tasks.spool_folder import CONSOLE_FILE, TASK_VARIABLE, SpoolFolder, TaskFile
from meristem.workers.attendant import PREPARED_FILE
from meristem.workers.ending import Ended, Verdict, verdict
from meristem.workers.environments.code import has_code
from meristem.workers.environments.preparing import PREPARE_FILE
from meristem.workers.function_process import FunctionCall
from meristem.workers.masking import masked
from meristem.workers.room import trouble
from meristem.workers.script_process import ScriptProcess, own_command
from meristem.workers.settings import Settings
from meristem.workers.slot import Slot

log = logging.getLogger("meristem.worker")

_TICK_SECONDS = 0.25
_SHIP_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0


class Running(Protocol):
    """A process that runs an attempt."""

    def wait(self, seconds: float) -> bool: ...
    def stop(self, grace_seconds: float) -> None: ...
    def kill(self) -> None: ...
    def shipped(self, position: int) -> None: ...
    def collect(self) -> Ended: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """An attempt that has ended.

    Attributes:
        verdict: None: it no longer counts, nothing is to be told.
        fault: Why this worker cannot run any task just now, where that was found out.
    """

    claim: Claim
    verdict: Verdict | None
    seconds: float
    fault: str | None = None


class _Stopped(Exception):
    """The attempt was asked to end before its process was started."""


class Attempt:
    """Runs one claim on one slot.

    Args:
        session: Of the worker, under which it was claimed.
        folder: Its own, which does not exist yet.
        tell: Called once, in the attempt's thread, when all is over.
    """

    def __init__(
        self,
        claim: Claim,
        slot: Slot,
        store: Store,
        settings: Settings,
        *,
        session: str,
        folder: Path,
        tell: Callable[[Over], None],
    ) -> None:
        self.claim, self.slot = claim, slot
        self._store, self._settings, self._folder, self._tell = store, settings, folder, tell
        self._spool = SpoolFolder(folder / "spool")
        self._shipping = Shipping(
            self._spool.path, store, claim.number, claim.fence, worker=session, positions=Positions()
        )
        self._lock = threading.Lock()
        self._process: Running | None = None
        self._abort: str | None = None
        self._hand_back: str | None = None
        self._grace: float | None = None
        self._lost = self._killed = False
        self._began = time.monotonic()
        self._ship_at = 0.0
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"task-{claim.number}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its thread runs; once it does not, its end has been told, unless something went badly wrong."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    # From the worker's loop: none of these blocks

    def abort(self, message: str) -> None:
        """Somebody asked for the task's end."""
        if self._abort is None:
            self._abort = message
            self._stop(self._settings.grace_seconds)

    def hand_back(self, message: str, grace_seconds: float) -> None:
        """The worker ends: the task shall go back to its queue."""
        self._hand_back = self._hand_back or message
        self._stop(grace_seconds)

    def lose(self) -> None:
        """The attempt no longer counts: all of it ends at once, and nothing is told."""
        self._lost = True
        with self._lock:
            self._killed = True
            process = self._process
        self._asked.set()
        if process is not None:
            process.kill()

    def _stop(self, grace_seconds: float) -> None:
        with self._lock:
            self._grace = grace_seconds if self._grace is None else min(grace_seconds, self._grace)
            process = self._process
        self._asked.set()
        if process is not None:
            process.kill() if grace_seconds <= 0 else process.stop(grace_seconds)

    # In its own thread

    def _run(self) -> None:
        found: Verdict | None = broken("its thread ended")
        fault = None
        try:
            found = self._found()
            if found is not None and found.cause is Cause.NOT_PREPARED and (fault := self._worker_at_fault()):
                found = handed_back(fault)
        finally:  # whatever happened: a task whose end is not told holds its slot for ever
            found = None if self._lost else found
            seconds = time.monotonic() - self._began
            self._tell(Over(claim=self.claim, verdict=found, seconds=seconds, fault=fault))
            shutil.rmtree(self._folder, ignore_errors=True)

    def _worker_at_fault(self) -> str | None:
        """Why this worker can prepare no task at all; None where it can, so that it is about this one."""
        shutil.rmtree(self._folder, ignore_errors=True)  # a task too large for the disk shall not pass for a full disk
        return trouble(self._settings.folder)

    def _found(self) -> Verdict | None:
        try:
            found: Verdict | None = self._verdict()
        except AttemptLost:
            found = None
        except Exception as error:  # a mistake of ours, or of the system: this task's, not the worker's
            log.exception("task %s", self.claim.number)
            found = broken(one_line(error))
        for clear_up in (self._end_process, self.slot.recover):
            try:
                clear_up()
            except OSError as error:  # told by the next attempt that needs it
                log.debug("task %s: %s", self.claim.number, error)
            except Exception:  # ours, and it shall not hide what came of the task
                log.exception("task %s, after its end", self.claim.number)
        return self._masked(found)

    def _verdict(self) -> Verdict:
        try:
            self._lay_out()
            process = self._start()
        except _Stopped:
            return verdict(Ended(code=None, stopped=True), abort=self._abort, hand_back=self._hand_back)
        except OSError as error:
            return _not_prepared(f"the worker's folder cannot be written: {error}")
        except StoreUnavailable:
            raise
        except MeristemError as error:
            return _not_prepared(str(error))
        with self._lock:
            self._process = process
            grace, killed = self._grace, self._killed
        if killed or (grace is not None and grace <= 0):
            process.kill()
        elif grace is not None:
            process.stop(grace)
        self._attend(process)
        ended = self._in_its_own_words(process.collect())
        self._process = None
        return verdict(ended, abort=self._abort, hand_back=self._hand_back)

    def _lay_out(self) -> None:
        claim = self.claim
        self._spool.path.mkdir(parents=True)
        task = TaskFile(
            id=claim.id,
            project=claim.project,
            name=claim.name,
            remote=True,
            source=claim.source,
            environment=claim.environment,
            parameters=claim.parameters,
            attempt=claim.attempt,
            fence=claim.fence,
            number=claim.number,
        )
        # Not `write_task`: what lies here need not outlive a crash of the machine, and waiting for the disk costs.
        self._spool.task_file.write_text(json.dumps(task.to_json()), encoding="utf-8")
        for name in _blobs_in(claim.source):
            self._fetch(name)

    def _fetch(self, name: str) -> None:
        place = self._folder / "blobs" / Path(name).name
        place.parent.mkdir(exist_ok=True)

        def fetch() -> None:
            with open(place, "wb") as file:
                for part in self._store.blobs.stream(name):
                    file.write(part)

        self._patiently(fetch)

    def _start(self) -> Running:
        if self._asked.is_set():
            raise _Stopped
        if self.claim.source.get("entry") != "function":
            self.slot.make_room()
            return ScriptProcess(self._for_attendant(only_prepare=False))
        if has_code(self.claim.source):
            prepared = self._prepared()
            process = self.slot.process_for(
                prepared["python"],
                prepared["cwd"],
                self._variables(prepared),
                paths=[prepared["cwd"], prepared["root"]],
            )
        else:
            process = self.slot.own_process()
        return FunctionCall(process, self._call())

    def _prepared(self) -> dict[str, Any]:
        """Makes a function's code and packages ready, by an attendant that runs nothing else."""
        attendant = ScriptProcess(self._for_attendant(only_prepare=True))
        with self._lock:
            self._process = attendant
        if self._asked.is_set():
            attendant.kill()
        self._attend(attendant)
        ended = attendant.collect()
        with self._lock:
            self._process = None
        path = self._folder / PREPARED_FILE
        if ended.code == 0 and not ended.stopped and path.exists():
            found: dict[str, Any] = json.loads(path.read_bytes())
            return found
        if self._asked.is_set():
            raise _Stopped
        found_why = verdict(replace(ended, prepared=False)).message or "its preparation failed"
        raise MeristemError(found_why)

    def _for_attendant(self, *, only_prepare: bool) -> dict[str, Any]:
        settings, claim = self._settings, self.claim
        variables = self._variables({})
        prepare = {
            "source": dict(claim.source),
            "environment": dict(claim.environment),
            "kind": settings.environment,
            "image": settings.image,
            "strict": settings.strict_python,
            "limit": settings.kept_environments,
            "uv": settings.uv,
            "psutil": settings.psutil,
            "code": str(self._folder / "code"),
            "code_parent": str(self._folder),
            "blobs": str(self._folder / "blobs"),
            "cache": str(settings.cache),
            "spool": str(self._spool.path),
            "name": f"meristem-{claim.number}-{claim.fence}-{os.getpid()}",
            "needs": claim.needs.to_json(),
            "variables": sorted({*_OF_TASKS, *(set(variables) - set(os.environ))}),
        }
        (self._folder / PREPARE_FILE).write_text(json.dumps(prepare), encoding="utf-8")
        return {
            "folder": str(self._spool.path),
            "run_folder": str(self._folder),
            "environment": variables,
            "secrets": list(settings.secrets),
            "console_bytes": settings.console_bytes,
            "prepare": own_command("meristem.workers.environments.preparing", str(self._folder)),
            "only_prepare": only_prepare,
        }

    def _variables(self, prepared: Mapping[str, Any]) -> dict[str, str]:
        variables = dict(self._settings.variables)
        for name in prepared.get("without", ()):
            variables.pop(name, None)
        variables |= prepared.get("environment", {})
        variables |= {
            TASK_VARIABLE: str(self._spool.task_file),
            REPORT_VARIABLE: str(self._spool.report),
            PRESENT_VARIABLE: present.variable_of(present.task(self.claim.id)),
            "PYTHONUNBUFFERED": "1",
            "MERISTEM_PYTHON": sys.executable,
        }
        if self.slot.gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(self.slot.gpus)
        return variables

    def _call(self) -> dict[str, Any]:
        return {
            "function": self.claim.source.get("entry_point", ""),
            "watch": not has_code(self.claim.source),  # code of its own never changes
            "parameters": dict(self.claim.parameters),
            "folder": str(self._spool.path),
            "secrets": list(self._settings.secrets),
            "console_bytes": self._settings.console_bytes,
            "project": self.claim.project,
            "name": self.claim.name,
            "id": self.claim.id,
        }

    def _attend(self, process: Running) -> None:
        """Until the process has ended; meanwhile what it reports is shipped, and after it the rest."""
        self._ship_at = time.monotonic() + _SHIP_SECONDS
        pause = _SHIP_SECONDS
        while not process.wait(_TICK_SECONDS):
            if time.monotonic() < self._ship_at:
                continue
            try:
                while self._ship() and not process.wait(0):
                    pass
                pause = _SHIP_SECONDS
                process.shipped(self._shipping.positions.console)
            except StoreUnavailable as error:
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                log.debug("task %s: %s", self.claim.number, error)
            except AttemptLost:
                self.lose()
                pause = 3600.0
            self._ship_at = time.monotonic() + pause
        if not self._lost:
            self._patiently(self._ship_all)

    def _ship(self) -> bool:
        return self._shipping.step()

    def _ship_all(self) -> None:
        if any((self._spool.path / name).exists() for name in (REPORT_FILE, CONSOLE_FILE)):
            self._shipping.finish()

    def _patiently(self, work: Callable[[], None]) -> None:
        """Does something with the store, again until it is there; given up only with the attempt."""
        pause = 0.1
        while True:
            try:
                return work()
            except StoreUnavailable as error:
                if self._lost:
                    raise AttemptLost(self.claim.number, self.claim.fence) from error
                log.debug("task %s waits: %s", self.claim.number, error)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _in_its_own_words(self, ended: Ended) -> Ended:
        """Why user code failed, only its own process knows."""
        told = self._shipping.ended
        if told is None or told.status != TaskStatus.FAILED or not ended.prepared or ended.killed:
            return ended
        return replace(ended, message=ended.message or told.message or "it said that it failed")

    def _end_process(self) -> None:
        process = self._process
        if process is not None:
            process.kill()
            with suppress(Exception):  # one error is being told already
                process.wait(5.0)
                process.collect()

    def _masked(self, found: Verdict | None) -> Verdict | None:
        if found is None or not found.message:
            return found
        try:
            return replace(found, message=masked(found.message, self._settings.secrets))
        except Exception:
            log.exception("task %s: its message", self.claim.number)
            return replace(found, message="its message cannot be shown: the secrets in it could not be masked")


_OF_TASKS = (TASK_VARIABLE, REPORT_VARIABLE, PRESENT_VARIABLE, "PYTHONUNBUFFERED", "CUDA_VISIBLE_DEVICES")


def broken(why: str) -> Verdict:
    """The verdict on a task that the worker failed to run by a mistake of its own."""
    return _not_prepared(f"the worker could not run it: {why}")


def handed_back(fault: str) -> Verdict:
    """The verdict on a task that this worker cannot run now and another can: it costs the task nothing."""
    return Verdict(status=None, cause=Cause.PREEMPTED, message=f"its worker can run nothing: {fault}")


def _not_prepared(message: str) -> Verdict:
    return Verdict(status=TaskStatus.FAILED, cause=Cause.NOT_PREPARED, message=message)


def _blobs_in(value: Any) -> Iterator[str]:
    """Names of all blobs that a task's source names."""
    if isinstance(value, Mapping):
        if isinstance(value.get("blob"), str):
            yield value["blob"]
        for inner in value.values():
            yield from _blobs_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _blobs_in(inner)


def needs_text(needs: Needs) -> str:
    """What a task needs, for a line of the log."""
    found = needs.to_json()
    return ", ".join(f"{name} {value}" for name, value in found.items()) or "nothing special"
