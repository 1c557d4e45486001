"""The process in which function tasks run, one after the other: modules that are imported stay so.

Started by `meristem.workers.function_process`. A task's parameters become keyword arguments; what it prints goes to
its own console; what it changed of the working directory, the environment, the import path, signals and the standard
descriptors is put right after it, and processes that it left behind end with it. Where something is left that cannot be
put right, such as a thread, the process says that it is spent, and its slot gets another. Where a user's module was
changed since it was imported, the process begins anew, with the same id, before the next call. When the worker dies,
however it dies, this process dies at once.
"""

from __future__ import annotations

import fcntl
import inspect
import json
import os
import signal
import sys
import tempfile
import termios
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from meristem.present import PRESENT_VARIABLE, task, variable_of
from meristem.processes.lifeline import die_with
from meristem.spool import REPORT_VARIABLE
from meristem.tasks.reporting.json_values import RESULT_LIMIT_CHARACTERS, dumps
from meristem.tasks.spool_folder import CONSOLE_FILE, TASK_VARIABLE
from meristem.workers.console import Console
from meristem.workers.loaded_files import LoadedFiles
from meristem.workers.process_tree import adopt_orphans, end_descendants

_READ_BYTES = 1 << 18
_SECTIONS = ("General", "Args")
_TASK_ARGUMENT = "task"  # a parameter of this name gets the current Task
_TRACEBACK_CHARACTERS = 20_000
_LAST_THREADS_SECONDS = 0.05  # for threads that are just ending


class Output:
    """What this process and its children print, given to the console of the task that runs."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):  # before: it asks for the position, which a pipe has not
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=True, errors="backslashreplace")
        self._pipe, self._theirs = os.pipe()
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        self.connect()
        self._lock = threading.Lock()
        self._console: Console | None = None
        threading.Thread(target=self._pump, daemon=True, name="meristem-console").start()

    def connect(self) -> None:
        """Makes the standard descriptors what they are meant to be. Raises OSError: a task has closed ours."""
        os.dup2(self._nothing, 0)
        os.dup2(self._theirs, 1)
        os.dup2(self._theirs, 2)

    def begin(self, console: Console) -> None:
        with self._lock:
            self._console = console

    def end(self) -> str | None:
        """Takes all that was printed until now; returns what could not be written of it."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # closed or replaced by the task
                stream.flush()
        with self._lock:
            console, self._console = self._console, None
            if console is None:
                return None
            while data := self._read():
                console.feed(data)
            console.finish()
            return console.fault

    def shipped(self, position: int) -> None:
        with self._lock:
            if self._console is not None:
                self._console.shipped(position)

    def _pump(self) -> None:
        import select  # after the main thread has started its work

        waiting = select.poll()
        waiting.register(self._pipe, select.POLLIN)
        while True:
            waiting.poll()
            with self._lock:
                data = self._read()
                if data and self._console is not None:  # between tasks nobody hears
                    self._console.feed(data)

    def _read(self) -> bytes:
        try:
            waiting = bytearray(4)
            fcntl.ioctl(self._pipe, termios.FIONREAD, waiting)
            return os.read(self._pipe, _READ_BYTES) if any(waiting) else b""
        except (BlockingIOError, OSError):
            return b""


