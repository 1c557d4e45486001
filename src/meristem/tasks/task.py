"""Task: what a script sees of the task that it is.

    task = meristem.Task.init("demo", "digits")
    settings = task.connect({"lr": 0.1})
    task.report(step=1, accuracy=0.9)

`tasks.beginning` starts it and `tasks.live` ends it, `tasks.reporting` writes what it reports, `tasks.operations` does
what needs a store. Only the standard library is imported: this file is loaded into trainings.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from meristem.errors import InputError, StopTrial
from meristem.tasks.beginning import attach, begin, is_same
from meristem.tasks.capture_switches import capture_of
from meristem.tasks.endings import FAILED, Ending, ending_of
from meristem.tasks.live import LiveTask
from meristem.tasks.modes import Mode, Wanted
from meristem.tasks.reporting.reporter import Reporter

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from meristem.store.store import Store
    from meristem.tasks.compare import Comparison
    from meristem.tasks.operations import StoredTask

T = TypeVar("T")


class Task(Reporter):
    """A task that runs in this process. Made by `Task.init`, or had by `Task.current`.

    It ends as the script does: completed, failed by an exception or an exit status, aborted by Ctrl-C. As a context
    manager it ends with its block. What is reported in processes that the script forks or spawns belongs to it too.

    Attributes:
        id: 16 hex digits; what `meristem task show` takes.
        folder: Its spool folder.
    """

    def __init__(self, live: LiveTask) -> None:
        super().__init__(live.folder.path, lines=live.lines, files=live.files)
        self._live = live

    @classmethod
    def init(
        cls,
        project: str,
        name: str,
        *,
        tags: Sequence[str] = (),
        kind: str = "training",
        comment: str = "",
        parent: str | None = None,
        store: str | Path | None = None,
        offline: bool | None = None,
        capture: bool | Mapping[str, bool] = True,
    ) -> Task:
        """Makes this script a task: captures what it runs, and ships what it reports to the store.

        On a worker, it is the task that the worker runs, whatever the names given here. Within a study's trial no task
        is made: scalars are reported to the trial. Asked again for the same project and name, it gives the same task;
        for others, the first one ends.

        Args:
            parent: Id of the task that this one comes from.
            store: URL of the store; by default MERISTEM_STORE, or the one in the working directory.
            offline: Keep everything in a folder, for `meristem task import`. By default as MERISTEM_OFFLINE says.
            capture: What is captured: True for all, False for nothing, or what to switch off, such as
                `{"console": False}`; see `tasks.capture_switches.Capture` for the names.

        Raises:
            InputError: A name that cannot be one, a switch that does not exist.
        """
        wanted = Wanted(
            project=project,
            name=name,
            tags=(tags,) if isinstance(tags, str) else tuple(tags),
            kind=kind,
            comment=comment,
            parent=parent,
            store=None if store is None else str(store),
            offline=offline,
            capture=capture_of(capture),
        )
        global _current
        with _lock:
            if _current is not None and not _current._live.ended and is_same(_current._live, wanted):
                return _current
            if _current is not None:
                _current.close()
            _current = cls(begin(wanted))
            return _current

    @classmethod
    def current(cls) -> Task | None:
        """The task that this process runs; None where `Task.init` was not called or the task has ended."""
        return None if _current is None or _current._live.ended else _current

    @staticmethod
    def get(ref: int | str, *, store: Store | str | None = None) -> StoredTask:
        """The task of a store by its number, its id, or the beginning of its id; see `tasks.operations.StoredTask`."""
        return _stored().get(ref, store=store)

    @staticmethod
    def list(**which: Any) -> Sequence[StoredTask]:
        """Tasks of a store, newest first, by project, name, status, tags, queue; see `StoredTask.list`."""
        return _stored().list(**which)

    @staticmethod
    def create(project: str, name: str, **draft: Any) -> StoredTask:
        """Makes a draft without running anything: a function, script or module; see `StoredTask.create`."""
        return _stored().create(project, name, **draft)

    @staticmethod
    def compare(tasks: Sequence[StoredTask | int | str], **options: Any) -> Comparison:
        """In what tasks differ: code, packages, parameters, metrics, artifacts."""
        from meristem.tasks.operations import compare_tasks  # needs a store: not loaded into trainings

        return compare_tasks(tasks, **options)

    def execute_remotely(self, queue: str, *, priority: int = 0) -> None:
        """Ends this process here, and has a worker run the script from its beginning, as it was captured.

        What was connected so far goes with it. On a worker this does nothing, so the same script goes on there.

        Raises:
            SystemExit: The task goes to the queue.
            QueueNotFound, QueueRefused: The queue does not exist, or takes no tasks now; the script goes on.
            InputError: The task is kept offline.
        """
        if self._live.mode not in (Mode.BY_HAND, Mode.MUTE):
            return
        if self._live.mode is Mode.BY_HAND:
            from meristem.tasks.leaving import check_queue  # needs a store: not loaded into trainings

            check_queue(self._live.wanted, queue)
            self._live.lines.record("enqueue", queue=queue, priority=int(priority))
            self.close()
            print(f"Meristem task {self.id} goes to the workers of queue {queue}.", file=sys.stderr, flush=True)
        raise SystemExit(0)

    @property
    def id(self) -> str:
        return self._live.file.id

    @property
    def number(self) -> int | None:
        """The store's number of it, known on workers."""
        return self._live.file.number

    @property
    def project(self) -> str:
        return self._live.file.project

    @property
    def name(self) -> str:
        return self._live.file.name

    @property
    def folder(self) -> Path:
        return self._live.folder.path

    @property
    def remote(self) -> bool:
        """Whether the store's parameters replace those of the code: a worker runs it."""
        return self._live.file.remote

    @overload
    def connect(self, value: ArgumentParser, section: str | None = None) -> Namespace: ...
    @overload
    def connect(self, value: T, section: str | None = None) -> T: ...

    def connect(self, value: Any, section: str | None = None) -> Any:
        """Connects parameters: a dict, dataclass, pydantic model, argparse parser or namespace.

        Run by hand, the values are kept with the task as `section/name`. On a worker, those of the task, which may
        have been edited, replace the values in `value` itself. So a task is run again with other parameters.

        Args:
            section: First part of the names; by default "General", of a parser "Args".

        Returns:
            `value`, or a changed copy where it cannot be changed (a frozen dataclass); of a parser what it parsed.

        Raises:
            InputError: It has no named values, or edited values do not fit it.
        """
        return self._live.connect(value, section)

    def report(self, step: int | None = None, **metrics: Any) -> None:
        """Reports metrics, at `step` or (without one) as final values; the same as `trial.report`.

        Args:
            metrics: Numbers, or pairs (mean, standard error); NaN and infinity are taken.

        Raises:
            InputError: A metric is neither a number nor such a pair.
            StopTrial: Within a study's trial: it is asked to stop.
        """
        super().report(step, **metrics)
        if self._live.mode is Mode.TRIAL and self._live.folder.stop_asked():
            raise StopTrial("The study asked this trial to stop.")

    @property
    def abort_requested(self) -> bool:
        """Whether somebody asked the task to stop; a training that looks here between steps can end cleanly."""
        return self._live.abort_requested

    def on_abort(self, callback: Callable[[], object]) -> None:
        """Has `callback` called, in a thread of its own, when the task is asked to stop: to save a checkpoint.

        There is little time for it: the process is terminated once it is through, or a grace period is over.
        """
        if not callable(callback):
            raise InputError(f"on_abort() got {callback!r:.60}.", fix="Give a function without arguments.")
        self._live.add_abort_callback(callback)

    def mark_failed(self, message: str) -> None:
        """Has the task count as failed, however the script ends."""
        self._live.note(Ending(status=FAILED, message=str(message)))

    def close(self) -> None:
        """Ends the task now: completed, or as was marked. What is reported later is dropped."""
        self._live.end()

    def __enter__(self) -> Task:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._live.note(ending_of(error))
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it reports to the same folder."""
        return _attached, (str(self.folder),)

    def __repr__(self) -> str:
        return f"Task({self.id}, {self.project!r}, {self.name!r}, {self._live.mode.value})"


def _stored() -> type[StoredTask]:
    from meristem.tasks.operations import StoredTask  # needs a store: not loaded into trainings

    return StoredTask


_current: Task | None = None
_lock = threading.RLock()


def _attached(folder: str) -> Task:
    if _current is not None and str(_current.folder) == folder:
        return _current
    return Task(attach(Path(folder)))
