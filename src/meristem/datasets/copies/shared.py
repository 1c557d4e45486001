"""The shared copy of a version in the cache: made once, read-only, looked at before each use, mended where it must be.

One process makes it while others wait. Whoever uses it holds a lock that keeps it from being evicted, until `release`
or the end of the process and of the children that it forked.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from meristem.datasets.copies.arriving import (
    Arrived,
    FetchExternal,
    Objects,
    Progress,
    Tell,
    into,
    log,
    warn_where_space_is_short,
)
from meristem.datasets.copies.checks import check_entries
from meristem.datasets.copies.eviction import evict
from meristem.datasets.copies.filling import SHARED, Filling
from meristem.datasets.copies.inside import Obstacle
from meristem.datasets.copies.layout import Layout
from meristem.datasets.copies.locks import alone, share
from meristem.datasets.copies.record import Damaged, RecordWriter, read_totals
from meristem.datasets.copies.selection import Selection, select
from meristem.datasets.copies.sharing import Source
from meristem.datasets.copies.suspects import Suspects, find_suspects
from meristem.manifests.tree import Tree

_SOURCES = 3  # copies of which files are taken; each costs reading its record
_TOLD = 5  # names in a sentence

_held: dict[str, list[int]] = {}
_held_lock = Lock()


def local_copy(
    tree: Tree,
    objects: Objects,
    *,
    cache: Path,
    part: int | None = None,
    num_parts: int | None = None,
    files: Sequence[str] | None = None,
    limit_bytes: int | None = None,
    progress: Progress | None = None,
    fetch_external: FetchExternal | None = None,
    tell: Tell = log.info,
) -> Path:
    """The folder with the shared, read-only copy of a version, or of a part of it (see `selection.select`).

    It is made where there is none, taking over what a killed process had written, and what other copies in the cache
    have. A copy that somebody changed is mended. It stays until `release` or the end of this process.

    Args:
        limit_bytes: How much the cache may hold; copies that nobody uses go, those first that were not for longest.
        fetch_external: Without it external files are left out.

    Raises:
        ManifestRefused, CopyRefused: The version cannot lie in a folder (of this file system), or nothing can be
            written there.
        DiskFull: What was written stays, and is taken over by the next call.
        ObjectMissing, ObjectDamaged, PlaceUnavailable: From `objects`.
    """
    selection = select(tree, part, num_parts, files)
    layout = Layout(cache)
    copy, used = layout.copy(selection.key), layout.used(selection.key)
    with into(layout.copies, Arrived(0, None)):
        layout.prepare()
        held = share(used)
        os.utime(held)
    try:
        if _suspects(layout, selection.key, fetch_external) is not None:
            with alone(layout.made(selection.key), tell, f"making the local copy {copy}"):
                # Somebody else may have made it while this one waited.
                suspects = _suspects(layout, selection.key, fetch_external)
                if suspects is not None:
                    _Making(layout, selection, objects, progress, fetch_external, tell).make(suspects)
    except BaseException:
        os.close(held)
        raise
    with _held_lock:
        _held.setdefault(str(copy), []).append(held)
    if limit_bytes is not None:
        evict(cache, limit_bytes)
    return copy


def release(copy: Path) -> None:
    """Says that one `local_copy` of this process is not used any more. Repeating it is no error."""
    with _held_lock:
        descriptors = _held.get(str(copy), [])
        if descriptors:
            os.close(descriptors.pop())


def find_sources(layout: Layout, key: str) -> list[Source]:
    """Copies that may hold files of another one: those of the same version first, then those used last."""
    root = key[:64]
    others = [other for other in layout.list_keys() if other != key]
    others.sort(key=lambda other: (not other.startswith(root), -layout.last_use(other)))
    return [Source(layout.copy(other), layout.record(other)) for other in others[:_SOURCES]]


def _suspects(layout: Layout, key: str, fetch_external: FetchExternal | None) -> Suspects | None:
    """What is to be mended; None when the copy is there, whole, and looks as it was written."""
    copy, record = layout.copy(key), layout.record(key)
    if not copy.is_dir():
        return Suspects(every_path=True)
    found = find_suspects(copy, record)
    if found:
        return found
    with suppress(FileNotFoundError, Damaged):
        if fetch_external is None or not read_totals(record).left_out:
            return None
    return found


class _Making:
    """One copy that is made or mended, by who holds its lock."""

    def __init__(
        self,
        layout: Layout,
        selection: Selection,
        objects: Objects,
        progress: Progress | None,
        fetch_external: FetchExternal | None,
        tell: Tell,
    ) -> None:
        self._layout, self._selection, self._objects = layout, selection, objects
        self._progress, self._fetch_external, self._tell = progress, fetch_external, tell
        self._strays: list[str] = []

    def make(self, suspects: Suspects) -> None:
        layout, key = self._layout, self._selection.key
        copy, incoming = layout.copy(key), layout.being_made(key)
        without_external = self._fetch_external is None
        size = check_entries(self._selection.entries(), copy, without_external=without_external, beside=True)
        arrived = Arrived(size, self._progress)
        with into(copy, arrived):
            if copy.is_dir():
                self._mend(copy, suspects, arrived)
                return
            if copy.is_symlink() or copy.exists():
                self._stray_away(copy)
            begun = incoming.is_dir()
            if not begun:
                warn_where_space_is_short(layout.copies, size, self._tell)
                incoming.mkdir()
            self._fill(incoming, Suspects(every_path=True) if begun else None, arrived, _remove)
            os.rename(incoming, copy)
            self._settle(copy)

    def _mend(self, copy: Path, suspects: Suspects, arrived: Arrived) -> None:
        self._layout.stray.mkdir(exist_ok=True)
        self._fill(copy, suspects, arrived, self._set_aside)
        self._settle(copy)
        if self._strays:
            shown = ", ".join(self._strays[:_TOLD]) + (", …" if len(self._strays) > _TOLD else "")
            self._tell(
                f"Somebody changed the local copy {copy}: {shown}. It is as it was; what was changed lies in "
                f"{self._layout.stray} now. To change files, get a copy of your own (get_mutable_local_copy)."
            )

    def _fill(self, folder: Path, suspects: Suspects | None, arrived: Arrived, displace: Obstacle) -> None:
        staging = self._layout.staging(self._selection.key)
        staging.mkdir(exist_ok=True)
        filling = Filling(
            folder,
            staging,
            SHARED,
            self._objects,
            arrived,
            displace=displace,
            sources=find_sources(self._layout, self._selection.key),
            suspects=suspects,
            fetch_external=self._fetch_external,
        )
        with RecordWriter(self._new_record()) as record:
            filling.fill(self._selection.entries(), record)

    def _settle(self, copy: Path) -> None:
        """The copy is whole and at its place: its record counts from now on."""
        os.chmod(copy, self._layout.staging(self._selection.key).stat().st_mode & 0o555)
        os.replace(self._new_record(), self._layout.record(self._selection.key))
        shutil.rmtree(self._layout.staging(self._selection.key))

    def _new_record(self) -> Path:
        return self._layout.incoming / f"{self._selection.key}.record"

    def _set_aside(self, folder: int, name: str, path: str) -> None:
        """Moves what does not belong into the copy to where nobody loses it."""
        self._strays.append(path)
        if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            with suppress(PermissionError):  # it is somebody else's, and moving it tells so
                os.chmod(name, 0o755, dir_fd=folder)  # a folder that is moved has to be writable
        os.rename(name, self._layout.stray / f"{name[:40]}-{secrets.token_hex(8)}", src_dir_fd=folder)

    def _stray_away(self, copy: Path) -> None:
        self._layout.stray.mkdir(exist_ok=True)
        os.rename(copy, self._layout.stray / f"{copy.name}-{secrets.token_hex(8)}")


def _remove(folder: int, name: str, path: str) -> None:
    """Deletes what a killed process left half-written."""
    os.unlink(name, dir_fd=folder)
