"""Which files of a folder are as they were when they were last read, and which must be read.

`look` compares what lies there now (`scanning`) with what was known (`stat_cache`), directory by directory, and keeps
only the directories where something differs. `reading` then reads what must be read; `syncing` says what it means.
Nothing is written here.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from meristem.datasets.folders.comparing import Changed, differing
from meristem.datasets.folders.records import MODE, SIZE, WIDTH, Record
from meristem.datasets.folders.scanning import Findings, Listing, scan, shown
from meristem.datasets.folders.selecting import Selection, select
from meristem.datasets.folders.stat_cache import Known, Snapshot, StatCache, Synced, is_damage, key_of, path_of
from meristem.errors import InputError, StoreDamaged

_PROBLEMS_SHOWN = 50


@dataclass(slots=True)
class Look:
    """What lies in a folder, beside what was known of it. Close it, or use it as a context manager.

    Attributes:
        folder: Absolute, links resolved.
        files: How many entries it makes; `size_bytes`: of all its files.
        knows_last_tree: Whether all that was known is at hand; else nothing can be said of what the folder lost.
        left_out: Our own files that lie in it and are no part of the data.
        changed: Directories that differ, in the order of `key_of`; `removed`: those that are gone.
    """

    folder: Path
    selection: Selection
    cache: StatCache
    snapshot: Snapshot
    left_out: tuple[str, ...] = ()
    knows_last_tree: bool = True
    files: int = 0
    size_bytes: int = 0
    changed: list[Changed] = field(default_factory=list)
    removed: list[Known] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    @property
    def files_to_read(self) -> int:
        return sum(len(each.todo) for each in self.changed)

    @property
    def bytes_to_read(self) -> int:
        return sum(each.record.facts[WIDTH * i + SIZE] for each in self.changed for i in each.todo)

    @property
    def is_unchanged(self) -> bool:
        return not self.changed and not self.removed

    def last_tree(self, dataset_path: str = "") -> Synced | None:
        """The manifest that the folder was last brought into, as it was then."""
        return self.snapshot.synced(dataset_path) if self.knows_last_tree else None

    def records(self) -> Iterator[tuple[str, Record]]:
        """All directories, in the order of `key_of`; those that are unchanged from the cache, one at a time."""
        replaced = {each.row for each in self.changed} | {known.id for known in self.removed}
        waiting = iter(self.changed)
        mine = next(waiting, None)
        for known in self.snapshot.directories():
            if known.id in replaced:
                continue
            while mine is not None and key_of(mine.path) < known.key:
                yield mine.path, mine.record
                mine = next(waiting, None)
            yield path_of(known.key), self._record(known)
        if mine is not None:
            yield mine.path, mine.record
        for mine in waiting:
            yield mine.path, mine.record

    def gone(self, known: Known) -> Record:
        """What a removed directory held."""
        return self._record(known)

    def distrust(self, paths: Iterable[str]) -> None:
        """These files are read too, though they are as they were: what they held is not stored any more."""
        folders: dict[str, set[str]] = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            folders.setdefault(folder, set()).add(name)
        present = {each.path: each for each in self.changed}
        for folder, names in folders.items():
            changed = present.get(folder) or self._taken_up(folder)
            record, todo, fresh = changed.record, set(changed.todo), set(changed.fresh)
            for i, name in enumerate(record.names):
                if name not in names or not stat.S_ISREG(record.facts[WIDTH * i + MODE]):
                    continue
                if i not in fresh and (item := record.item(i)) is not None:
                    changed.before[i] = item
                fresh.add(i)
                todo.add(i)
            changed.todo, changed.fresh, changed.remembered = sorted(todo), sorted(fresh), False

    def close(self) -> None:
        self.snapshot.close()

    def __enter__(self) -> Look:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _taken_up(self, folder: str) -> Changed:
        known = self.snapshot.find(folder)
        assert known is not None, folder
        changed = Changed(folder, self._record(known), [], {}, {}, row=known.id, read_at_ns=time.time_ns())
        insort(self.changed, changed, key=lambda each: key_of(each.path))
        return changed

    def _record(self, known: Known) -> Record:
        record = self.snapshot.record(known)
        if record is None:
            self.cache.discard("a record is damaged")
            raise StoreDamaged(
                f"The stat cache {self.cache.file} was damaged.",
                "It is only a cache, and is made anew.",
                "Do it again.",
            )
        return record


def look(
    folder: str | Path,
    cache: StatCache,
    *,
    wildcard: str | Iterable[str] | None = None,
    recursive: bool = True,
    follow: bool = False,
    only: Sequence[str] = (),
    glob: str = "",
    skip: Iterable[Path] = (),
) -> Look:
    """Compares a folder, or a single file, with what was known of it.

    Args:
        wildcard: One or several globs of which one must fit (see `Selection`); None for all files.
        follow: What links lead to is taken in their place; else links stay links.
        only: Just these files of the folder, which `glob` matched.
        skip: What is left out (the store in use and its blobs, where they lie inside).

    Raises:
        InputError: There is no such folder, or it holds what cannot be part of a version; lists all of it.
    """
    given = Path(os.path.realpath(folder))
    is_file = not given.is_dir()
    top = given.parent if is_file else given
    if not os.path.exists(given):
        raise InputError(f"There is nothing at {shown(os.fspath(folder))}.", fix="Give a folder or a file that exists.")
    if is_file:
        only, glob = (given.name,), given.name
    selection = select(wildcard, recursive=recursive and not only, follow=follow, only=only, glob=glob, skip=skip)
    snapshot = cache.snapshot(top, selection.key)
    try:
        return _look(top, cache, selection, snapshot)
    except sqlite3.DatabaseError as error:
        snapshot.close()
        if is_damage(error):
            cache.discard(str(error))
        return _look(top, cache, selection, cache.nothing_known(top, selection.key))
    except BaseException:
        snapshot.close()
        raise


def _look(top: Path, cache: StatCache, selection: Selection, snapshot: Snapshot) -> Look:
    found, findings = Look(top, selection, cache, snapshot), Findings()
    rows = snapshot.directories()
    known = next(rows, None)
    for listing in scan(top, selection, findings):
        key = key_of(listing.path)
        while known is not None and known.key < key:
            found.removed.append(known)
            known = next(rows, None)
        mine = known if known is not None and known.key == key else None
        if mine is not None:
            known = next(rows, None)
        _compare(found, findings, listing, mine)
    if known is not None:
        found.removed += [known, *rows]
    if findings.problems:
        raise _refused(top, findings.problems)
    found.left_out = tuple(findings.left_out)
    return found


def _compare(found: Look, findings: Findings, listing: Listing, known: Known | None) -> None:
    record = Record.unread(listing.names, listing.facts)
    found.files += len(record)
    if record.is_empty_folder:
        found.empty.append(listing.path)
    if known is not None and known.digest == record.digest:
        found.size_bytes += known.size_bytes
        return
    old = None
    if known is not None:
        old = found.snapshot.record(known)
        found.knows_last_tree &= old is not None
    changed = differing(listing.path, record, old)
    changed.read_at_ns = time.time_ns()
    changed.row = known.id if known is not None else 0
    _settle(found, findings, changed)
    found.size_bytes += record.size_bytes
    found.changed.append(changed)


def _settle(found: Look, findings: Findings, changed: Changed) -> None:
    """Links and empty folders are known without reading; files that differ must be read."""
    record, names = changed.record, changed.record.names
    # What may be read is found out before hours of reading, not in the midst of them; root may read everything.
    may_read = os.access if os.geteuid() else None
    if may_read is None and all(map(stat.S_ISREG, set(record.facts[MODE::WIDTH]))):
        changed.todo = changed.fresh
        return
    todo = []
    for i in changed.fresh:
        mode, path = record.facts[WIDTH * i + MODE], os.path.join(found.folder, changed.path, names[i])
        if stat.S_ISDIR(mode):
            record.set_content(i, b"d")
        elif stat.S_ISLNK(mode):
            _settle_link(found, findings, record, i, path)
        elif may_read is not None and not may_read(path, os.R_OK):
            findings.problems.append(f"{shown(os.path.relpath(path, found.folder))}: may not be read")
        else:
            todo.append(i)
    changed.todo = todo


def _settle_link(found: Look, findings: Findings, record: Record, i: int, path: str) -> None:
    try:
        target = link_within(path, os.fspath(found.folder))
    except OSError:
        return  # vanished: its content stays unread
    if target is None:
        where = shown(os.path.relpath(path, found.folder))
        findings.problems.append(f"{where}: a link that leads out, to {shown(os.readlink(path))}")
        return
    record.set_content(i, b"l")
    record.targets[i] = target


def link_within(path: str, top: str) -> str | None:
    """The target of a link, relative to the link; None where it leads out of `top`, by its text or in fact."""
    target = os.readlink(path)
    folder = os.path.dirname(path)
    plain = os.path.normpath(os.path.join(folder, target))
    if not _lies_in(plain, top) or not _lies_in(os.path.realpath(path), top):
        return None
    return os.path.relpath(plain, folder) if os.path.isabs(target) else target


def _lies_in(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _refused(top: Path, problems: list[str]) -> InputError:
    more = len(problems) - _PROBLEMS_SHOWN
    listed = problems[:_PROBLEMS_SHOWN] + ([f"… and {more} more"] if more > 0 else [])
    error = InputError(
        f"{len(problems)} of what lies in {shown(os.fspath(top))} cannot be part of a version",
        listed,
        "Remove it, make it readable, or add files with a wildcard that leaves it out.",
    )
    error.problems = tuple(problems)
    return error
