"""Rewrites a tree by changes: only nodes along changed paths are read and written, all others are taken over unread.

The result is the tree that `build` makes of the entries that are then there. A changed path rewrites one node a level;
where a path at which nodes end comes or goes, a node is split or joined with the next one, across parents too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from meristem.manifests.building import Builder
from meristem.manifests.entry import sort_key
from meristem.manifests.node import Branch, Node, Row, branches

RowChange = tuple[bytes, Row | None]  # the bytes of a path, and its row or None to remove it


def rewrite(top: Node, changes: Sequence[RowChange], read: Callable[[Branch], Node], builder: Builder) -> None:
    """Give `builder` what is below `top` with `changes`, which are sorted, each of another path."""
    _Rewrite(changes, read, builder).pour(top, None, 0, len(changes))


class _Rewrite:
    def __init__(self, changes: Sequence[RowChange], read: Callable[[Branch], Node], builder: Builder) -> None:
        self._keys = [key for key, _ in changes]
        self._rows = [row for _, row in changes]
        self._read, self._builder = read, builder

    def pour(self, node: Node, after: str | None, start: int, stop: int) -> None:
        """Pass on a node with the changes from `start` to `stop`: those in it and, of the last one, behind it."""
        if not node.level:
            self._pour_leaf(node.rows, start, stop)
            return
        for branch in branches(node, after):
            # A subtree without changes is taken whole. One that does not end by its last path is the last of its tree:
            # what comes behind it counts as its own, so it is taken only where nothing does.
            is_last = branch.last == node.last
            own = stop if is_last else bisect_right(self._keys, sort_key(branch.last), start, stop)
            if own > start or not self._builder.take(branch):
                self.pour(self._read(branch), branch.after, start, own)
            start = own

    def _pour_leaf(self, rows: Sequence[Row], start: int, stop: int) -> None:
        keys, new, add = self._keys, self._rows, self._builder.add
        for row in rows:
            key = sort_key(row[0])
            while start < stop and keys[start] < key:
                self._add_new(start)
                start += 1
            if start < stop and keys[start] == key:
                changed = new[start]
                start += 1
                if changed is None:
                    continue
                row = changed
            add(key, row)
        for position in range(start, stop):
            self._add_new(position)

    def _add_new(self, position: int) -> None:
        row = self._rows[position]
        if row is not None:
            self._builder.add(self._keys[position], row)
