"""Runs each trial of a function in a worker process that stays warm, one worker for each slot.

Workers are started as fresh programs, not forked and not by `multiprocessing`: scripts without a
main guard, notebooks and threads in this process are all safe. A worker that dies fails its trial
alone and is replaced when its slot is used next.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.machinery import PathFinder
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import cloudpickle

import meristem
from meristem.errors import InputError
from meristem.executors.call_result import CallResult
from meristem.executors.warm_worker import SETUP, STOP, TRIAL
from meristem.processes.gpus import GpuGroups, gpus_of
from meristem.processes.group_leader import POLL_SECONDS, GroupLeader, in_words
from meristem.spool import REPORT_FILE, SpoolReader
from meristem.study.protocols import Attempt, Outcome, OutcomeStatus, Report

_SPOOL_SECONDS = 0.2
_LAST_WORDS_SECONDS = 0.5  # from a closed connection to the end of the process behind it


@dataclass(slots=True, kw_only=True)
class _Running:
    attempt: Attempt
    reader: SpoolReader
    kill_at: float | None = None
    forced: bool = False


@dataclass(slots=True, kw_only=True)
class _Worker:
    leader: GroupLeader
    connection: Any
    lifeline: int
    running: _Running | None = None

    def end(self) -> int | None:
        code = self.leader.kill()
        self.connection.close()
        os.close(self.lifeline)
        return code


class WarmPool:
    """Runs attempts of one function in warm worker processes."""

    def __init__(self, function: Callable[[Any], Any], gpus: GpuGroups | None) -> None:
        self._function, self._gpus = function, gpus
        self._setup = b""
        self._workers: dict[int, _Worker] = {}
        self._read_at = 0.0

    def open(self, slots: int) -> None:
        """Starts `slots` workers without waiting for them.

        Raises:
            InputError: The function cannot be sent to another process.
        """
        self._setup = SETUP + pickle.dumps(
            {
                "path": [str(Path(entry or ".").absolute()) for entry in sys.path],
                "argv": list(sys.argv),
                "cwd": os.getcwd(),
                "function": _pickled(self._function),
            }
        )
        for slot in range(slots):
            self._workers[slot] = self._spawn(slot)
        for worker in self._workers.values():
            with suppress(OSError):  # already dead; it is replaced at its first trial
                worker.connection.send_bytes(self._setup)

    def start(self, attempt: Attempt) -> None:
        message = TRIAL + pickle.dumps(
            {
                "study": attempt.study,
                "number": attempt.number,
                "attempt": attempt.attempt,
                "parameters": dict(attempt.parameters),
                "slot": attempt.slot,
                "gpus": gpus_of(self._gpus, attempt.slot),
                "place": attempt.folder.absolute(),
                "parent_folder": attempt.parent_folder and attempt.parent_folder.absolute(),
            }
        )
        running = _Running(attempt=attempt, reader=SpoolReader(attempt.folder / REPORT_FILE))
        worker = self._workers.get(attempt.slot)
        try:
            if worker is None or worker.leader.ended():
                raise BrokenPipeError
            worker.connection.send_bytes(message)
        except OSError:  # it died while it was idle, or was ended with the trial before
            worker = self._replace(attempt.slot)
            with suppress(OSError):  # dies at birth: `poll` tells
                worker.connection.send_bytes(message)
        worker.running = running

    def poll(self, timeout: timedelta) -> list[Report]:
        end = time.monotonic() + timeout.total_seconds()
        while True:
            self._kill_overdue()
            reports = self._hear(self._patience(end))
            reports += self._read_spools()
            if reports or time.monotonic() >= end:
                return reports

    def stop(self, number: int, grace: timedelta) -> None:
        kill_at = time.monotonic() + grace.total_seconds()
        for worker in self._busy():
            running = worker.running
            if running is None or running.attempt.number != number:
                continue
            if running.kill_at is None:
                with suppress(OSError):  # just died: `poll` tells
                    worker.connection.send_bytes(STOP)
            running.kill_at = min(kill_at, running.kill_at or kill_at)
        self._kill_overdue()

    def close(self) -> None:
        workers = list(self._workers.values())
        self._workers.clear()
        for worker in workers:  # all at once first, so that reaping one does not let another go on
            worker.leader.signal_group(signal.SIGKILL)
        for worker in workers:
            worker.end()

    def _spawn(self, slot: int) -> _Worker:
        ours, theirs = socket.socketpair()
        life_read, life_write = os.pipe()
        numbers = (theirs.fileno(), life_read)
        try:
            child = subprocess.Popen(
                [sys.executable, "-m", "meristem.executors.warm_worker", *map(str, numbers)],
                pass_fds=numbers,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                cwd=Path(meristem.__file__).parent.parent,  # where -m is sure to find us
                env=self._environment(slot),
            )
        except BaseException:
            ours.close()
            os.close(life_write)
            raise
        finally:
            theirs.close()
            os.close(life_read)
        leader = GroupLeader(child.pid, child=child)
        return _Worker(leader=leader, connection=Connection(ours.detach()), lifeline=life_write)

    def _environment(self, slot: int) -> dict[str, str] | None:
        if not self._gpus:
            return None
        return {**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(gpus_of(self._gpus, slot))}

    def _replace(self, slot: int) -> _Worker:
        if dead := self._workers.pop(slot, None):
            dead.end()
        worker = self._workers[slot] = self._spawn(slot)
        with suppress(OSError):  # dies at birth: `poll` tells
            worker.connection.send_bytes(self._setup)
        return worker

    def _busy(self) -> Iterable[_Worker]:
        return [worker for worker in self._workers.values() if worker.running is not None]

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for worker in self._busy():
            running = worker.running
            if running and running.kill_at is not None and running.kill_at <= now and not running.forced:
                running.forced = True
                worker.leader.signal_group(signal.SIGKILL)

    def _patience(self, end: float) -> float:
        """Seconds until something must be done even when nothing is heard."""
        moments = [end]
        for worker in self._busy():
            running = worker.running
            if running and running.kill_at is not None and not running.forced:
                moments.append(running.kill_at)
        if any(self._busy()):
            moments.append(self._read_at)
        return max(0.0, min(moments) - time.monotonic())

    def _hear(self, seconds: float) -> list[Report]:
        busy = list(self._busy())
        ears: list[Any] = [worker.connection for worker in busy]
        ears += [worker.leader.descriptor for worker in busy if worker.leader.descriptor is not None]
        if not ears:
            time.sleep(seconds)
            return []
        if len(ears) < 2 * len(busy):  # the end of a process may not wake us here
            seconds = min(seconds, POLL_SECONDS)
        ready = wait(ears, seconds)
        return [
            self._hear_worker(worker)
            for worker in busy
            if worker.connection in ready or worker.leader.descriptor in ready
        ]

    def _hear_worker(self, worker: _Worker) -> Report:
        running = worker.running
        assert running is not None
        worker.running = None
        outcome = _said(worker) or self._bury(worker, running)
        return Report(number=running.attempt.number, measurements=running.reader.read(final=True), outcome=outcome)

    def _bury(self, worker: _Worker, running: _Running) -> Outcome:
        del self._workers[running.attempt.slot]
        natural = worker.leader.ended(within_seconds=_LAST_WORDS_SECONDS)
        code = worker.end()
        if running.forced:
            error = "did not stop within its grace period and was ended by force"
            return Outcome(status=OutcomeStatus.STOPPED, error=error)
        how = in_words(code) if natural else "it closed the connection to the engine"
        return Outcome(status=OutcomeStatus.FAILED, error=f"The worker process of this trial ended: {how}.")

    def _read_spools(self) -> list[Report]:
        now = time.monotonic()
        if now < self._read_at:
            return []
        self._read_at = now + _SPOOL_SECONDS
        readings = [(w.running.attempt.number, w.running.reader.read()) for w in self._busy() if w.running]
        return [Report(number=number, measurements=found) for number, found in readings if found]


def outcome_of(ending: CallResult) -> Outcome:
    """An ending as it came from a function, in the engine's words."""
    status, score, error, details = ending
    return Outcome(status=OutcomeStatus(status), score=score, error=error, traceback=details)


def _said(worker: _Worker) -> Outcome | None:
    """The outcome that the worker has sent, perhaps just before it died; None where it sent none."""
    try:
        return outcome_of(worker.connection.recv()) if worker.connection.poll() else None
    except (EOFError, OSError, pickle.UnpicklingError):
        return None


def _pickled(function: Callable[[Any], Any]) -> bytes:
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    stray = module if module and not _importable(module.__name__) else None
    try:
        if stray:
            cloudpickle.register_pickle_by_value(stray)
        data: bytes = cloudpickle.dumps(function)
    except Exception as error:  # what a user's object raises when it is pickled may be anything
        raise InputError(
            f"The function {getattr(function, '__qualname__', function)!s:.80} cannot be sent to a worker "
            f"process: {type(error).__name__}: {error}.",
            fix="Make what it refers to (locks, open files, connections, …) inside the function, or run it "
            "in this process with isolate=False.",
        ) from error
    finally:
        if stray:
            cloudpickle.unregister_pickle_by_value(stray)
    return data


def _importable(name: str) -> bool:
    """Whether a worker could import the module: one loaded from a bare file must be sent whole."""
    top = name.partition(".")[0]
    return name == "__main__" or top in sys.builtin_module_names or PathFinder.find_spec(top) is not None
