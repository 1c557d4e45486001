"""What a draft's content is changed by: files and folders, external files, removals, a folder's sync; and deletion."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from glob import glob, has_magic
from os import fspath
from pathlib import Path
from typing import NamedTuple

from meristem.datasets.copies.own import STAGING
from meristem.datasets.drafts import Change, Draft
from meristem.datasets.external import describe
from meristem.datasets.folders.ingest import read
from meristem.datasets.folders.looking import Look, look
from meristem.datasets.folders.stat_cache import StatCache
from meristem.datasets.folders.syncing import FolderSync
from meristem.datasets.objects import Objects
from meristem.datasets.reading import Progress, counted, select
from meristem.datasets.records import record_key
from meristem.errors import InputError
from meristem.manifests.changes import differences
from meristem.manifests.entry import Entry, check_path
from meristem.manifests.tree import Tree
from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import VersionRow

_STAT_CACHE = "stats.db"


class Synced(NamedTuple):
    """How many files a sync added, modified and removed, and how many bytes it stored."""

    added: int
    modified: int
    removed: int
    stored_bytes: int


def add(
    draft: Draft,
    path: Path | str,
    dataset_path: str,
    wildcard: str | Sequence[str] | None,
    *,
    recursive: bool,
    progress: Progress | None,
) -> int:
    """Adds a file, the content of a folder, or all that a glob matches; returns how many files are new or different."""
    counted = found = 0
    for one in _matched(path):
        target = dataset_path.strip("/")
        if one.is_file() and target and one.suffix and Path(target).suffix == one.suffix:
            counted, found = counted + _add_as(draft, one, target, progress), found + 1
            continue
        before = draft.row.root
        found += _bring(draft, one, target, progress, adding=True, wildcard=wildcard, recursive=recursive)
        counts = draft.counts(before)
        counted += counts.added + counts.modified
    if wildcard and not found:
        patterns = ", ".join(map(repr, [wildcard] if isinstance(wildcard, str) else wildcard))
        fix = "A wildcard fits names of files, or with '/' the ends of their paths; upper and lower case differ."
        raise InputError(f"Nothing in {fspath(path)!r} matches the wildcard {patterns}.", fix=fix)
    return counted


def sync(
    draft: Draft, folder: Path, dataset_path: str, progress: Progress | None, *, seen: Look | None = None
) -> Synced:
    """Makes what is below `dataset_path` equal to a folder.

    Args:
        seen: What `look_at` has just found there.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {fspath(folder)!r}.", fix="Give the folder that holds the files.")
    before, stored = draft.row.root, draft.stored_bytes
    if seen is None:
        _bring(draft, folder, dataset_path, progress, adding=False)
    else:
        _bring_seen(draft, seen, dataset_path, progress, adding=False)
    return Synced(*draft.counts(before), draft.stored_bytes - stored)


def remove(draft: Draft, what: str, *, recursive: bool) -> int:
    """Removes a file, a folder, or what matches a glob; returns how many files went."""
    gone: list[str] = []

    def work(change: Change) -> str:
        gone[:] = [entry.path for entry in select(change.tree, what, recursive=recursive, folders=True)]
        return change.tree.updated([(path, None) for path in gone], change.save)

    draft.change(work)
    return len(gone)


def add_external(draft: Draft, urls: Sequence[str], dataset_path: str) -> int:
    """Adds files that stay where they are; returns how many there are."""
    found = [entry for url in urls for entry in describe(url, dataset_path.strip("/"))]
    for entry in found:
        check_path(entry.path)
    _refuse_twins([(entry.path, entry.content) for entry in found])

    def work(change: Change) -> str:
        return change.tree.updated(_with_room(change.tree, found), change.save)

    draft.change(work)
    return len(found)


def overlaid(change: Change, root: str) -> str:
    """The root of a draft's content with all that another manifest holds; where both have a path, that one's counts."""
    theirs = [c.after for c in differences(change.tree, Tree(root, change)) if c.after]
    change.assume(theirs)
    return change.tree.updated(_with_room(change.tree, theirs), change.save)


def delete(objects: Objects, row: VersionRow, *, force: bool) -> None:
    """Deletes a version, and its record in the place.

    Raises:
        VersionRefused: It is a draft, or published and not forced.
    """
    objects.store.datasets.delete(row.id, force=force)
    if row.status is not VersionStatus.DRAFT and row.number:
        objects.place.delete([record_key(row.project, row.name, row.number)])


