"""Versions whose objects lie in memory, to make copies of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from blake3 import blake3

from meristem.errors import PlaceUnavailable
from meristem.manifests.entry import EMPTY_OBJECT, Entry, Kind, sort_key
from meristem.manifests.recipe import encode_recipe
from meristem.manifests.tree import Tree, build

CHUNK = 1000  # bytes; files above it have several chunks here


class Memory:
    """Objects in a dict, that counts which files' objects were asked for, and can break off.

    Attributes:
        asked: Names of objects in the order in which they were given away, without nodes.
        left: How many more are given before the place is unavailable; None for no end.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.left: int | None = None

    def put(self, content: bytes) -> str:
        name = blake3(content).hexdigest()
        self.objects[name] = content
        return name

    def load(self, name: str) -> bytes:
        return self.objects[name]

    def get(self, name: str) -> bytes:
        return next(content for _, content in self.get_many([name]))

    def get_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            if self.left is not None:
                if self.left == 0:
                    raise PlaceUnavailable("The place went away.")
                self.left -= 1
            self.asked.append(name)
            yield name, self.objects[name]

    def file(self, path: str, content: bytes, *, executable: bool = False) -> Entry:
        if not content:
            return Entry(path, Kind.FILE, 0, EMPTY_OBJECT, executable)
        pieces = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
        names = [(self.put(piece), len(piece)) for piece in pieces]
        if len(names) == 1:
            return Entry(path, Kind.FILE, len(content), names[0][0], executable)
        return Entry(path, Kind.CHUNKED, len(content), self.put(encode_recipe(names)), executable)

    def tree(self, *entries: Entry) -> Tree:
        return Tree(build(sorted(entries, key=lambda entry: sort_key(entry.path)), self.put), self)

    def files(self, content: Mapping[str, bytes]) -> Tree:
        return self.tree(*(self.file(path, data) for path, data in content.items()))


def link(path: str, target: str) -> Entry:
    return Entry(path, Kind.LINK, len(target), target)


def folder(path: str) -> Entry:
    return Entry(path, Kind.FOLDER, 0, "")


def content(place: Path) -> dict[str, bytes | str | None]:
    """What a folder holds: the bytes of files, the targets of links as text, None for empty folders."""
    found: dict[str, bytes | str | None] = {}
    for above, folders, names in os.walk(place):
        for name in [*names, *folders]:
            path = Path(above, name)
            told = os.path.relpath(path, place)
            if path.is_symlink():
                found[told] = os.readlink(path)
            elif path.is_file():
                found[told] = path.read_bytes()
            elif not os.listdir(path):
                found[told] = None
    return found
