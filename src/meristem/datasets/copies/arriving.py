"""What a copy needs from outside: objects, external files, somebody to tell; and how far it is."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Protocol

from meristem.errors import CopyRefused, DiskFull
from meristem.manifests.entry import Entry

Progress = Callable[[int], None]
"""Called, from any thread but never by two at once, with bytes that are where they belong now."""

Tell = Callable[[str], None]
"""Called with a sentence for whoever waits for the copy."""

FetchExternal = Callable[[Entry, BinaryIO], None]
"""Writes the bytes of an external entry into an open file."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
log = logging.getLogger("meristem.datasets")


class Objects(Protocol):
    """Objects by name, each checked against its name (`packs.reader.PackReader`). Several threads may ask at once."""

    def get(self, name: str) -> bytes: ...

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Each of `names` once, with its bytes, in whatever order they come."""
        ...


class Arrived:
    """Counts the bytes of a copy that are where they belong."""

    def __init__(self, expected: int, progress: Progress | None) -> None:
        self.expected, self.so_far = expected, 0
        self._progress, self._lock = progress, Lock()

    def __call__(self, size: int) -> None:
        with self._lock:
            self.so_far += size
            if self._progress is not None:
                self._progress(size)


@contextmanager
def into(folder: Path, arrived: Arrived) -> Iterator[None]:
    """Says in our words what the file system of `folder` has against a copy."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        why = f"{error.strerror or error}{where}"
        if error.errno in _FULL:
            raise DiskFull(str(folder), why, arrived.expected - arrived.so_far, _free(folder)) from error
        if error.errno in _REFUSED:
            raise CopyRefused(f"The file system of {folder} refuses a name of this version: {why}.") from error
        raise CopyRefused(f"The copy in {folder} cannot be written: {why}.") from error


def warn_where_space_is_short(folder: Path, size: int, tell: Tell) -> None:
    """Says so before the work begins; sparse files and links may need less than `size`, so it is no error yet."""
    free = _free(folder)
    if free < size:
        tell(f"This copy may need {size:,} bytes, and {folder} has {free:,} left.")


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(os.fspath(folder)).free
