"""A task while it runs in this process: what goes on beside the training, and how it ends.

By hand, a spool folder is made and a shipper is started; on a worker both are there already. Within a study's trial
there is no task: scalars go to the trial's spool. In processes that the training spawned, reports go to its folder.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from meristem import present, spool
from meristem.errors import InputError, one_line
from meristem.present import PRESENT_VARIABLE
from meristem.tasks.capturing import late_source, packages_of
from meristem.tasks.discarding import nothing_reported
from meristem.tasks.endings import ABORTED, COMPLETED, FAILED, Ending, ExitWatch
from meristem.tasks.modes import Mode, Wanted, is_offline
from meristem.tasks.reporting.append_file import pulse, warn
from meristem.tasks.reporting.console import ConsoleLog
from meristem.tasks.reporting.hooks.matplotlib_hook import MatplotlibHook
from meristem.tasks.reporting.hooks.tensorboard_hook import TensorboardHook
from meristem.tasks.reporting.kept_files import KeptFiles
from meristem.tasks.reporting.records import ReportLines
from meristem.tasks.reporting.reporter import Reporter
from meristem.tasks.reporting.resources import TITLE, ResourceMonitor
from meristem.tasks.spool_folder import SpoolFolder, TaskFile

_NAMED = 10  # parameters in a warning
_ARGUMENT_HOOKS = ("argparse", "click", "hydra")


class LiveTask:
    """The task of this process, or of a part of it.

    Args:
        mode: Where it runs; see `find_mode`.
        folder: Its spool folder; that of the trial within a study.
        file: What task.json says.
    """

    def __init__(self, mode: Mode, folder: SpoolFolder, file: TaskFile, wanted: Wanted) -> None:
        self.mode, self.folder, self.file, self.wanted = mode, folder, file, wanted
        mute = mode is Mode.MUTE
        direct = mode in (Mode.ATTACHED, Mode.TRIAL)  # nobody says when they end
        self.lines = ReportLines(Path(os.devnull) if mute else folder.report, direct=direct)
        self.files = KeptFiles(folder.path, mute=mute)
        self.ended = False
        self.abort_requested = False
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._on_abort: list[Callable[[], object]] = []
        self._aborting: threading.Thread | None = None
        self._exit = ExitWatch(self.end, self._before_sigterm)
        self._undo: list[Callable[[], object]] = []
        self.parameters = self._make_parameters()

    def start(self) -> None:
        """Starts what goes on beside the training. Nothing here may break it."""
        if self.mode in (Mode.BY_HAND, Mode.WORKER):
            self._exit.start(self.folder if self.mode is Mode.BY_HAND else None)
            pulse.add(self._look_for_stop)
            self._undo.append(lambda: pulse.remove(self._look_for_stop))
            spool.send_reports_to(self.lines.scalars)
            self._undo.append(lambda: spool.send_reports_to(None))
            self._name_the_present()
            self._start_captures()
        if self.mode is not Mode.MUTE and self.wanted.capture.arguments:
            self._start_argument_hooks()

    def connect(self, value: Any, section: str | None) -> Any:
        return self.parameters.connect(value, section)

    def add_abort_callback(self, callback: Callable[[], object]) -> None:
        with self._lock:
            self._on_abort.append(callback)

    def note(self, ending: Ending) -> None:
        self._exit.note(ending)

    def end(self, ending: Ending | None = None) -> None:
        """Ends the task, once; in forked children nothing happens."""
        with self._lock:
            if self.ended or os.getpid() != self._pid:
                return
            self.ended = True
        ending = self._exit.first(ending or Ending(status=COMPLETED))
        if self.abort_requested and ending.status == COMPLETED:
            ending = Ending(status=ABORTED, message="It stopped as it was asked to.")
        while self._undo:
            with suppress(Exception):
                self._undo.pop()()
        if self._is_to_be_discarded(ending):
            ending = replace(ending, discard=True)
        elif self.mode is Mode.BY_HAND and not ending.by_signal:
            self._capture_late()
        if self.mode is Mode.WORKER and ending.status == COMPLETED and self.file.source.get("entry") != "function":
            self._tell_unused()
        # A worker sees itself how the process ends; why user code failed, only the process knows.
        if self.mode is Mode.BY_HAND or (self.mode is Mode.WORKER and ending.status == FAILED):
            self.lines.record("ended", **ending.to_json())
        self._exit.close()
        self.lines.close()
        if ending.discard and is_offline(self.wanted):  # else its shipper removes the folder
            shutil.rmtree(self.folder.path, ignore_errors=True)

    def _tell_unused(self) -> None:
        """Most often a slip in a name or section, which would silently change nothing."""
        if unused := self.parameters.unused():
            more = f" and {len(unused) - _NAMED} more" if len(unused) > _NAMED else ""
            warn(f"nothing in the code has read these parameters of the task: {', '.join(unused[:_NAMED])}{more}")

    def _is_to_be_discarded(self, ending: Ending) -> bool:
        """The script has only told how it is called, or refused how it was."""
        if self.mode is not Mode.BY_HAND or not self.parameters.left or ending.traceback or ending.by_signal:
            return False
        self.lines.flush()
        return nothing_reported(self.folder.report)

    def _name_the_present(self) -> None:
        """So that versions of data know which task has read or made them; also in processes that it starts."""
        before = os.environ.get(PRESENT_VARIABLE)
        os.environ[PRESENT_VARIABLE] = present.variable_of(present.task(self.file.id))

        def undo() -> None:
            os.environ.pop(PRESENT_VARIABLE, None)
            if before is not None:
                os.environ[PRESENT_VARIABLE] = before

        self._undo.append(undo)

    def _start_captures(self) -> None:
        on = self.wanted.capture
        if on.console and self.mode is Mode.BY_HAND:
            console = ConsoleLog(self.folder.console)
            console.start()
            self._undo.insert(0, console.close)
        if on.resources and os.environ.get("LOCAL_RANK", "0") == "0":
            monitor = ResourceMonitor(lambda name, value, step: self.lines.scalar(TITLE, name, value, step))
            monitor.start()
            self._undo.append(monitor.close)
        reporter = Reporter(self.folder.path, lines=self.lines, files=self.files)
        if on.matplotlib:
            self._undo.append(MatplotlibHook(reporter).install())
        if on.tensorboard:
            self._undo.append(TensorboardHook(reporter).install())

    def _start_argument_hooks(self) -> None:
        for name in _ARGUMENT_HOOKS:
            try:
                hook = import_module(f"meristem.tasks.parameters.{name}_hook")
                self._undo.append(hook.install(self.parameters))
            except InputError:
                raise
            except Exception as error:
                warn(f"parameters of {name} are not captured: {one_line(error)}")

    def _make_parameters(self) -> Any:
        from meristem.tasks.parameters.connecting import Parameters  # only where a task is live

        def tell(values: Mapping[str, Any]) -> None:
            if self.mode in (Mode.BY_HAND, Mode.WORKER) and values:
                self.lines.record("parameters", values=dict(values))

        return Parameters(dict(self.file.parameters), self.file.remote, tell)

    def _capture_late(self) -> None:
        on, before = self.wanted.capture, self.file
        if on.source and before.source and (changed := late_source(self.folder.path, before.source)):
            self.lines.record("source", values=changed)
        if on.packages and (packages := packages_of(before.source)) != before.environment.get("packages"):
            self.lines.record("environment", values={"packages": packages})

    def _look_for_stop(self) -> None:
        if not self.abort_requested and self.folder.stop_asked():
            self.abort_requested = True
            self._aborting = threading.Thread(target=self._run_abort_callbacks, name="meristem-abort", daemon=True)
            self._aborting.start()

    def _run_abort_callbacks(self) -> None:
        while True:
            with self._lock:
                callback = self._on_abort.pop(0) if self._on_abort else None
            if callback is None:
                return
            try:
                callback()
            except Exception as error:
                warn(f"the callback {getattr(callback, '__name__', callback)!r} of on_abort failed: {one_line(error)}")

    def _before_sigterm(self) -> None:
        self.abort_requested = True
        running = self._aborting
        if running is not None and running is not threading.current_thread():
            running.join()
        self._run_abort_callbacks()
