"""The process in which isolated functions run, one trial after the other.

Started by `meristem.executors.warm_pool` as `python -m meristem.executors.warm_worker CONNECTION LIFELINE`.
The function runs in the main thread; a second thread listens to the engine. When the engine dies,
however it dies, this process and all that it started end at once.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from meristem.executors.call_result import CallResult, failure_of, run_function
from meristem.executors.training import TrainingTrial
from meristem.present import PRESENT_VARIABLE, variable_of
from meristem.present import trial as trial_here
from meristem.processes.lifeline import die_with
from meristem.spool import REPORT_FILE, REPORT_VARIABLE, STOP_FILE, SpoolWriter

SETUP, TRIAL, STOP = b"F", b"T", b"S"  # the first byte of a message says what it is


class Worker:
    """Runs the trials that come over `connection` with the function that came first.

    Calls `engine_gone` when the other end closes; if that returns, `run` does.
    """

    def __init__(self, connection: Any, *, engine_gone: Callable[[], None]) -> None:
        self._connection, self._engine_gone = connection, engine_gone
        self._inbox: SimpleQueue[bytes] = SimpleQueue()
        self._stop = threading.Event()
        self._folder: Path | None = None
        self._function: Callable[[Any], Any] | None = None
        self._cwd = os.getcwd()

    def run(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        setup = self._inbox.get()
        broken = self._set_up(setup)
        while trial := self._inbox.get():
            ending = broken or self._train(pickle.loads(trial))
            self._connection.send(ending)

    def _listen(self) -> None:
        try:
            while True:
                message = self._connection.recv_bytes()
                if message[:1] == STOP:
                    self._ask_to_stop()
                    continue
                if message[:1] == TRIAL:
                    self._stop.clear()  # a stop that came too late was meant for the trial before
                self._inbox.put(message[1:])
        except (EOFError, OSError):
            self._engine_gone()
            self._inbox.put(b"")

    def _set_up(self, setup: bytes) -> CallResult | None:
        """Loads the function; what went wrong becomes the ending of every trial."""
        given = pickle.loads(setup)
        sys.path[:], sys.argv[:], self._cwd = given["path"], given["argv"], given["cwd"]
        try:
            os.chdir(self._cwd)
            self._function = pickle.loads(given["function"])
        except BaseException as error:  # imports of user code may raise anything
            status, score, line, details = failure_of(error)
            return (status, score, f"The function cannot be loaded in its worker process: {line}", details)
        return None

    def _train(self, given: dict[str, Any]) -> CallResult:
        folder: Path = given["place"]
        writer = SpoolWriter(folder / REPORT_FILE)
        os.environ[REPORT_VARIABLE] = str(writer.path)  # for meristem.report() and child processes
        os.environ[PRESENT_VARIABLE] = variable_of(trial_here(given["study"], given["number"]))
        self._folder = folder
        trial = TrainingTrial(**given, write=writer.write, asked=self._stop.is_set)
        assert self._function is not None
        try:
            os.chdir(self._cwd)  # the trial before may have gone elsewhere
            return run_function(self._function, trial)
        except OSError as error:
            return failure_of(error)
        finally:
            self._folder = None
            writer.close()
            _flush()

    def _ask_to_stop(self) -> None:
        self._stop.set()
        folder = self._folder
        if folder is not None and folder.is_dir():  # meristem.report() looks for this file
            with suppress(OSError):  # a full disk must not look like a dead engine
                (folder / STOP_FILE).touch()


def main(connection_number: int, lifeline: int) -> None:
    for number in (connection_number, lifeline):
        os.set_inheritable(number, False)  # a program started by the training must not keep them open
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's to decide about
    die_with(lifeline)
    Worker(Connection(connection_number), engine_gone=_end_group).run()


def _end_group() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed or replaced by the training
            continue


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
