"""Merges two versions that come from one: what ours changed is brought to theirs, unless theirs changed it, too.

The unit is the path. Nothing is decided silently: where both sides changed a path in different ways, or one put a file
where the other has a folder, that is a conflict, and theirs stands until somebody decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from meristem.manifests.changes import Change, differences
from meristem.manifests.entry import Entry, Kind, sort_key
from meristem.manifests.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A path that ours changed and that cannot be had together with what theirs has.

    Attributes:
        path: The path of ours.
        base: What was there before both.
        ours, theirs: What each side has now, None where it removed the path. `theirs` lies at another path where one
            is a file and the other lies in a folder of that name.
    """

    path: str
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None

    def __str__(self) -> str:
        if self.theirs is not None and self.theirs.path != self.path:
            file, below = sorted((self.path, self.theirs.path), key=len)
            return f"{self.path!r}: {file!r} is a file on one side, and the folder of {below!r} on the other"
        return f"{self.path!r}: {_verb(self.base, self.ours)} by ours, {_verb(self.base, self.theirs)} by theirs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """The outcome of a merge.

    Attributes:
        changes: What to apply to theirs (`theirs.updated(merge.changes, save)`); nothing of the conflicts.
        conflicts: In the order of paths.
    """

    changes: tuple[tuple[str, Entry | None], ...]
    conflicts: tuple[Conflict, ...]


def merge(base: Tree, ours: Tree, theirs: Tree) -> Merge:
    """Merge `ours` into `theirs`, which both come from `base`. The cost follows what they changed."""
    own = {change.path: change for change in differences(base, ours)}
    other = {change.path: change for change in differences(base, theirs)} if own else {}
    in_the_way = _InTheWay(own, other)
    changes: list[tuple[str, Entry | None]] = []
    conflicts: list[Conflict] = []
    for path, change in own.items():
        theirs_there = other.get(path)
        if theirs_there is None:
            obstacle = in_the_way.of(change)
            if obstacle is None:
                changes.append((path, change.after))
                continue
        elif theirs_there.after == change.after:
            continue  # both did the same
        else:
            obstacle = theirs_there.after
        conflicts.append(Conflict(path=path, base=change.before, ours=change.after, theirs=obstacle))
    return Merge(changes=tuple(changes), conflicts=tuple(conflicts))


def merge_from_all(bases: Sequence[Tree], ours: Tree, theirs: Tree) -> Merge:
    """The same where both come from several versions: where it would matter from which, that is a conflict."""
    first, *others = [merge(base, ours, theirs) for base in bases]
    changes, conflicts = dict(first.changes), {conflict.path: conflict for conflict in first.conflicts}
    for other in others:
        conflicts |= {conflict.path: conflict for conflict in other.conflicts}
        found = dict(other.changes)
        for path in found.keys() | changes.keys():
            there = theirs.find(path)
            if found.get(path, there) != changes.get(path, there):
                conflicts[path] = Conflict(path=path, base=None, ours=ours.find(path), theirs=there)
    ordered = sorted(conflicts.values(), key=lambda conflict: sort_key(conflict.path))
    return Merge(
        changes=tuple((path, entry) for path, entry in first.changes if path not in conflicts),
        conflicts=tuple(ordered),
    )


class _InTheWay:
    """Finds what theirs has below a file of ours, or as a file above a path of ours.

    Each side is sound in itself, so one path of such a pair was put there by ours, and the other one was put there or
    changed by theirs: what theirs left alone ours has, too, or has removed, which is then done to theirs.
    """

    def __init__(self, own: Mapping[str, Change], other: Mapping[str, Change]) -> None:
        there = [change.after for change in other.values() if change.after is not None]
        self._files = {entry.path: entry for entry in there if entry.kind is not Kind.FOLDER}
        self._in_folders: dict[str, Entry] = {}  # for each folder one of the paths below it
        if any(_becomes_file(change) for change in own.values()):
            for entry in there:
                for folder in _folders(entry.path):
                    self._in_folders.setdefault(folder, entry)

    def of(self, change: Change) -> Entry | None:
        """What theirs has where `change` of ours cannot be together with it."""
        if change.after is None:
            return None
        if change.before is None and self._files:
            for folder in _folders(change.path):
                if folder in self._files:
                    return self._files[folder]
        return self._in_folders.get(change.path) if _becomes_file(change) else None


def _becomes_file(change: Change) -> bool:
    """Whether nothing can lie below the path any more, where it could before."""
    before, after = change.before, change.after
    return after is not None and after.kind is not Kind.FOLDER and (before is None or before.kind is Kind.FOLDER)


def _folders(path: str) -> Iterator[str]:
    """The folders in which a path lies, the deepest first."""
    cut = path.rfind("/")
    while cut > 0:
        yield path[:cut]
        cut = path.rfind("/", 0, cut)


def _verb(base: Entry | None, now: Entry | None) -> str:
    if now is None:
        return "removed"
    return "added" if base is None else "changed"