class WarmProcess:
    """Calls functions as messages on `connection` say; each is answered.

    Args:
        lifeline: Descriptor by which the worker's death is noticed.
        complaints: Descriptor of the worker's own stderr.
    """

    def __init__(self, connection: Any, lifeline: int, complaints: int) -> None:
        self._connection = connection
        self._lifeline, self._complaints = lifeline, complaints
        self._loaded = LoadedFiles()
        self._inbox: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._output = Output()
        self._cwd, self._path, self._argv = os.getcwd(), list(sys.path), list(sys.argv)
        self._environment = dict(os.environ)
        self._threads: set[int] = set()
        self._handlers: dict[int, Any] = {}

    def run(self, first: dict[str, Any] | None = None) -> None:
        """Until the worker is gone. `first`: a call that came before this process began anew."""
        if first is not None:
            self._inbox.put(first)
        threading.Thread(target=self._listen, daemon=True, name="meristem-listen").start()
        while call := self._inbox.get():
            answer = self._call(call)
            self._connection.send_bytes(json.dumps(answer).encode())

    def _listen(self) -> None:
        try:
            while True:
                word = json.loads(self._connection.recv_bytes())
                if "shipped" in word:
                    self._output.shipped(word["shipped"])
                    continue
                if word.get("watch") and self._loaded.changed():
                    self._begin_anew(word)  # here, where no message is half read
                self._inbox.put(word)
        except (EOFError, OSError):
            end_descendants()
            os._exit(1)

    def _begin_anew(self, call: Mapping[str, Any]) -> None:
        """Becomes a fresh process with the same id and the same connections, which begins with `call`."""
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(call).encode())
            file.flush()
            numbers = self._connection.fileno(), self._lifeline, file.fileno()
            for number in numbers:
                os.set_inheritable(number, True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(self._complaints, 2)
            python = sys.orig_argv[: -len(self._argv) + 1]  # with its options and -c; `main` has arguments, always
            os.execve(sys.executable, [*python, *map(str, numbers)], self._environment)

    def _call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        folder = Path(call["folder"])
        limit = {"limit": call["console_bytes"]} if call.get("console_bytes") else {}
        self._output.begin(Console(folder / CONSOLE_FILE, call["secrets"], **limit))
        os.environ[TASK_VARIABLE] = str(folder / "task.json")
        os.environ[REPORT_VARIABLE] = str(folder / "report.jsonl")
        os.environ[PRESENT_VARIABLE] = variable_of(task(call["id"]))
        began = time.time()
        self._threads, self._handlers = set(sys._current_frames()), _handlers()
        right = False
        try:
            answer = _answer(call, lambda: self._loaded.note(began))
        finally:
            right = self._put_right()
        self._loaded.note(began)
        _end_children()
        answer["fault"] = self._output.end()
        with suppress(OSError):
            self._output.connect()
            answer["spent"] = not right or self._has_more_threads()
        answer.setdefault("spent", True)
        return answer

    def _has_more_threads(self) -> bool:
        """Those of Python, also raw ones. Libraries keep pools of their own, which do nothing unasked."""
        end = time.monotonic() + _LAST_THREADS_SECONDS
        while not set(sys._current_frames()) <= self._threads:
            if time.monotonic() > end:
                return True
            time.sleep(0.002)
        return False

    def _put_right(self) -> bool:
        """A task may go elsewhere, but not take the next one with it. False where something stays as it is."""
        right = True
        try:
            os.chdir(self._cwd)
        except OSError:
            right = False
        sys.path[:], sys.argv[:] = self._path, self._argv
        if os.environ != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is not getattr(sys, f"__{name}__"):
                setattr(sys, name, getattr(sys, f"__{name}__"))
            right = right and not getattr(sys, name).closed
        signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm would strike the next task
        for number, handler in _handlers().items():
            if handler is not self._handlers[number]:
                try:
                    signal.signal(number, self._handlers[number])
                except (TypeError, ValueError, OSError):  # it is not one of Python's
                    right = False
        return right


def _handlers() -> dict[int, Any]:
    return {int(number): signal.getsignal(number) for number in signal.valid_signals()}


def keyword_arguments(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a task as arguments of its function: those of the sections General and Args, by their names.

    `General/optimizer/lr` is the key `lr` of a dict `optimizer`.
    """
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        section, _, rest = name.partition("/")
        if section not in _SECTIONS or not rest:
            continue
        *way, last = rest.split("/")
        place = found
        for part in way:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        place[last] = value
    return found


def find_function(name: str) -> Callable[..., Any]:
    """Imports `package.module:function`.

    Raises:
        ValueError: It is not written so, or there is no such function in the module.
    """
    module, colon, path = name.partition(":")
    if not colon or not module or not path:
        raise ValueError(f"{name!r:.100} names no function; write package.module:function")
    found: Any = import_module(module)
    for part in path.split("."):
        if not hasattr(found, part):
            raise ValueError(f"the module {module} has no function {path!r}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"{name} is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]  # checked to be callable


def _answer(call: Mapping[str, Any], imported: Callable[[], None]) -> dict[str, Any]:
    try:
        function = find_function(call["function"])
        imported()
        arguments = keyword_arguments(call["parameters"])
        wants_task = _wants_task(function)
    except BaseException as error:  # imports of user code may raise anything
        return _failure(error, "the function cannot be loaded: ")
    try:
        if wants_task:
            from meristem.tasks.task import Task  # only for functions that ask for it

            arguments[_TASK_ARGUMENT] = Task.init(call["project"], call["name"])
        returned = function(**arguments)
    except BaseException as error:  # SystemExit and KeyboardInterrupt, too, end this task alone
        well = isinstance(error, SystemExit) and error.code in (None, 0)  # as it is of a script
        ended = {"result": None} if well else _failure(error)
    else:
        try:
            ended = {"result": json.loads(dumps(returned, limit_characters=RESULT_LIMIT_CHARACTERS))}
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            kind = type(returned).__name__
            message = f"it returned a {kind} that cannot be kept as JSON (larger things are artifacts): {error}"
            ended = {"message": message, "traceback": None}
    _close_task(ended.get("message"))
    return ended


def _wants_task(function: Callable[..., Any]) -> bool:
    with suppress(TypeError, ValueError):  # built-in functions have no signature
        return _TASK_ARGUMENT in inspect.signature(function).parameters
    return False


def _close_task(message: str | None) -> None:
    """Ends the Task that the function began, so that all it reported is in its folder."""
    module = sys.modules.get("meristem.tasks.task")
    task = module.Task.current() if module is not None else None
    if task is not None:
        with suppress(Exception):  # what it could not write, it has said
            task.close()


def _failure(error: BaseException, before: str = "") -> dict[str, Any]:
    try:
        text = " ".join(str(error).split())
    except Exception:  # a user's __str__ may raise anything
        text = "(its message cannot be shown)"
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    details = "".join(traceback.format_exception(type(error), error, frames))[-_TRACEBACK_CHARACTERS:]
    with suppress(OSError, ValueError):
        sys.stderr.write(details)
    name = type(error).__name__
    return {"message": f"{before}{name}: {text}"[:2000] if text else before + name, "traceback": details}


def _end_children() -> None:
    """Kills what a task has left behind; costs nothing where there is nothing."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return
    end_descendants()


def main(connection_number: str, lifeline: str, call_file: str | None = None) -> None:
    """Serves calls. `call_file`: descriptor of a file with the first of them, where the process began anew."""
    first = None
    if call_file is not None:
        with open(int(call_file), "rb") as file:
            file.seek(0)
            first = json.loads(file.read())
    numbers = int(connection_number), int(lifeline)
    for number in numbers:
        os.set_inheritable(number, False)  # a program started by a task must not keep them open
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to decide about
    die_with(numbers[1])
    adopt_orphans()
    complaints = os.dup(2)  # the worker's own: what goes to 2 from now on is a task's
    try:
        WarmProcess(Connection(numbers[0]), numbers[1], complaints).run(first)
    except BaseException:
        os.write(complaints, traceback.format_exc().encode("utf-8", "replace"))
        os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
