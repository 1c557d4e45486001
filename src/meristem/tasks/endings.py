"""Notices how a training ends: normally, by an exception, by a signal, by an exit status."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from meristem.errors import one_line
from meristem.tasks import exit_status
from meristem.tasks.spool_folder import SpoolFolder

COMPLETED, FAILED, ABORTED = "completed", "failed", "aborted"
_LONGEST_TRACEBACK = 100_000  # characters; of a longer one its end is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a training ended.

    Attributes:
        at_exit: It was noticed as the process ended, whose exit status, known only then, may still say otherwise.
        by_signal: Somebody waits for it to end.
        discard: Nothing of the task is to be kept.
    """

    status: str
    message: str = ""
    traceback: str = ""
    at_exit: bool = False
    by_signal: bool = False
    discard: bool = False

    def to_json(self) -> dict[str, Any]:
        """The fields of an `ended` record; empty ones are left out."""
        found = {"message": self.message, "traceback": self.traceback, "at_exit": self.at_exit}
        found |= {"discard": self.discard}
        return {"status": self.status, **{name: value for name, value in found.items() if value}}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Ending:
        """Reads an `ended` record. Raises ValueError where its status is none."""
        if record.get("status") not in (COMPLETED, FAILED, ABORTED):
            raise ValueError(f"no status of an ending: {record.get('status')!r:.40}")
        message, trace = str(record.get("message") or ""), str(record.get("traceback") or "")
        return cls(status=record["status"], message=message, traceback=trace, at_exit=record.get("at_exit") is True)

    def corrected(self, exit_status: int | None) -> Ending:
        """With what the exit status adds, which is known to those who come after the process."""
        if self.status == COMPLETED and self.at_exit and exit_status:
            return Ending(status=FAILED, message=f"The script exited with status {exit_status}.")
        return self


def ending_of(error: BaseException) -> Ending:
    """How a training ends that this exception leaves."""
    if isinstance(error, KeyboardInterrupt):
        return Ending(status=ABORTED, message="Interrupted (Ctrl-C).", by_signal=True)
    if isinstance(error, SystemExit):
        status = exit_status.status_of(error.code)
        if status == 0:
            return Ending(status=COMPLETED)
        text = f": {error.code}" if isinstance(error.code, str) else ""
        return Ending(status=FAILED, message=f"The script exited with status {status}{text}.")
    try:
        details = "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:]
        return Ending(status=FAILED, message=one_line(error), traceback=details)
    except Exception:  # an exception whose own text raises
        return Ending(status=FAILED, message=type(error).__name__)


class ExitWatch:
    """Calls `ended` once, as this process ends; in forked children it does nothing.

    Args:
        ended: Given how it ended; quick, for there may be little time.
        stopping: Called when SIGTERM comes, before the end: callbacks that save a checkpoint.
    """

    def __init__(self, ended: Callable[[Ending], None], stopping: Callable[[], None]) -> None:
        self._ended, self._stopping = ended, stopping
        self._pid = os.getpid()
        self._noted: Ending | None = None
        self._undo: list[Callable[[], object]] = []

    def start(self, folder: SpoolFolder | None = None) -> None:
        """Begins to watch. With a folder, the exit status is written there too."""
        if folder is not None:
            exit_status.record_exit_status(folder.exit_status)
        atexit.register(self._at_exit)
        self._undo.append(lambda: atexit.unregister(self._at_exit))
        self._chain_excepthook()
        self._take_sigterm()

    def close(self) -> None:
        while self._undo:
            with suppress(Exception):
                self._undo.pop()()

    def note(self, ending: Ending) -> None:
        """Notes how it is about to end; what was noted first stands."""
        self._noted = self._noted or ending

    def first(self, ending: Ending) -> Ending:
        """What was noted first, or else `ending`."""
        return self._noted or ending

    def _at_exit(self) -> None:
        if os.getpid() != self._pid:
            return
        noted = self._noted or Ending(status=COMPLETED, at_exit=True)
        if self._noted is None and exit_status.noted:
            noted = Ending(status=FAILED, message=f"The script exited with status {exit_status.noted}.")
        self._ended(noted)

    def _chain_excepthook(self) -> None:
        earlier = sys.excepthook

        def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            if os.getpid() == self._pid:
                self.note(ending_of(error))
            earlier(kind, error, trace)

        sys.excepthook = hook
        self._undo.append(lambda: _restore_excepthook(hook, earlier))

    def _take_sigterm(self) -> None:
        """Where the script has no handler of its own, the end is told before the signal takes its course."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return

        def handle(number: int, frame: Any) -> None:
            signal.signal(number, signal.SIG_DFL)
            if os.getpid() == self._pid:
                with suppress(Exception):
                    self._stopping()
                    self._ended(Ending(status=ABORTED, message="Terminated (SIGTERM).", by_signal=True))
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, handle)
        _handlers.append(handle)
        self._undo.append(lambda: _restore_sigterm(handle))


def _restore_excepthook(ours: Any, earlier: Any) -> None:
    if sys.excepthook is ours:
        sys.excepthook = earlier


def _restore_sigterm(ours: Any) -> None:
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is ours:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _handlers.remove(ours)


# Python forgets signals that come to a forked child before it is set up, where they have a handler: a child that is
# terminated at once would live on. So they wait until the child, which needs no handler of ours, has none.
_handlers: list[Any] = []
_masks = threading.local()


def _before_fork() -> None:
    if _handlers:
        _masks.earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _after_fork_in_parent() -> None:
    if getattr(_masks, "earlier", None) is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.earlier)
        _masks.earlier = None


def _after_fork_in_child() -> None:
    if signal.getsignal(signal.SIGTERM) in _handlers:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _handlers.clear()
    _after_fork_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
