"""The nodes of a manifest: how they are written, and what is checked when one is read.

A leaf (level 0) has a row for each path, an inner node a row for each child: [last path, name, entries, bytes].
Nodes may come from anywhere, so reading one believes nothing; that costs about as much as parsing it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from json import JSONEncoder, loads
from typing import Any, NamedTuple, NoReturn

from blake3 import blake3

from meristem.errors import ManifestRefused
from meristem.manifests.entry import (
    Entry,
    Kind,
    are_object_names,
    are_ordered,
    check_path,
    check_paths,
    is_well_coded,
    sort_key,
)
from meristem.manifests.shape import MAX_RANK

Row = Sequence[Any]

EMPTY_NODE = b'{"level":0,"rows":[]}'
EMPTY = blake3(EMPTY_NODE).hexdigest()
"""The name of the empty manifest: everybody knows what it holds, so it is never stored."""

_KINDS: dict[str, tuple[Kind, bool]] = {
    "f": (Kind.FILE, False),
    "fx": (Kind.FILE, True),
    "c": (Kind.CHUNKED, False),
    "cx": (Kind.CHUNKED, True),
    "l": (Kind.LINK, False),
    "u": (Kind.EXTERNAL, False),
    "d": (Kind.FOLDER, False),
}
_CODES = {kind: code for code, kind in _KINDS.items()}
_FILES = frozenset({"f", "fx", "c", "cx"})  # their content is the name of an object
_EXTERNAL = Kind.EXTERNAL
_MAX_SIZE = 2**63 - 1
_encoded = JSONEncoder(separators=(",", ":"), sort_keys=True, check_circular=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Node:
    """A node that was checked: its rows, and how many entries and bytes lie below it."""

    level: int
    rows: Sequence[Row]
    entries: int
    bytes: int

    @property
    def first(self) -> str | None:
        """The path of the first row, if there is one."""
        return self.rows[0][0] if self.rows else None

    @property
    def last(self) -> str | None:
        """The last path below this node, if there is one."""
        return self.rows[-1][0] if self.rows else None


class Branch(NamedTuple):
    """A node as its parent tells of it.

    Attributes:
        level: Of the node, 0 for a leaf.
        last: The last path below it.
        after: The last path before it; all paths below it are greater. None at the left edge.
    """

    name: str
    level: int
    last: str
    entries: int
    bytes: int
    after: str | None


def branches(node: Node, after: str | None) -> Iterator[Branch]:
    """The children of an inner node, all of whose paths lie above `after`."""
    level = node.level - 1
    for last, name, entries, size in node.rows:
        yield Branch(name, level, last, entries, size, after)
        after = last


def row_of(entry: Entry) -> Row:
    """The row of an entry; it is checked with the node that it becomes part of."""
    _, kind, _, _, executable, facts = entry
    if not executable and facts is None and kind is not _EXTERNAL:
        return entry[:4]
    code = _CODES.get((kind, bool(executable)))
    if code is None or (facts is not None and kind is not _EXTERNAL):
        _refuse(f"an entry of kind {str(kind)!r} has no {'facts' if code else 'mode'}", entry.path)
    if kind is not _EXTERNAL:
        return (entry.path, code, entry.size, entry.content)
    return (entry.path, code, entry.size, entry.content, None if facts is None else dict(facts))


def entry_of(row: Row) -> Entry:
    """The entry of a leaf's row."""
    kind, executable = _KINDS[row[1]]
    return Entry(row[0], kind, row[2], row[3], executable, row[4] if len(row) > 4 else None)


def entries_of(rows: Iterable[Row]) -> Iterator[Entry]:
    """The entries of a leaf's rows."""
    kinds = _KINDS
    for row in rows:
        kind, executable = kinds[row[1]]
        yield Entry(row[0], kind, row[2], row[3], executable, row[4] if len(row) > 4 else None)


def encode(level: int, rows: Sequence[Row]) -> tuple[bytes, Node]:
    """A node's bytes, and the node; raises ManifestRefused where a row is none that it may hold.

    Only what the rows hold is checked: that they are in order is for the caller to see to.
    """
    node = _checked(level, rows)
    try:
        return _encoded({"level": level, "rows": rows}).encode("ascii"), node
    except (TypeError, ValueError, RecursionError) as error:
        raise ManifestRefused(f"Facts of external files must be JSON values: {error}.") from error