def _matched(path: Path | str) -> list[Path]:
    text = fspath(path)
    if not text:
        raise InputError("An empty text names no file.", fix="'.' is the current folder.")
    if not Path(text).exists() and has_magic(text):
        found = sorted(glob(text, recursive=True))
        if not found:
            raise InputError(f"Nothing matches {text!r}.")
        _refuse_twins([(Path(one).name, one) for one in found if not os.path.isdir(one)])
        return [Path(one) for one in found]
    return [Path(text)]


def _refuse_twins(given: Iterable[tuple[str, str]]) -> None:
    """Raises where one call would put two sources at one path: one would be lost."""
    first: dict[str, str] = {}
    for path, source in given:
        other = first.setdefault(path, source)
        if other != source:
            fix = "Add them one by one with dataset_path=, or the folder above them."
            raise InputError(f"{other} and {source} would both be {path!r}.", fix=fix)


def look_at(
    objects: Objects, path: Path, *, wildcard: str | Sequence[str] | None = None, recursive: bool = True
) -> Look:
    """What lies in a folder beside what was known of it. Close it.

    Raises:
        InputError: There is no such folder, or a copy of a version into it is not finished.
    """
    if path.is_dir() and any(name.startswith(STAGING) for name in os.listdir(path)):
        raise InputError(
            f"A copy of a version into {fspath(path)!r} is not finished: files are missing or empty.",
            fix="Repeat the command that copied it (meristem data get … --to), or remove the folder "
            f"{STAGING}… in it where you know what you have.",
        )
    cache = StatCache(objects.cache / _STAT_CACHE)
    return look(path, cache, wildcard=wildcard, recursive=recursive, skip=objects.own_files())


def _bring(
    draft: Draft,
    path: Path,
    dataset_path: str,
    progress: Progress | None,
    *,
    adding: bool,
    wildcard: str | Sequence[str] | None = None,
    recursive: bool = True,
) -> int:
    """Returns how many files are meant there, and empty folders."""
    with look_at(draft.objects, path, wildcard=wildcard, recursive=recursive) as seen:
        _bring_seen(draft, seen, dataset_path, progress, adding=adding)
        return seen.files


def _bring_seen(draft: Draft, seen: Look, dataset_path: str, progress: Progress | None, *, adding: bool) -> None:
    """Brings a file or folder into a draft; what was read is kept in mind once the draft holds it."""
    synced: list[FolderSync] = []

    def work(change: Change) -> str:
        folder = FolderSync(seen, change.tree, change, dataset_path=dataset_path, add=adding)
        synced[:] = [folder]
        if folder.is_unchanged:
            return change.tree.root
        folder.confirm(change.known, change.load)
        read(seen, change.writer, counted(progress, seen.bytes_to_read))
        return folder.apply(change.save)

    draft.change(work)
    if not synced[0].is_unchanged:
        synced[0].remember(draft.row.root)


def _add_as(draft: Draft, file: Path, target: str, progress: Progress | None) -> int:
    """Adds one file under another name than its own; returns whether that changed anything."""
    check_path(target)
    before = draft.row.root
    cache = StatCache(draft.objects.cache / _STAT_CACHE)
    with look(file, cache) as seen:

        def work(change: Change) -> str:
            single = FolderSync(seen, Tree(change.tree.root, change), change, add=True)
            single.confirm(change.known, change.load)
            read(seen, change.writer, counted(progress, seen.bytes_to_read))
            entries = [entry._replace(path=target) for entry in single.entries()]
            return change.tree.updated(_with_room(change.tree, entries), change.save)

        draft.change(work)
    return int(draft.row.root != before)


def _with_room(tree: Tree, entries: Iterable[Entry]) -> Iterator[tuple[str, Entry | None]]:
    """Changes that put entries into a manifest, and take away what cannot stay beside them: a file where a folder
    comes, what lies in a folder where a file comes."""
    seen: set[str] = set()
    for entry in entries:
        above = entry.path
        while (above := above.rpartition("/")[0]) and above not in seen:
            seen.add(above)
            if tree.find(above) is not None:  # a file, or a folder that was empty
                yield above, None
        yield from ((below.path, None) for below in tree.entries(f"{entry.path}/"))
        yield entry.path, entry
