"""What differs between two manifests, path by path, at a cost that follows the differences.

Nodes that both trees have are the same entries, so they drop out level by level; what remains at the bottom is
compared. On each level all nodes that remain are announced before they are read, so that they can be fetched together.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from meristem.manifests.entry import Entry, Kind, sort_key
from meristem.manifests.node import Branch, Row, branches, entry_of
from meristem.manifests.tree import Tree

_LEAVES_AHEAD = 128  # announced together


class Change(NamedTuple):
    """What became of a path.

    Attributes:
        before: What was there, None where nothing was. Of a move: what lay at another path.
        after: What is there, None where nothing is.
    """

    path: str
    before: Entry | None
    after: Entry | None

    def __repr__(self) -> str:
        sizes = [f"{entry.size:,}" for entry in (self.before, self.after) if entry is not None]
        path = f"{self.before.path!r} → {self.path!r}" if self.before and self.what == "moved" else repr(self.path)
        return f"<{self.what} {path}: {' → '.join(dict.fromkeys(sizes))} bytes>"

    @property
    def what(self) -> str:
        """One of "added", "removed", "modified", "moved"."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "modified" if self.before.path == self.after.path else "moved"


class Counts(NamedTuple):
    """How many paths were added, modified, removed and moved. One that moved is none of the others."""

    added: int
    modified: int
    removed: int
    moved: int = 0


def differences(a: Tree, b: Tree) -> Iterator[Change]:
    """What leads from `a` to `b`, in the order of paths."""
    if a.root == b.root:
        return
    old, new = _remaining(a, b)
    old_rows, new_rows = _rows(a, old), _rows(b, new)
    before, after = next(old_rows, None), next(new_rows, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before[0] < after[0]):
            assert before is not None
            yield Change(before[1][0], entry_of(before[1]), None)
            before = next(old_rows, None)
        elif before is None or after[0] < before[0]:
            yield Change(after[1][0], None, entry_of(after[1]))
            after = next(new_rows, None)
        else:
            if before[1] != after[1]:
                yield Change(after[1][0], entry_of(before[1]), entry_of(after[1]))
            before, after = next(old_rows, None), next(new_rows, None)


def with_moves(changes: Iterable[Change]) -> list[Change]:
    """The changes, with each file that was removed at one path and added at another as one change.

    Files of equal content are paired by their names first, then in the order of paths. Empty files, links and folders
    are never moved: that theirs are equal says nothing.
    """
    listed = list(changes)
    gone = [change.before for change in listed if change.after is None and change.before is not None]
    come = [change.after for change in listed if change.before is None and change.after is not None]
    moved: dict[str, Entry] = {}  # path that it has now -> what it was
    left: set[str] = {entry.path for entry in gone}
    for by_name in (True, False):
        waiting: defaultdict[tuple[object, ...], deque[Entry]] = defaultdict(deque)
        for entry in gone:
            if entry.path in left and _can_move(entry):
                waiting[_content_key(entry, by_name=by_name)].append(entry)
        for entry in come:
            same = waiting.get(_content_key(entry, by_name=by_name))
            if same and entry.path not in moved and _can_move(entry):
                moved[entry.path] = same.popleft()
                left.remove(moved[entry.path].path)
    return [
        change._replace(before=moved.get(change.path, change.before))
        for change in listed
        if change.after is not None or change.path in left
    ]


def counted(changes: Iterable[Change]) -> Counts:
    """How many there are of each kind once `with_moves` has paired them; keeps no more than the contents to be paired.

    Of each content as many are moved as are both gone and come, however they are paired.
    """
    added = modified = removed = moved = 0
    waiting: defaultdict[tuple[object, ...], int] = defaultdict(int)  # come and not gone; below 0: gone and not come
    for change in changes:
        entry = change.after or change.before
        if entry is None or (change.before and change.after):
            modified += 1
            continue
        step = 1 if change.after else -1
        added, removed = added + (step > 0), removed + (step < 0)
        if _can_move(entry):
            key = _content_key(entry, by_name=False)
            moved += waiting[key] * step < 0
            waiting[key] += step
            if not waiting[key]:
                del waiting[key]
    return Counts(added - moved, modified, removed - moved, moved)


def _remaining(a: Tree, b: Tree) -> tuple[list[Branch], list[Branch]]:
    """The leaves that only one of the trees has, in order."""
    old, new = _as_branches(a), _as_branches(b)
    while True:
        shared = {branch.name for branch in old} & {branch.name for branch in new}
        old = [branch for branch in old if branch.name not in shared]
        new = [branch for branch in new if branch.name not in shared]
        level = max((side[0].level for side in (old, new) if side), default=0)
        if not level:
            return old, new
        old, new = _opened(a, old, level), _opened(b, new, level)


def _as_branches(tree: Tree) -> list[Branch]:
    top = tree.top
    if top.last is None:
        return []
    return [Branch(tree.root, top.level, top.last, top.entries, top.bytes, None)]


def _opened(tree: Tree, side: list[Branch], level: int) -> list[Branch]:
    """The children of a level's branches; those that already lie lower stay."""
    if not side or side[0].level < level:
        return side
    tree.expect([branch.name for branch in side])
    return [child for branch in side for child in branches(tree.read(branch), branch.after)]


def _rows(tree: Tree, leaves: list[Branch]) -> Iterator[tuple[bytes, Row]]:
    for start in range(0, len(leaves), _LEAVES_AHEAD):
        ahead = leaves[start : start + _LEAVES_AHEAD]
        tree.expect([branch.name for branch in ahead])
        for branch in ahead:
            for row in tree.read(branch).rows:
                yield sort_key(row[0]), row


def _can_move(entry: Entry) -> bool:
    return entry.kind is Kind.EXTERNAL or (entry.size > 0 and entry.kind in (Kind.FILE, Kind.CHUNKED))


def _content_key(entry: Entry, *, by_name: bool) -> tuple[object, ...]:
    name = entry.path.rpartition("/")[2] if by_name else ""
    return entry.kind, entry.content, name
