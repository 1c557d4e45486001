"""Shows how many bytes are done, how fast, and how long it will take; nothing where there is no terminal.

The bar appears after a moment: what is done at once needs none, nor the time to load what draws it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all where that is known

_AFTER = 0.3  # seconds of work
_EVERY = 0.1  # seconds


@contextmanager
def transferring(what: str, *, quiet: bool = False) -> Iterator[Progress | None]:
    """Gives what is told of the bytes that are done; None where nobody looks.

    Args:
        what: What is done, in a word or two.
        quiet: Show nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(what)
    try:
        yield bar.tell
    finally:
        bar.close()


class _Bar:
    """Several threads may tell of their progress."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = self._told = time.monotonic()
        self._bar: Any = None
        self._lock = threading.Lock()

    def tell(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now < self._begun + _AFTER or (now < self._told + _EVERY and done != total):
            return
        with self._lock:
            self._told = now
            if self._bar is None:
                self._bar = _rich_bar()
                self._task = self._bar.add_task(self._what, total=None)
                self._bar.start()
            self._bar.update(self._task, completed=min(done, total or done), total=total)

    def close(self) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()


def _rich_bar() -> Any:
    from rich.console import Console  # slow to import: only where it is shown
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
