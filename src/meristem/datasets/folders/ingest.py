"""Reads what a look found to be new or changed, and puts it where objects go.

Small files one after the other in the caller's thread (reading them is bound by system calls and Python), large ones in
threads beside it (cutting and hashing them runs outside of Python's lock). What cannot be read is told all at once, at
the end: nothing else has to be read again then.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from meristem.datasets.folders.comparing import Changed
from meristem.datasets.folders.file_reading import (
    Done,
    KeepsChanging,
    NoFile,
    Objects,
    Progress,
    Stopped,
    flags,
    read_file,
    read_small,
)
from meristem.datasets.folders.looking import Look
from meristem.datasets.folders.records import SIZE, WIDTH
from meristem.datasets.folders.scanning import shown
from meristem.errors import InputError
from meristem.packs.chunking import WHOLE

_THREADS = 4
_WAITING = 64
_PROBLEMS_SHOWN = 50
REMEMBER_EVERY_BYTES = 1 << 30


def read(
    look: Look,
    objects: Objects,
    progress: Progress | None = None,
    *,
    threads: int | None = None,
    flushed: Callable[[], None] | None = None,
) -> None:
    """Reads every file that `look` says must be read; afterwards the look knows what everything holds.

    Files that vanish meanwhile are as if they had never been there. May be called again after `look.distrust`.

    Args:
        objects: The writer; the caller flushes it.
        progress: Told how many more bytes were read (fewer than none where a file is read again).
        threads: For files above 256 KiB; by default one a core, at most 4.
        flushed: Called after each GiB, and where something cannot be read, when all that was read is stored: a reading
            that is cut off then goes on from there (`syncing.remember`).

    Raises:
        InputError: Files that cannot be read, or that changed whenever they were read; lists all of them.
    """
    _Reading(look, objects, progress, threads or min(_THREADS, os.cpu_count() or 1), flushed).run()


class _Reading:
    def __init__(
        self, look: Look, objects: Objects, progress: Progress | None, threads: int, flushed: Callable[[], None] | None
    ) -> None:
        self._look, self._objects, self._progress, self._flushed = look, objects, progress, flushed
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[tuple[Changed, int, Future[Done]]] = deque()
        self._problems: list[str] = []
        self._unread: dict[int, list[int]] = {}  # by id of a directory: what could not be read
        self._under_way: list[Changed] = []
        self._stop = threading.Event()
        self._telling = threading.Lock()
        self._unflushed = 0

    def run(self) -> None:
        try:
            for changed in self._look.changed:
                if changed.todo:
                    self._directory(changed)
            self._complete()
        finally:
            self._stop.set()
            if self._pool:
                self._pool.shutdown(wait=True, cancel_futures=True)
        if self._problems:
            if self._flushed:
                self._objects_stored(self._flushed)
            more = len(self._problems) - _PROBLEMS_SHOWN
            raise InputError(
                f"{len(self._problems)} files in {shown(os.fspath(self._look.folder))} could not be read",
                self._problems[:_PROBLEMS_SHOWN] + ([f"… and {more} more"] if more > 0 else []),
                "Nothing was changed. Once they can be read, do it again: what was read is not read twice.",
            )

    def _directory(self, changed: Changed) -> None:
        todo = changed.todo
        self._under_way.append(changed)
        path = os.path.join(self._look.folder, changed.path)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            for i in todo:
                self._vanished(changed, i)
            return
        try:
            large, told = self._small_files(changed, todo, descriptor)
        finally:
            os.close(descriptor)
        self._tell(told)
        names = changed.record.names if large else []
        for i in large:
            self._take(_WAITING)
            self._waiting.append((changed, i, self._submitted(os.path.join(path, names[i]))))
        if self._flushed and self._unflushed >= REMEMBER_EVERY_BYTES:
            self._objects_stored(self._flushed)

    def _objects_stored(self, flushed: Callable[[], None]) -> None:
        self._take(0)
        self._objects.flush()
        self._complete()
        flushed()
        self._unflushed = 0

    def _complete(self) -> None:
        """What is under way is done. Not before: after a failure it would be taken for read."""
        self._take(0)
        for changed in self._under_way:
            changed.todo = self._unread.get(id(changed), ())
            changed.tried = True
        self._under_way.clear()

    def _small_files(self, changed: Changed, todo: Sequence[int], descriptor: int) -> tuple[list[int], int]:
        """Reads those that are small; returns the others, and how many bytes were read. The loop that must be fast."""
        record, large, told = changed.record, [], 0
        names, facts, objects = record.names, record.facts.tolist(), self._objects
        open_flags = flags(follow=self._look.selection.follow)
        for i in todo:
            wanted = tuple(facts[WIDTH * i : WIDTH * (i + 1)])
            if wanted[SIZE] > WHOLE:
                large.append(i)
                continue
            try:
                content = read_small(names[i], descriptor, wanted, objects, open_flags)
            except OSError:
                content = None
            if content is None:
                large.append(i)  # it changed, or cannot be read: the thorough way finds out
                continue
            record.set_content(i, content)
            told += wanted[SIZE]
        return large, told

    def _submitted(self, path: str) -> Future[Done]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="meristem-read")
        return self._pool.submit(
            read_file,
            path,
            self._objects,
            follow=self._look.selection.follow,
            told=self._tell,
            stopping=self._stop.is_set,
        )

    def _take(self, waiting: int) -> None:
        """Takes what large files held until at most so many are under way."""
        while len(self._waiting) > waiting:
            changed, i, future = self._waiting.popleft()
            self._settle(changed, i, future)

    def _settle(self, changed: Changed, i: int, future: Future[Done]) -> None:
        try:
            done = future.result()
        except FileNotFoundError:
            self._vanished(changed, i)
        except (KeepsChanging, NoFile) as error:
            self._problem(changed, i, str(error.strerror))
        except Stopped:
            pass
        except OSError as error:
            self._problem(changed, i, f"cannot be read ({error.strerror})")
        else:
            changed.record.set_facts(i, done.facts)
            changed.record.set_content(i, done.content)

    def _vanished(self, changed: Changed, i: int) -> None:
        self._look.files -= 1
        changed.record.forget(i)

    def _problem(self, changed: Changed, i: int, what: str) -> None:
        changed.record.forget(i)
        self._unread.setdefault(id(changed), []).append(i)
        name = changed.record.names[i]
        self._problems.append(f"{shown(f'{changed.path}/{name}' if changed.path else name)}: {what}")

    def _tell(self, size: int) -> None:
        with self._telling:
            self._unflushed += size
            if self._progress:
                self._progress(size)
