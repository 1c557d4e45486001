"""A folder and the folders in it, reached step by step from its descriptor and never through a link.

So whatever stands in a folder of the user, or is put there meanwhile, nothing is written outside. One is used by one
thread: it keeps some descriptors open and closes those that were not needed for longest.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_FOLDER = (errno.ENOTDIR, errno.ELOOP)  # a file, a link

Obstacle = Callable[[int, str, str], None]
"""Called with a folder's descriptor, a name in it and its path, where something stands that is no folder: it moves
that away, or raises."""


class Inside:
    """Descriptors of the folders below `root`.

    Args:
        obstacle: What to do where a folder is needed and something else stands.
        unlock: Whether folders that are read-only are made writable when something is to be written into them.
        kept: How many descriptors stay open.
    """

    def __init__(self, root: Path, obstacle: Obstacle, *, unlock: bool = False, kept: int = 64) -> None:
        self._obstacle, self._unlock, self._kept = obstacle, unlock, kept
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: OrderedDict[str, int] = OrderedDict()
        self._writable: set[str] = set()  # of those that are open
        self._last, self._last_descriptor = "", self._root
        if unlock:
            _make_writable(self._root)

    def folder(self, path: str) -> int:
        """The descriptor of the folder at `path` ("" is the root), which is made where there is none.

        It stays open at least until the next call.
        """
        if path != self._last:
            self._last_descriptor = self._found(path) if path in self._open else self._made(path)
            self._last = path
            if self._unlock and path not in self._writable:
                _make_writable(self._last_descriptor)
                self._writable.add(path)
        return self._last_descriptor

    def find(self, path: str) -> int | None:
        """The descriptor of the folder at `path`, or None where there is no folder."""
        if not path:
            return self._root
        if path in self._open:
            return self._found(path)
        above, _, name = path.rpartition("/")
        parent = self.find(above)
        if parent is None:
            return None
        try:
            return self._keep(path, os.open(name, _FLAGS, dir_fd=parent))
        except OSError as error:
            if error.errno in (errno.ENOENT, *_NO_FOLDER):
                return None
            raise

    def close(self) -> None:
        for descriptor in (*self._open.values(), self._root):
            os.close(descriptor)
        self._open.clear()

    def _found(self, path: str) -> int:
        if not path:
            return self._root
        self._open.move_to_end(path)
        return self._open[path]

    def _made(self, path: str) -> int:
        if not path:
            return self._root
        above, _, name = path.rpartition("/")
        parent = self._found(above) if not above or above in self._open else self._made(above)
        if self._unlock and above:
            _make_writable(parent)
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
        try:
            descriptor = os.open(name, _FLAGS, dir_fd=parent)
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise
            self._obstacle(parent, name, path)
            os.mkdir(name, dir_fd=parent)
            descriptor = os.open(name, _FLAGS, dir_fd=parent)
        return self._keep(path, descriptor)

    def _keep(self, path: str, descriptor: int) -> int:
        self._open[path] = descriptor
        if len(self._open) > self._kept:
            oldest, closed = self._open.popitem(last=False)
            os.close(closed)
            self._writable.discard(oldest)
            if oldest == self._last:
                self._last, self._last_descriptor = "", self._root
        return descriptor


def refuse(folder: int, name: str, path: str) -> None:
    """The obstacle's answer where folders are only looked at."""
    raise AssertionError("what only looks makes no folder")


def _make_writable(descriptor: int) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & 0o700 != 0o700:
        os.fchmod(descriptor, mode | 0o700)
