"""The context that Clara's components are handed: shared properties, the wish to stop, traces.

The main context belongs to a run; each job has a child of it. Job threads, handlers and the engine use them
at the same time.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meristem.clara.keys import ContextKey
from meristem.errors import InputError

_TRACES_KEPT = 1000
_DESTINATIONS = ("console", "file", "both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a component said of an exception that it caught."""

    message: str
    traceback: str | None = None


class Context:
    """Properties and requests, shared by the components of a workflow.

    Args:
        parent: Whose properties it inherits.

    Attributes:
        failure: What was told by `exception_occurred`, the first counts; None where nothing was.
        command_modules: What was given to `add_command_module`.
    """

    def __init__(self, parent: Context | None = None) -> None:
        self._parent = parent
        self._lock = threading.RLock()
        self._properties: dict[str, Any] = {}
        self._stop_message: str | None = None
        self._on_stop: Callable[[str], None] | None = None
        self._traces: deque[tuple[str, str]] = deque(maxlen=_TRACES_KEPT)
        self.failure: Failure | None = None
        self.command_modules: list[Any] = []

    # Properties

    def get_prop(self, key: str, default: Any = None) -> Any:
        """The value of `key`, here or else in the parent."""
        with self._lock:
            if key in self._properties:
                return self._properties[key]
        return default if self._parent is None else self._parent.get_prop(key, default)

    def set_prop(self, key: str, value: Any) -> None:
        """Sets `key` here; the parent's stays as it is."""
        with self._lock:
            self._properties[key] = value

    def remove_prop(self, key: str) -> None:
        """Forgets what was set here."""
        with self._lock:
            self._properties.pop(key, None)

    def take_over(self, other: Context) -> None:
        """Takes the properties of `other` that this one does not have."""
        with other._lock:
            found = dict(other._properties)
        with self._lock:
            self._properties = {**found, **self._properties}

    # Stopping

    def stop_work(self, issuer: Any, msg: str = "") -> None:
        """Asks that the whole workflow stop; the first message counts."""
        if self._parent is not None:
            self._parent.stop_work(issuer, msg)
            return
        with self._lock:
            if self._stop_message is not None:
                return
            self._stop_message = message = f"{name_of(issuer)}: {msg}" if msg else name_of(issuer)
        if self._on_stop is not None:
            self._on_stop(message)

    def stop_work_asked(self) -> bool:
        return self.get_stop_message() is not None

    def get_stop_message(self) -> str | None:
        if self._stop_message is not None:
            return self._stop_message
        return None if self._parent is None else self._parent.get_stop_message()

    def stop_here(self, message: str) -> None:
        """Asks those alone to stop who work with this context, such as one job."""
        with self._lock:
            self._stop_message = self._stop_message or message

    def when_stopped(self, tell: Callable[[str], None]) -> None:
        """Has `tell` called, by whatever thread asks, once somebody asks to stop; at once if somebody has."""
        with self._lock:
            self._on_stop, message = tell, self._stop_message
        if message is not None:
            tell(message)

    def exception_occurred(self, issuer: Any, msg: str | None = None) -> None:
        """Tells of an exception that was caught: it fails the job, or stops the workflow where it is not a job's."""
        current = sys.exc_info()[1]
        what = msg or (f"{type(current).__name__}: {current}" if current else "an exception occurred")
        details = "".join(traceback.format_exception(current)) if current else None
        self.trace(issuer, what if details is None else f"{what}\n{details}")
        with self._lock:
            self.failure = self.failure or Failure(message=f"{name_of(issuer)}: {what}", traceback=details)
        if self._parent is None:
            self.stop_work(issuer, what)

    # Traces

    @property
    def traces(self) -> list[tuple[str, str]]:
        """The last traces of the workflow: who, what."""
        root = self._root()
        with root._lock:
            return list(root._traces)

    def trace(self, issuer: Any, msg: str, print_to_console: bool = False) -> None:
        """Keeps the message among `traces`, and writes it where `set_trace` says."""
        root, who = self._root(), name_of(issuer)
        line = f"{who}: {msg}"
        with root._lock:
            root._traces.append((who, str(msg)))
            kind, file = root.get_prop(ContextKey.TRACE_DEST_TYPE), root.get_prop(ContextKey.TRACE_DEST_FILE)
            if kind in ("file", "both") and file:
                with open(file, "a", encoding="utf-8") as opened:
                    opened.write(line + "\n")
        if print_to_console or kind in ("console", "both"):
            print(line, file=sys.stderr)

    def set_trace(self, dest: str, file_name: str | None = None) -> None:
        """From now on traces go to `dest`: `console`, `file` or `both`.

        Raises:
            InputError: Another destination, or no file where one is needed.
        """
        if dest not in _DESTINATIONS or (dest != "console" and not file_name):
            raise InputError(
                f"Traces cannot go to {dest!r:.80} with the file {file_name!r:.80}.",
                fix="Give console, or file or both with the name of a file.",
            )
        root = self._root()
        root.set_prop(ContextKey.TRACE_DEST_TYPE, dest)
        root.set_prop(ContextKey.TRACE_DEST_FILE, file_name)

    def close_trace(self) -> None:
        """Traces go nowhere any more but to `traces`."""
        self._root().remove_prop(ContextKey.TRACE_DEST_TYPE)

    def add_command_module(self, module: Any) -> None:
        """Keeps the module. There is no admin console to serve it: see `meristem study` instead."""
        root = self._root()
        with root._lock:
            root.command_modules.append(module)

    def _root(self) -> Context:
        return self if self._parent is None else self._parent._root()


def name_of(issuer: Any) -> str:
    """How a component that asks or tells something is named."""
    return issuer if isinstance(issuer, str) else type(issuer).__name__
