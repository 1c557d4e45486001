"""Adding beside the work of a labeling tool: one thread, in order; what went wrong is raised when it is waited for."""

from __future__ import annotations

import atexit
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger("meristem.datasets")


class Background:
    """Does pieces of work one after the other, in a thread of its own.

    Args:
        work: Does one piece.
        message: What is told when the process ends before `close`.
    """

    def __init__(self, work: Callable[[Mapping[str, Any]], None], message: Callable[[], str]) -> None:
        self._work, self._message = work, message
        self._waiting: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._failed: BaseException | None = None
        self._attended = False

    def attend(self) -> None:
        """From now on there is something that is not finished when the process ends."""
        if not self._attended:
            self._attended = True
            atexit.register(self.leave)

    def add(self, **piece: Any) -> None:
        """Takes a piece of work; raises what an earlier one failed of."""
        self._raise()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="meristem-dataset", daemon=True)
            self._thread.start()
        self.attend()
        self._waiting.put(piece)

    def wait(self) -> None:
        """Waits until all is done; raises what the first failed piece failed of."""
        self._waiting.join()
        self._raise()

    def leave(self) -> None:
        """The process ends, or the block that made it failed: what was given is done, and what is left is told."""
        if self._thread is not None:
            self._waiting.join()
            if self._failed is not None:
                log.warning("A file could not be added: %s", self._failed)
        log.warning("%s", self._message())
        self.close()

    def close(self) -> None:
        """Ends the thread once all is done."""
        atexit.unregister(self.leave)
        if self._thread is not None:
            self._waiting.put(None)
            self._thread = None

    def _run(self) -> None:
        while (piece := self._waiting.get()) is not None:
            try:
                if self._failed is None:
                    self._work(piece)
            except Exception as error:
                self._failed = error
            finally:
                self._waiting.task_done()
        self._waiting.task_done()

    def _raise(self) -> None:
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
