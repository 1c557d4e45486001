"""Copies in a folder of the user: files of their own to change, or links to those of the cache.

While one is under way the folder holds `.meristem-incoming-…`. So a copy that was killed is known, and the next call
for the same version takes over what is there.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from blake3 import blake3

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
from meristem.datasets.copies.checks import check_entries, remove_probes
from meristem.datasets.copies.clearing import OURS, Clearing, refuse_to_clear
from meristem.datasets.copies.filling import LINKED, OWN, Filling, Style
from meristem.datasets.copies.inside import Inside, refuse
from meristem.datasets.copies.layout import Layout
from meristem.datasets.copies.locks import is_held, try_alone
from meristem.datasets.copies.selection import Selection, select
from meristem.datasets.copies.shared import find_sources, local_copy, release
from meristem.datasets.copies.sharing import Source
from meristem.datasets.copies.standing import Chunks, is_as_it_should
from meristem.datasets.copies.suspects import Suspects
from meristem.errors import CopyRefused
from meristem.manifests.entry import Entry, Kind
from meristem.manifests.recipe import decode_recipe
from meristem.manifests.tree import Tree

STAGING = f"{OURS}incoming-"
_SHOWN = 20
_MANY = 1000  # files: enough to know that a folder is not the one that was meant


def mutable_copy(
    tree: Tree,
    objects: Objects,
    folder: Path,
    *,
    overwrite: bool = False,
    exact: bool = False,
    own_files: Sequence[Path] = (),
    cache: Path | None = None,
    part: int | None = None,
    num_parts: int | None = None,
    files: Sequence[str] | None = None,
    progress: Progress | None = None,
    fetch_external: FetchExternal | None = None,
    tell: Tell = log.info,
) -> Path:
    """Writes a version, or a part of it (see `selection.select`), into `folder`: writable files of its own.

    Args:
        overwrite: Whether there may be something in the folder: files that differ are replaced, and listed to `tell`
            first; files of which the version knows nothing stay, and are counted to `tell`.
        exact: The folder is made equal to the version: as `overwrite`, and then what the version does not know is
            removed, and counted to `tell`. Not for a part of a version.
        own_files: Files and folders of Meristem's own, which no folder that is made so may hold.
        cache: Files that copies there have are taken from it, shared where the file system can (reflink), else copied.

    Raises:
        CopyRefused: The folder holds other things than files of that version, or something that cannot be replaced, or
            as `local_copy`.
        ManifestRefused, DiskFull, ObjectMissing, ObjectDamaged, PlaceUnavailable: As `local_copy`.
    """
    selection = select(tree, part, num_parts, files)
    if exact:
        _check_exact(folder, selection, own_files)
    goal = _Goal(folder, selection, objects, tell, overwrite=overwrite, exact=exact)
    arrived, suspects = goal.check(progress, fetch_external)
    return goal.fill(OWN, _own_sources(cache, selection.key), arrived, suspects, fetch_external)


def link_copy(
    tree: Tree,
    objects: Objects,
    folder: Path,
    cache: Path,
    *,
    overwrite: bool = False,
    exact: bool = False,
    own_files: Sequence[Path] = (),
    part: int | None = None,
    num_parts: int | None = None,
    files: Sequence[str] | None = None,
    limit_bytes: int | None = None,
    progress: Progress | None = None,
    fetch_external: FetchExternal | None = None,
    tell: Tell = log.info,
) -> Path:
    """Makes `folder` hold a version, or a part of it, as read-only hard links to the files of the shared copy.

    On another file system than the cache's they are read-only copies. Arguments and errors as `mutable_copy` and
    `local_copy`.
    """
    selection = select(tree, part, num_parts, files)
    if exact:
        _check_exact(folder, selection, own_files)
    goal = _Goal(folder, selection, objects, tell, overwrite=overwrite, exact=exact)
    arrived, suspects = goal.check(progress, fetch_external)
    copy = local_copy(
        tree,
        objects,
        cache=cache,
        part=part,
        num_parts=num_parts,
        files=files,
        limit_bytes=limit_bytes,
        fetch_external=fetch_external,
        tell=tell,
    )
    try:
        source = Source(copy, Layout(cache).record(selection.key), seen=True)
        return goal.fill(LINKED, [source], arrived, suspects, fetch_external)
    finally:
        release(copy)


def _compare(entries: Iterable[Entry], objects: Objects, folder: Path) -> tuple[list[str], int]:
    """What would be lost, and how many entries stand in the folder already as they should.

    Lost is what stands where entries go and is something else: paths, those of folders with "/" at the end. Files of
    the right size are read and compared.
    """
    lost: dict[str, None] = {}
    right = 0
    inside = Inside(folder, refuse)
    try:
        for entry in entries:
            above, _, name = entry.path.rpartition("/")
            parent = inside.find(above)
            if parent is None:
                lost.update(dict.fromkeys(_in_the_way(inside, above)))
                continue
            try:
                seen = os.lstat(name, dir_fd=parent)
            except FileNotFoundError:
                continue
            if is_as_it_should(entry, parent, name, lambda entry: _chunks(objects, entry)):
                right += entry.kind is not Kind.FOLDER
            else:
                lost[f"{entry.path}/" if stat.S_ISDIR(seen.st_mode) else entry.path] = None
    finally:
        inside.close()
    return list(lost), right


class _Goal:
    """A folder of the user that is to hold a selection."""

    def __init__(
        self, folder: Path, selection: Selection, objects: Objects, tell: Tell, *, overwrite: bool, exact: bool
    ) -> None:
        self._folder = Path(os.path.abspath(folder))
        self._selection, self._objects, self._tell = selection, objects, tell
        self._overwrite, self._exact = overwrite or exact, exact
        name = blake3(selection.key.encode()).hexdigest()[:16]
        self._staging = self._folder / f"{STAGING}{name}"

    def check(self, progress: Progress | None, fetch_external: FetchExternal | None) -> tuple[Arrived, Suspects | None]:
        """What is to arrive, and what in the folder is to be replaced; raises where it cannot or may not be.

        Nothing is written.
        """
        size = check_entries(self._selection.entries(), self._folder, without_external=fetch_external is None)
        arrived = Arrived(size, progress)
        if self._staging.is_dir():
            return arrived, self._left_over(arrived)
        if not self._folder.exists():
            return arrived, None
        with into(self._folder, arrived):
            if all(name.startswith(OURS) for name in os.listdir(self._folder)):
                return arrived, None
            lost, right = _compare(self._selection.entries(), self._objects, self._folder)
            others = 0 if self._overwrite or lost else _count_files(self._folder, right + _MANY) - right
        if not self._overwrite and (lost or others):
            raise CopyRefused(
                f"{self._folder} is not empty",
                _listed(lost) or [f"files of which the version knows nothing: {_shown_count(others)}"],
                "With overwrite=True (--overwrite) files that differ are replaced, and all others stay; with "
                "exact=True (--exact) all others are removed.",
            )
        folders = [path for path in lost if path.endswith("/")]
        if folders and not self._exact:
            raise CopyRefused(
                f"In {self._folder} there are folders where the version has files",
                _listed(folders),
                "Move them away; or with exact=True (--exact) all that the version does not know is removed.",
            )
        if lost:
            self._tell(f"Replaced in {self._folder}: {', '.join(_listed(lost))}.")
        return arrived, _suspected(lost)

    def _left_over(self, arrived: Arrived) -> Suspects:
        """What a copy that was cut off left to be written again; raises where somebody has changed files since."""
        with into(self._folder, arrived):
            lost, _ = _compare(self._selection.entries(), self._objects, self._folder)
            if lost and not self._overwrite:
                wanted = {entry.path: entry for entry in self._selection.entries() if entry.path in set(lost)}
                changed = [path for path in lost if path not in wanted or not self._is_begun(wanted[path])]
                if changed:
                    raise CopyRefused(
                        f"In {self._folder}, to which a copy was cut off, files were changed since",
                        _listed(changed),
                        "Move them away; or with overwrite=True (--overwrite) they are replaced.",
                    )
        return _suspected(lost)

    def _is_begun(self, entry: Entry) -> bool:
        """Whether a file is what a copy leaves that ends in the middle of it: the beginning of its content."""
        file = self._folder / entry.path
        if entry.kind is not Kind.FILE or not stat.S_ISREG(os.lstat(file).st_mode):
            return False
        return self._objects.get(entry.content).startswith(file.read_bytes()) if entry.size else False

    def fill(
        self,
        style: Style,
        sources: Sequence[Source],
        arrived: Arrived,
        suspects: Suspects | None,
        fetch_external: FetchExternal | None,
    ) -> Path:
        """Makes the folder hold the selection, after `check`."""
        with into(self._folder, arrived):
            if suspects is None and not style.linked:
                warn_where_space_is_short(self._folder, arrived.expected, self._tell)
            self._staging.mkdir(parents=True, exist_ok=True)
            lock = try_alone(self._staging / "lock")
            if lock is None:
                raise CopyRefused(f"Another process is writing this version into {self._folder} just now.")
            clearing = Clearing(self._folder)
            try:
                Filling(
                    self._folder,
                    self._staging,
                    style,
                    self._objects,
                    arrived,
                    displace=clearing.displace if self._exact else _replace,
                    sources=sources,
                    suspects=suspects,
                    fetch_external=fetch_external,
                ).fill(self._selection.entries())
                if self._exact and suspects is not None:
                    clearing.clear(self._selection.entries())
                self._tidy()
            finally:
                os.close(lock)
            if suspects is not None:
                self._tell_of_others(clearing.removed)
        return self._folder

    def _tell_of_others(self, removed: int) -> None:
        """Says how many files went of which the version knows nothing, or how many there still are."""
        if removed:
            self._tell(f"{removed:,} other {'files were' if removed > 1 else 'file was'} removed from {self._folder}.")
        if self._exact or not self._selection.is_whole:
            return
        own = sum(entry.kind is not Kind.FOLDER for entry in self._selection.entries())
        others = _count_files(self._folder, own + _MANY) - own
        if others > 0:
            told, them = (
                (f"{_shown_count(others)} other files stay", "them") if others > 1 else ("1 other file stays", "it")
            )
            self._tell(f"{told} in {self._folder}; exact=True (--exact) removes {them}.")

    def _tidy(self) -> None:
        """Deletes what this copy staged, and what earlier ones of other versions did that were not ended."""
        remove_probes(self._folder)
        for staging in self._folder.glob(f"{STAGING}*"):
            if staging == self._staging or not is_held(staging / "lock"):
                shutil.rmtree(staging)


def _check_exact(folder: Path, selection: Selection, own_files: Sequence[Path]) -> None:
    if not selection.is_whole:
        raise CopyRefused("A folder is made equal to a whole version (exact), not to a part of it or some files.")
    refuse_to_clear(folder, own_files)


def _suspected(lost: Iterable[str]) -> Suspects:
    return Suspects(paths={path.removesuffix("/") for path in lost})


def _own_sources(cache: Path | None, key: str) -> list[Source]:
    if cache is None:
        return []
    layout = Layout(cache)
    own = [Source(layout.copy(key), layout.record(key))] if layout.record(key).exists() else []
    return [*own, *find_sources(layout, key)]


def _in_the_way(inside: Inside, folder: str) -> list[str]:
    """What stands where `folder`, or a folder above it, has to be; nothing where there is just nothing yet."""
    while folder:
        above, _, name = folder.rpartition("/")
        parent = inside.find(above)
        if parent is not None:
            try:
                os.lstat(name, dir_fd=parent)
            except FileNotFoundError:
                return []
            return [folder]
        folder = above
    return []


def _count_files(folder: Path, most: int) -> int:
    """Files and links in a folder, without those that copies under way keep in it; it ends at `most`, for the folder
    may be a whole disk."""
    found = 0
    for above, folders, names in os.walk(folder):
        if above == str(folder):
            folders[:] = [name for name in folders if not name.startswith(OURS)]
        found += len(names) + sum(os.path.islink(os.path.join(above, name)) for name in folders)
        if found >= most:
            return most
    return found


def _chunks(objects: Objects, entry: Entry) -> Chunks:
    return decode_recipe(objects.get(entry.content), size=entry.size, path=entry.path)


def _shown_count(count: int) -> str:
    """A count that ended at `_MANY`."""
    return f"{count:,} and more" if count >= _MANY else f"{count:,}"


def _listed(paths: Sequence[str]) -> list[str]:
    more = [f"and {len(paths) - _SHOWN} more"] if len(paths) > _SHOWN else []
    return [*paths[:_SHOWN], *more]


def _replace(folder: int, name: str, path: str) -> None:
    """Takes away a file that differs, or a link: never what it leads to, and never a folder."""
    if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
        raise CopyRefused(f"A folder stands at {path!r}, where the version has a file.", fix="Move it away.")
    os.unlink(name, dir_fd=folder)
