"""Adding beside the work of a labeling tool: one thread, in order; what went wrong is raised when it is waited for.

What has come while it was at work is done together: a change of a draft costs as much for a hundred files as for one.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 (its own end must have been registered before ours: see `_at_exit`)
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

log = logging.getLogger("meristem.datasets")
_MOST_TOGETHER = 1000

Piece = TypeVar("Piece")

_attended: dict[int, Background[object]] = {}  # what is not finished, by its id()
_registered = False


class Background(Generic[Piece]):
    """Does pieces of work one after the other, in a thread of its own.

    A process that is forked from its owner has nothing to do with it: there neither the thread nor its work is.

    Args:
        work: Does some pieces. Where that fails they are done again, half of them at a time, so that one spoils no
            other.
        message: What is told when the process ends before `close`.
    """

    _waiting: queue.Queue[Piece | None]
    _thread: threading.Thread | None
    _failed: list[BaseException]

    def __init__(self, work: Callable[[Sequence[Piece]], object], message: Callable[[], str]) -> None:
        self._work, self._message = work, message
        self._begin()

    def attend(self) -> None:
        """From now on there is something that is not finished when the process ends."""
        global _registered
        self._own()
        _attended[id(self)] = self  # type: ignore[assignment]  # whatever its pieces are
        if not _registered:
            _registered = True
            _at_exit(_leave_all)

    def add(self, piece: Piece) -> None:
        """Takes a piece of work. What one failed of is raised by `wait`, so that no version is made without it."""
        self._own()
        if self._thread is None:
            self._waiting = queue.Queue()  # which no other thread takes from
            self._thread = threading.Thread(target=self._run, args=(self._waiting,), name="meristem-dataset")
            self._thread.daemon = True
            self._thread.start()
        self.attend()
        self._waiting.put(piece)

    def catch_up(self) -> None:
        """Waits until all is done, so that what comes now comes after it; what failed is left to `wait`."""
        self._own()
        self._waiting.join()

    def wait(self) -> None:
        """Waits until all is done; raises what the first failed piece failed of. The others were done all the same."""
        self.catch_up()
        self._raise()

    def leave(self) -> None:
        """The process ends, or the block that made it failed: what was given is done, and what is left is told."""
        if self._process != os.getpid():
            return
        self._waiting.join()
        for error in self._failed:
            log.warning("A file could not be added: %s", error)
        log.warning("%s", self._message())
        self.close()

    def close(self) -> None:
        """Ends the thread once all is done."""
        _attended.pop(id(self), None)
        self._own()
        if self._thread is not None:
            self._waiting.put(None)
            self._thread = None

    def _begin(self) -> None:
        self._process = os.getpid()
        self._waiting = queue.Queue()
        self._thread = None
        self._failed = []

    def _own(self) -> None:
        """In a process that was forked: begins anew, for the thread did not come along."""
        if self._process != os.getpid():
            self._begin()

    def _run(self, waiting: queue.Queue[Piece | None]) -> None:
        ended = False
        while not ended:
            given = [waiting.get()]
            while len(given) < _MOST_TOGETHER and not waiting.empty():
                given.append(waiting.get())
            pieces = [piece for piece in given if piece is not None]
            ended = len(pieces) < len(given)
            try:
                self._do(pieces)
            finally:
                for _ in given:
                    waiting.task_done()

    def _do(self, pieces: Sequence[Piece]) -> None:
        if not pieces:
            return
        try:
            self._work(pieces)
        except BaseException as error:  # whatever it is: it is raised by who waits
            if len(pieces) == 1:
                self._failed.append(error)
                return
            half = len(pieces) // 2
            self._do(pieces[:half])
            self._do(pieces[half:])

    def _raise(self) -> None:
        if self._failed:
            (failed, *more), self._failed = self._failed, []
            for error in more:
                failed.add_note(f"Nor could another file be added: {error}")
            raise failed


def _leave_all() -> None:
    for background in list(_attended.values()):
        background.leave()


def _at_exit(work: Callable[[], None]) -> None:
    """Has `work` done when the process ends, while threads can still be started.

    atexit is too late for that: by then the pools of threads, by which packs are written, take nothing any more. The
    way in is private, and so it may be missing one day; atexit still tells what is left then.
    """
    getattr(threading, "_register_atexit", atexit.register)(work)
