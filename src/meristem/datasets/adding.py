"""What a draft's content is changed by: files and folders, external files, removals, a folder's sync; and deletion."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from os import fspath
from pathlib import Path
from typing import NamedTuple

from meristem.datasets.drafts import Change, Draft
from meristem.datasets.external import describe
from meristem.datasets.folders.ingest import read
from meristem.datasets.folders.looking import Look
from meristem.datasets.folders.syncing import FolderSync, apply, remember
from meristem.datasets.objects import Objects
from meristem.datasets.reading import Progress, counted, select
from meristem.datasets.records import record_key
from meristem.datasets.sources import Addition, Source, look_at, refuse_twins, refuse_twins_in, sources_of
from meristem.errors import InputError
from meristem.manifests.changes import differences
from meristem.manifests.entry import Entry, Kind, check_path
from meristem.manifests.tree import Tree
from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import VersionRow

log = logging.getLogger("meristem.datasets")

_SHOWN = 20  # paths in a warning
_TOGETHER = 64  # folders and files that become one change: each is an open file


class Synced(NamedTuple):
    """How many files a sync added, modified, removed and moved, and how many bytes it stored."""

    added: int
    modified: int
    removed: int
    stored_bytes: int
    moved: int = 0


def add(draft: Draft, calls: Sequence[Sequence[Addition]], progress: Progress | None) -> int:
    """Adds what calls name, one after the other; returns how many files are new or different.

    Raises:
        InputError: What one call names is not there, has files of one path, or matches no wildcard.
    """
    before, files = draft.row.root, 0
    named = [[source for addition in call for source in sources_of(addition)] for call in calls]
    for sources in named:
        refuse_twins_in(sources, draft.objects)
    for some in _together(source for sources in named for source in sources):
        files += _bring(draft, some, progress)
    wildcards = [each for call in calls for each in call if each.wildcard]
    if not files and wildcards:
        given = [f"{_listed(each.wildcard or ())} in {fspath(each.path)!r}" for each in wildcards]
        fix = "A wildcard fits names of files, or with '/' the ends of their paths; upper and lower case differ."
        raise InputError(f"No file matches {', '.join(given)}.", fix=fix)
    counts = draft.counts(before)
    return counts.added + counts.modified + counts.moved


def sync(
    draft: Draft,
    folder: Path,
    dataset_path: str,
    progress: Progress | None,
    *,
    seen: Look | None = None,
    allow_empty: bool = False,
) -> Synced:
    """Makes what is below `dataset_path` equal to a folder.

    Args:
        seen: What `look_at` has just found there.
        allow_empty: Also where the folder has no file and the draft has.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {fspath(folder)!r}.", fix="Give the folder that holds the files.")
    before, stored, source = draft.row.root, draft.stored_bytes, Source(folder, dataset_path)
    with look_at(draft.objects, source) if seen is None else nullcontext(seen) as found:
        if not allow_empty and found.files == len(found.empty):
            _refuse_to_empty(draft, folder, dataset_path.strip("/"))
        _bring_seen(draft, [(source, found)], progress, adding=False)
    counts = draft.counts(before)._asdict()
    return Synced(**counts, stored_bytes=draft.stored_bytes - stored)


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
    refuse_twins([(entry.path, entry.content) for entry in found])

    def work(change: Change) -> str:
        return change.tree.updated(_with_room(change.tree, found), change.save)

    draft.change(work)
    return len(found)


def overlaid(change: Change, root: str, bases: Sequence[str] = ()) -> str:
    """The root of a draft's content with what another manifest holds; where both have a path, that one's counts.

    Args:
        bases: Roots of the versions from which both come: then only what was changed since is taken, and what only the
            draft has changed stays. Where both have changed a file, that one's counts too, unless it has removed it.
    """
    tree, other = change.tree, Tree(root, change)
    if not bases:
        taken = [found.after for found in differences(tree, other) if found.after]
        change.assume(taken)
        return tree.updated(_with_room(tree, taken), change.save)
    old = [Tree(base, change) for base in bases]
    first, *more = [{found.path: found.after for found in differences(base, other)} for base in old]
    changed = {path: after for path, after in first.items() if all(path in each for each in more)}
    both = [path for path in changed if tree.find(path) not in [base.find(path) for base in old]]
    gone = changed.keys() - {path for path, after in changed.items() if after} - set(both)
    taken = [after for after in changed.values() if after]
    if decided := [path for path in both if changed[path] != tree.find(path)]:
        log.warning(
            "Changed in several parents, of which the last one counts: %s", ", ".join(map(repr, decided[:_SHOWN]))
        )
    change.assume(taken)
    return tree.updated([*((path, None) for path in gone), *_with_room(tree, taken, gone)], change.save)


