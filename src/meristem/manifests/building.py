"""Builds the tree of a manifest from sorted entries, and saves each node as it closes. Memory: one node a level.

`build` is for all entries at once; `meristem.manifests.updating` gives the builder whole subtrees as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from meristem.errors import ManifestRefused
from meristem.manifests import shape
from meristem.manifests.entry import Entry, check_path, sort_key
from meristem.manifests.node import EMPTY, Branch, Row, encode, row_of

Save = Callable[[bytes], str]
"""Stores an object and returns its name."""


def build(entries: Iterable[Entry], save: Save) -> str:
    """The root of the manifest that holds `entries`, which are sorted by `sort_key` and each of another path.

    Raises:
        ManifestRefused: An entry that no version may hold, or one out of order; `path` names it.
    """
    builder = Builder(save)
    add = builder.add
    for entry in entries:
        try:
            key = sort_key(entry.path)
        except (UnicodeEncodeError, AttributeError):
            check_path(entry.path)
            raise
        add(key, row_of(entry))
    return builder.finish()


class Builder:
    """Takes rows and whole subtrees from left to right.

    Where a path ends nodes, they are closed only when more comes: what is last stays open, so that `finish` can tell
    the top node, which has no parent.
    """

    __slots__ = ("_due", "_last", "_pending", "_save")

    def __init__(self, save: Save) -> None:
        self._save = save
        self._pending: list[list[Row]] = [[] for _ in range(shape.MAX_RANK + 1)]  # of each level's unfinished node
        self._due = 0  # this many levels end here
        self._last = b""

    def add(self, key: bytes, row: Row) -> None:
        """Append a path's row; `key` are the bytes of its path."""
        if key <= self._last:
            self._refuse_order(key, row)
        if self._due:
            self._settle()
        self._pending[0].append(row)
        self._last = key
        self._due = shape.rank(key)

    def take(self, branch: Branch) -> bool:
        """Append a whole subtree, unread; False where no node of its level starts here, so that it has to be opened.

        It must end by its last path, or nothing may follow.
        """
        if self._due <= branch.level and any(self._pending[: branch.level + 1]):
            return False
        self._settle()
        self._pending[branch.level + 1].append((branch.last, branch.name, branch.entries, branch.bytes))
        self._last = sort_key(branch.last)
        self._due = shape.rank(self._last)
        return True

    def finish(self, lowered: Callable[[str], str] = str) -> str:
        """The name of the top node.

        Args:
            lowered: Where a subtree that was taken is all there is: gives the node of it that can be the top.
        """
        top = max((level for level, rows in enumerate(self._pending) if rows), default=0)
        for level in range(top):
            self._close(level)
        rows = self._pending[top]
        if not rows:
            return EMPTY
        if top and len(rows) == 1:
            return lowered(rows[0][1])  # what was built has at least two children at its top
        return self._save(encode(top, rows)[0])

    def _settle(self) -> None:
        for level in range(self._due):
            self._close(level)
        self._due = 0

    def _close(self, level: int) -> None:
        rows = self._pending[level]
        if rows:
            content, node = encode(level, rows)
            self._pending[level + 1].append((node.last, self._save(content), node.entries, node.bytes))
            self._pending[level] = []

    def _refuse_order(self, key: bytes, row: Row) -> None:
        check_path(row[0])
        before = self._last.decode("utf-8", "surrogateescape")
        problem = "stands twice" if key == self._last else f"stands after {before!r}"
        raise ManifestRefused(
            f"The path {row[0]!r} is refused: it {problem}, and paths are sorted by their bytes, each once.",
            path=row[0],
        )
