"""Nodes in memory, made-up entries, and the root of a manifest by the letter of its definition."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from blake3 import blake3
from hypothesis import strategies as st

from meristem.manifests import EMPTY, Entry, Kind, Tree, build, shape, sort_key


class Kept:
    """Keeps nodes in a dict, and counts."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.loaded: list[str] = []
        self.saved: list[str] = []
        self.expected: list[str] = []

    def save(self, content: bytes) -> str:
        name = blake3(content).hexdigest()
        self.objects[name] = content
        self.saved.append(name)
        return name

    def load(self, name: str) -> bytes:
        self.loaded.append(name)
        return self.objects[name]

    def expect(self, names: Sequence[str]) -> None:
        self.expected += names

    def tree(self, entries: Iterable[Entry]) -> Tree:
        """The tree of entries in any order."""
        return Tree(build(sorted(entries, key=lambda entry: sort_key(entry.path)), self.save), self)

    def node(self, level: int, rows: Sequence[Any]) -> str:
        """A node made by hand."""
        return self.save(json.dumps({"level": level, "rows": rows}).encode())


def name_of(text: str) -> str:
    return blake3(text.encode("utf-8", "surrogatepass")).hexdigest()


def file(path: str, version: int = 1, size: int = 10) -> Entry:
    """A file whose content follows from path and version."""
    return Entry(path, Kind.FILE, size, name_of(f"{path}\0{version}"))


def root_by_definition(entries: Iterable[Entry]) -> str:
    """Level by level: cut the rows after each path of enough rank, until one node is left."""
    codes = {(Kind.FILE, True): "fx", (Kind.CHUNKED, True): "cx"}
    rows: list[list[Any]] = [
        [e.path, codes.get((e.kind, e.executable), e.kind.value), e.size, e.content]
        + ([e.facts] if e.kind is Kind.EXTERNAL else [])
        for e in sorted(entries, key=lambda entry: entry.path.encode("utf-8", "surrogateescape"))
    ]
    if not rows:
        return EMPTY
    level = 0
    while True:
        nodes: list[list[list[Any]]] = [[]]
        for row in rows:
            nodes[-1].append(row)
            if shape.rank(row[0].encode("utf-8", "surrogateescape")) > level:
                nodes.append([])
        above = []
        for node in filter(None, nodes):
            content = json.dumps({"level": level, "rows": node}, separators=(",", ":"), sort_keys=True)
            entries_below = sum(row[2] for row in node) if level else len(node)
            size = sum(row[3 if level else 2] for row in node)
            above.append([node[-1][0], name_of(content), entries_below, size])
        if len(above) == 1:
            name: str = above[0][1]
            return name
        rows, level = above, level + 1


_part = st.sampled_from(["a", "b", "-", ".x", "ä", "\udcff", "é\n", "𝔘", "￿"])
paths = st.lists(_part, min_size=1, max_size=4).map("/".join)
_sizes = st.integers(0, 2**40)
_names = st.integers(0, 9).map(lambda number: name_of(str(number)))


@st.composite
def entries_at(draw: st.DrawFn, path: str) -> Entry:
    """Any entry at `path`."""
    kind = draw(st.sampled_from(Kind))
    if kind is Kind.FOLDER:
        return Entry(path, kind, 0, "")
    if kind is Kind.LINK:
        return Entry(path, kind, 0, draw(st.sampled_from(["x", "a/b", "\udc80"])))
    if kind is Kind.EXTERNAL:
        facts = draw(st.sampled_from([None, {}, {"etag": "1", "hash": None}]))
        return Entry(path, kind, draw(_sizes), "s3://bucket/key", False, facts)
    return Entry(path, kind, draw(_sizes), draw(_names), draw(st.booleans()))


@st.composite
def folders_of_entries(draw: st.DrawFn) -> dict[str, Entry]:
    """Entries by path; some are files where others need a folder."""
    return {path: draw(entries_at(path)) for path in draw(st.lists(paths, unique=True, max_size=25))}
