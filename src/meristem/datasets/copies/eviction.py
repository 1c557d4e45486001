"""Keeps the cache within its limit: copies that nobody uses go, those first that were not used for longest.

Files that several copies share by hard links count once, so what goes is what really makes room.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from meristem.datasets.copies.checks import remove_probes
from meristem.datasets.copies.layout import Layout
from meristem.datasets.copies.locks import is_held, try_alone
from meristem.datasets.copies.record import Damaged, read_blocks, read_totals

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

_ABANDONED_SECONDS = 86_400  # a copy that was begun and not ended is worth taking over for that long


class Copy(NamedTuple):
    """A copy in the cache.

    Attributes:
        key: The root of its version, and which part of it.
        size: Bytes of its files, also of those that it shares with other copies.
        used_at: When it was asked for last, in seconds since the epoch.
        held: Whether a living process uses it.
    """

    key: str
    size: int
    used_at: float
    held: bool


def list_copies(cache: Path) -> list[Copy]:
    """The copies in the cache, those used last first."""
    layout = Layout(cache)
    found = [_look(layout, key) for key in layout.list_keys()]
    return sorted(found, key=lambda copy: (-copy.used_at, copy.key))


def evict(cache: Path, limit_bytes: int) -> list[Copy]:
    """Deletes copies until the others take at most `limit_bytes`; returns those that went.

    A copy that a living process uses stays, also above the limit. Several processes may evict at once.
    """
    layout = Layout(cache)
    _sweep(layout)
    copies = list_copies(cache)
    if sum(copy.size for copy in copies) <= limit_bytes:
        return []
    return [copy for copy in reversed(_beyond(layout, copies, limit_bytes)) if _delete(layout, copy.key)]


def _look(layout: Layout, key: str) -> Copy:
    try:
        size = read_totals(layout.record(key)).size
    except (FileNotFoundError, Damaged):
        size = sum(found for _, found in _walk(layout.copy(key)))
    return Copy(key, size, layout.last_use(key), layout.used(key).exists() and is_held(layout.used(key)))


def _beyond(layout: Layout, copies: list[Copy], limit_bytes: int) -> list[Copy]:
    """Of `copies`, those for which there is no room: held ones come first, then those used last."""
    import numpy  # takes 0.1 s, and most caches are within their limit

    shared: NDArray[int64] = numpy.empty(0, numpy.int64)
    taken = 0
    beyond: list[Copy] = []
    for copy in sorted(copies, key=lambda copy: not copy.held):
        inodes, sizes = _files(layout, copy.key)
        own = int(sizes[~numpy.isin(inodes, shared)].sum())
        if not copy.held and (beyond or taken + own > limit_bytes):
            beyond.append(copy)
            continue
        taken += own
        shared = numpy.union1d(shared, inodes)
    return beyond


def _files(layout: Layout, key: str) -> tuple[NDArray[int64], NDArray[int64]]:
    """The inodes of a copy's files, each once, and their sizes."""
    import numpy  # see _beyond

    try:
        stats = [
            numpy.asarray(block.stats).reshape(-1, 4)[:, :2]
            for block in read_blocks(layout.record(key))
            if block.contents is not None
        ]
    except (FileNotFoundError, Damaged):
        stats = [numpy.array(list(_walk(layout.copy(key))), numpy.int64).reshape(-1, 2)]
    both = numpy.concatenate([numpy.empty((0, 2), numpy.int64), *stats])
    inodes, first = numpy.unique(both[:, 0], return_index=True)
    return inodes, both[first, 1]


def _walk(folder: Path) -> list[tuple[int, int]]:
    """Inodes and sizes of the files in a copy that has no record."""
    found = []
    for above, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                seen = os.lstat(os.path.join(above, name))
                found.append((seen.st_ino, seen.st_size))
    return found


def _delete(layout: Layout, key: str) -> bool:
    """Deletes a copy unless somebody uses it."""
    used = try_alone(layout.used(key))
    if used is None:
        return False
    try:
        # Out of the way first: a process that is killed while it deletes leaves no copy that looks whole.
        gone = layout.incoming / f"gone-{secrets.token_hex(8)}"
        with suppress(FileNotFoundError):
            os.chmod(layout.copy(key), 0o700)
            os.rename(layout.copy(key), gone)
        for path in (layout.record(key), layout.made(key), layout.used(key)):
            path.unlink(missing_ok=True)
    finally:
        os.close(used)
    remove_tree(gone)
    return True


def _sweep(layout: Layout) -> None:
    """Deletes what killed processes left: copies half deleted, and those that were begun long ago."""
    remove_probes(layout.copies)
    with suppress(FileNotFoundError):
        for name in os.listdir(layout.incoming):
            path = layout.incoming / name
            if name.startswith("gone-"):
                remove_tree(path)
            elif not _is_young(path):
                _abandon(layout, path, name.partition(".")[0])


def _abandon(layout: Layout, path: Path, key: str) -> None:
    used = try_alone(layout.used(key))
    if used is None:
        return
    try:
        if path.is_dir():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
        if not layout.copy(key).exists():
            layout.made(key).unlink(missing_ok=True)
            layout.used(key).unlink(missing_ok=True)
    finally:
        os.close(used)


def _is_young(path: Path) -> bool:
    try:
        return path.lstat().st_mtime > time.time() - _ABANDONED_SECONDS
    except FileNotFoundError:
        return True


def remove_tree(folder: Path) -> None:
    """Deletes a folder whose folders may be read-only; another process may do the same."""
    for above, _, _ in os.walk(folder):
        with suppress(FileNotFoundError):
            os.chmod(above, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