def decode(name: str, content: bytes) -> Node:
    """The node of these bytes, checked in all that can be seen in it alone.

    Raises:
        ManifestRefused: They are no node, or one with rows that a manifest may not have; `path` names the first.
    """
    try:
        told = loads(content.decode("ascii"))
        level, rows = told["level"], told["rows"]
        known = len(told) == 2 and type(level) is int and type(rows) is list and 0 <= level <= MAX_RANK
    except (ValueError, TypeError, LookupError, RecursionError):
        known = False
    if not known:
        raise ManifestRefused(f"The object {name} is no node of a manifest.")
    if level and not rows:
        raise ManifestRefused(f"The node {name} of a manifest has level {level} and no children.")
    node = _checked(level, rows)
    if not are_ordered([row[0] for row in rows]):
        _refuse_order([row[0] for row in rows])
    return node


def check_branch(node: Node, branch: Branch) -> None:
    """Raise ManifestRefused unless `node` is what its parent tells of it."""
    told = (branch.level, branch.entries, branch.bytes, branch.last)
    if (node.level, node.entries, node.bytes, node.last) != told:
        raise ManifestRefused(
            f"The node {branch.name} of a manifest is not what its parent says, up to {branch.last!r}.",
            path=branch.last,
        )
    if branch.after is not None and node.first is not None and sort_key(node.first) <= sort_key(branch.after):
        _refuse(f"it stands in a node of paths above {branch.after!r}", node.first)


def _checked(level: int, rows: Sequence[Row]) -> Node:
    check = _check_inner if level else _check_leaf
    if not rows:
        return Node(level, rows, 0, 0)
    try:
        return Node(level, rows, *check(rows))
    except (ManifestRefused, TypeError, ValueError, AttributeError, LookupError):
        # Something is wrong in one of the rows: look for the first one, to name it.
        for row in rows:
            _check_alone(row, check)
        raise


def _check_alone(row: Row, check: Callable[[Sequence[Row]], tuple[int, int]]) -> None:
    path = row[0] if isinstance(row, Sequence) and row and isinstance(row[0], str) else None
    if path is not None:
        check_path(path)
    try:
        check((row,))
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        named = f" of {path!r}" if path is not None else ""
        raise ManifestRefused(f"The row{named} is none of a manifest: {row!r:.300}.", path=path) from error


def _check_inner(rows: Sequence[Row]) -> tuple[int, int]:
    paths, names, entries, sizes = zip(*rows, strict=True)
    check_paths(paths)
    if set(map(type, entries)) != {int} or min(entries) < 1:
        _refuse("its node has no whole number of entries", paths[0])
    _check_sizes(sizes, paths)
    if not are_object_names(names):
        _refuse("its node has no name of an object", paths[0])
    return sum(entries), sum(sizes)


def _check_leaf(rows: Sequence[Row]) -> tuple[int, int]:
    widths = set(map(len, rows))
    columns = zip(*rows, strict=True) if widths == {4} else _four_columns(rows)
    paths, kinds, sizes, contents = columns
    check_paths(paths)
    _check_sizes(sizes, paths)
    present = set(kinds)
    if not present <= _KINDS.keys():
        _refuse(f"its kind {kinds[0]!r} is unknown", paths[0])
    if "u" in present and sum(len(row) == 5 for row in rows) != kinds.count("u"):
        _refuse("it is an external file without a place for facts", paths[0])
    if not present <= _FILES:
        for row in rows:
            if row[1] not in _FILES:
                _check_other(row)
        contents = tuple(row[3] for row in rows if row[1] in _FILES)
    if not are_object_names(contents):
        _refuse("its content is no name of an object", paths[0])
    return len(rows), sum(sizes)


def _four_columns(rows: Sequence[Row]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        if len(row) not in (4, 5):
            _refuse(f"its row has {len(row)} columns", row[0])
        if len(row) == 5 and not (row[1] == "u" and (row[4] is None or isinstance(row[4], Mapping))):
            _refuse("only external files have facts, as an object", row[0])
    return zip(*(row[:4] for row in rows), strict=True)


def _check_other(row: Row) -> None:
    """A link, an external file or an empty folder."""
    path, code, size, content = row[:4]
    if code == "d":
        if content != "" or size != 0:
            _refuse("a folder has neither size nor content", path)
        return
    if not content or "\0" in content or not is_well_coded(content):
        _refuse(f"its {'target' if code == 'l' else 'URL'} {content!r} is none", path)


def _check_sizes(sizes: Sequence[int], paths: Sequence[str]) -> None:
    if set(map(type, sizes)) != {int} or min(sizes) < 0 or max(sizes) > _MAX_SIZE:
        _refuse(f"its size {sizes[0]!r} is no number of bytes", paths[0])


def _refuse_order(paths: Sequence[str]) -> NoReturn:
    for before, path in pairwise(paths):
        if not are_ordered([before, path]):
            _refuse(f"it stands after {before!r}, and paths are sorted, each once", path)
    raise AssertionError("unreachable: some pair is out of order")


def _refuse(problem: str, path: str) -> NoReturn:
    raise ManifestRefused(f"The path {path!r} is refused: {problem}.", path=path)
