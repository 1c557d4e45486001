"""The manifest of a version, read from its root: looks up, lists, counts and changes without reading what it need not.

Nodes come from whoever keeps them, one at a time, and are checked when read (`meristem.manifests.node`): that the
bytes are those of the name is for the keeper to see to, that they make a manifest is seen to here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol

from meristem.errors import EntryNotFound, ManifestRefused
from meristem.manifests.building import Builder, Save, build
from meristem.manifests.entry import EMPTY_OBJECT, Entry, check_paths, sort_key
from meristem.manifests.node import (
    EMPTY,
    EMPTY_NODE,
    Branch,
    Node,
    Row,
    branches,
    check_branch,
    decode,
    entries_of,
    entry_of,
    row_of,
)
from meristem.manifests.recipe import decode_recipe
from meristem.manifests.updating import RowChange, rewrite

__all__ = ["EMPTY", "EMPTY_NODE", "Nodes", "Save", "Tree", "build"]

_NODES_KEPT = 256  # all inner ones of millions of entries, and leaves for lookups near to each other


class Nodes(Protocol):
    """Where nodes are kept. One with a method `expect(names: Sequence[str]) -> None` is told what will be loaded soon,
    in that order, and may fetch it together."""

    def load(self, name: str) -> bytes:
        """The bytes of the object of that name; raises where there is none or where they are damaged."""


class Tree:
    """The entries below one root. Immutable; several threads may use it at once."""

    def __init__(self, root: str, nodes: Nodes) -> None:
        self.root = root
        self._nodes = nodes
        self._decoded = lru_cache(maxsize=_NODES_KEPT)(self._load)

    @property
    def entries_count(self) -> int:
        """How many paths there are. Reads the top node only."""
        return self.top.entries

    @property
    def bytes_count(self) -> int:
        """The sizes of all entries together. Reads the top node only."""
        return self.top.bytes

    @property
    def top(self) -> Node:
        """The top node."""
        return self._decoded(self.root)

    def read(self, branch: Branch) -> Node:
        """The node of a branch, checked against what its parent tells of it."""
        node = self._decoded(branch.name)
        check_branch(node, branch)
        return node

    def expect(self, names: Sequence[str]) -> None:
        """Tell whoever keeps the nodes which ones will be loaded soon."""
        expect = getattr(self._nodes, "expect", None)
        if expect is not None:
            expect(names)

    def find(self, path: str) -> Entry | None:
        """What lies at `path`, or None."""
        try:
            key = sort_key(path)
        except UnicodeEncodeError:  # no path of any version
            return None
        node, after = self.top, None
        while True:
            at = bisect_left(node.rows, key, key=_key_of)
            if at == len(node.rows):
                return None
            if not node.level:
                row = node.rows[at]
                return entry_of(row) if row[0] == path else None
            branch = _branch(node, at, after)
            node, after = self.read(branch), branch.after

    def get(self, path: str) -> Entry:
        """What lies at `path`; raises EntryNotFound."""
        entry = self.find(path)
        if entry is None:
            raise EntryNotFound(path)
        return entry

    def entries(self, prefix: str = "", start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """The entries whose paths begin with `prefix`, in order; of these, those at positions `start` to `stop`.

        Positions are 0 or more. A folder's are those of prefix "folder/". Nodes that lie outside are not read.
        """
        first, end = 0, self.entries_count
        if prefix:
            first, end = self._position(prefix, after=False), self._position(prefix, after=True)
        end = end if stop is None else min(end, first + stop)
        first += start
        if first < end:
            for rows in self._slices(self.top, None, first, end):
                yield from entries_of(rows)

    def children(self, folder: str = "") -> Iterator[tuple[str, Entry | None]]:
        """What lies directly in `folder` ("" is the whole): paths, with their entries, or None for a folder.

        A folder costs one lookup, however much lies in it. One that has an entry of its own beside what lies in it is
        given both ways.
        """
        prefix = f"{folder}/" if folder else ""
        position, end = self._position(prefix, after=False), self._position(prefix, after=True)
        while position < end:
            for entry in self.entries(start=position, stop=end):
                cut = entry.path.find("/", len(prefix))
                if cut < 0:
                    yield entry.path, entry
                    position += 1
                    continue
                yield entry.path[:cut], None
                position = self._position(entry.path[: cut + 1], after=True)
                break

    def updated(self, changes: Iterable[tuple[str, Entry | None]], save: Save) -> str:
        """The root of the tree with `changes`: pairs of a path and its new entry, or None to remove it.

        They come in any order; of several for one path the last one counts. To remove what is not there is no error.
        The cost follows the number of changes.

        Raises:
            ManifestRefused: A path or an entry that no version may hold.
        """
        ordered = _row_changes(changes)
        if not ordered:
            return self.root
        builder = Builder(save)
        rewrite(self.top, ordered, self.read, builder)
        return builder.finish(self._lowered)

    def names(self) -> Iterator[tuple[str, str]]:
        """All objects that the version needs, as pairs of what ("node", "chunk", "recipe") and name; some twice."""
        return self.names_new(lambda name: False)

    def names_new(self, seen: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
        """The same without what lies below nodes and recipes of which `seen` says that they were given before.

        Each is asked for before it is given, so `seen` may look into a set to which the caller adds the nodes and
        recipes that it gets. No chunks: a file may have the bytes of a node or recipe, and nothing was given below it.
        """
        if self.root != EMPTY and not seen(self.root):
            yield "node", self.root
            yield from self._names_below(self.top, None, seen)

    def _load(self, name: str) -> Node:
        return decode(name, EMPTY_NODE if name == EMPTY else self._nodes.load(name))

    def _position(self, prefix: str, *, after: bool) -> int:
        """How many entries lie before the first path that begins with `prefix`, or up to the last such path."""
        key = sort_key(prefix)
        node, lower = self.top, None
        before = 0
        while True:
            if after:
                at = bisect_right(node.rows, key, key=lambda row: sort_key(row[0])[: len(key)])
            else:
                at = bisect_left(node.rows, key, key=_key_of)
            before += sum(row[2] for row in node.rows[:at]) if node.level else at
            if not node.level or at == len(node.rows):
                return before
            branch = _branch(node, at, lower)
            node, lower = self.read(branch), branch.after

    def _slices(self, node: Node, after: str | None, start: int, stop: int) -> Iterator[Sequence[Row]]:
        """The rows of leaves below `node` that have positions `start` to `stop` in it."""
        if not node.level:
            yield node.rows[max(start, 0) : stop]
            return
        wanted = []
        for branch in branches(node, after):
            if start < branch.entries and stop > 0:
                wanted.append((branch, start, stop))
            start, stop = start - branch.entries, stop - branch.entries
        self.expect([branch.name for branch, _, _ in wanted])
        for branch, own_start, own_stop in wanted:
            yield from self._slices(self.read(branch), branch.after, own_start, own_stop)

    def _names_below(self, node: Node, after: str | None, seen: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
        if not node.level:
            yield from self._names_of_leaf(node.rows, seen)
            return
        new = [branch for branch in branches(node, after) if not seen(branch.name)]
        self.expect([branch.name for branch in new])
        for branch in new:
            yield "node", branch.name
            yield from self._names_below(self.read(branch), branch.after, seen)

    def _names_of_leaf(self, rows: Sequence[Row], seen: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
        self.expect([row[3] for row in rows if row[1] in ("c", "cx") and not seen(row[3])])
        for row in rows:
            code, content = row[1], row[3]
            if code in ("f", "fx"):
                if content != EMPTY_OBJECT:
                    yield "chunk", content
            elif code in ("c", "cx") and not seen(content):
                yield "recipe", content
                for chunk, _ in decode_recipe(self._nodes.load(content), size=row[2], path=row[0]):
                    yield "chunk", chunk

    def _lowered(self, name: str) -> str:
        """The first node from `name` down that has not just a single child: a subtree may have lost all siblings."""
        node = self._decoded(name)
        while node.level and len(node.rows) == 1:
            name = node.rows[0][1]
            node = self._decoded(name)
        return name


def _row_changes(changes: Iterable[tuple[str, Entry | None]]) -> list[RowChange]:
    """The changes with the rows that they make, sorted, one for each path."""
    latest = dict(changes)
    check_paths(list(latest))
    for path, entry in latest.items():
        if entry is not None and entry.path != path:
            raise ManifestRefused(f"The path {path!r} cannot get the entry of {entry.path!r}.", path=path)
    found = ((sort_key(path), None if entry is None else row_of(entry)) for path, entry in latest.items())
    return sorted(found, key=lambda change: change[0])


def _key_of(row: Row) -> bytes:
    return sort_key(row[0])


def _branch(node: Node, at: int, after: str | None) -> Branch:
    """The child at position `at`."""
    last, name, entries, size = node.rows[at]
    return Branch(name, node.level - 1, last, entries, size, node.rows[at - 1][0] if at else after)