def delete(objects: Objects, row: VersionRow, *, force: bool) -> None:
    """Deletes a version, and its record in the place.

    Raises:
        VersionRefused: It is a draft, or published and not forced.
    """
    objects.store.datasets.delete(row.id, force=force)
    if row.status is not VersionStatus.DRAFT and row.number:
        objects.place.delete([record_key(row.project, row.name, row.number)])


def _listed(wildcard: str | Sequence[str]) -> str:
    return ", ".join(map(repr, [wildcard] if isinstance(wildcard, str) else wildcard))


def _together(sources: Iterable[Source]) -> Iterator[list[Source]]:
    """What can be one change: files of which none takes another one's place. A folder is one by itself."""
    some: list[Source] = []
    taken: set[str] = set()
    above: set[str] = set()
    for source in sources:
        folders = {folder for target in source.targets for folder in _folders_above(target)}
        clash = not (
            taken.isdisjoint(source.targets) and taken.isdisjoint(folders) and above.isdisjoint(source.targets)
        )
        if some and (clash or not source.targets or len(some) == _TOGETHER or not taken):
            yield some
            some, taken, above = [], set(), set()
        some.append(source)
        taken.update(source.targets)
        above |= folders
    if some:
        yield some


def _folders_above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _refuse_to_empty(draft: Draft, folder: Path, dataset_path: str) -> None:
    """Raises where a sync with a folder without files would remove files: more likely than that this is meant, the
    folder is not mounted."""
    entries = Tree(draft.row.root, draft.objects).entries(f"{dataset_path}/" if dataset_path else "")
    if any(entry.kind not in (Kind.FOLDER, Kind.EXTERNAL) for entry in entries):
        where = f"{draft.row.project}/{draft.row.name}" + (f" below {dataset_path!r:.80}" if dataset_path else "")
        raise InputError(
            f"There is no file in {fspath(folder)!r}: all files of {where} would be removed.",
            fix="Is something not mounted there? If it is meant: allow_empty=True (--allow-empty).",
        )


def _bring(draft: Draft, sources: Sequence[Source], progress: Progress | None) -> int:
    """Returns how many files there are."""
    with ExitStack() as opened:
        seen = [(source, opened.enter_context(look_at(draft.objects, source))) for source in sources]
        _bring_seen(draft, seen, progress, adding=True)
        return sum(found.files for _, found in seen)


def _bring_seen(draft: Draft, found: Sequence[tuple[Source, Look]], progress: Progress | None, *, adding: bool) -> None:
    """Brings files and folders into a draft; what was read is kept in mind once the draft holds it."""
    syncs: list[FolderSync] = []

    def work(change: Change) -> str:
        syncs[:] = [
            FolderSync(seen, change.tree, change, dataset_path=source.dataset_path, add=adding, name=source.name)
            for source, seen in found
        ]
        if all(each.is_unchanged for each in syncs):
            return change.tree.root
        for each in syncs:
            each.confirm(change.known, change.load)
        told = counted(progress, sum(each.look.bytes_to_read for each in syncs))
        for each in syncs:
            read(each.look, change.writer, told, flushed=partial(remember, each.look))
        return apply(syncs, change.save)

    draft.change(work)
    for each in syncs:
        if not each.is_unchanged:
            each.remember(draft.row.root)


def _with_room(tree: Tree, entries: Iterable[Entry], gone: Collection[str] = ()) -> Iterator[tuple[str, Entry | None]]:
    """Changes that put entries into a manifest, and take away what cannot stay beside them: a file where a folder
    comes, what lies in a folder where a file comes.

    Args:
        gone: Paths that are removed with the same stroke.
    """
    seen: set[str] = set()
    for entry in entries:
        above = entry.path
        while (above := above.rpartition("/")[0]) and above not in seen:
            seen.add(above)
            if tree.find(above) is not None:  # a file, or a folder that was empty
                yield above, None
        below = (each.path for each in tree.entries(f"{entry.path}/") if each.path not in gone)
        if entry.kind is Kind.FOLDER and next(below, None) is not None:
            continue  # it is there, and holds something
        yield from ((path, None) for path in below)
        yield entry.path, entry
