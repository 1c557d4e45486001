"""All entries of a folder in the order of a manifest, one directory at a time.

Directories come in the order of the paths of what they hold, but a directory's own files lie before, between and behind
those of the directories within it: they wait on a stack until it is their turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge

from meristem.datasets.folders.records import SELF, Item, Record
from meristem.datasets.folders.stat_cache import key_of
from meristem.manifests.entry import Entry, sort_key


def entries_of(records: Iterable[tuple[str, Record]], empty: Iterable[str], prefix: str) -> Iterator[Entry]:
    """The entries of a folder below `prefix` ("" or ending in "/"), sorted; what was not read is left out.

    Args:
        records: Of all directories, in the order of `key_of`.
        empty: The paths of those that hold nothing. Their entries do not lie where their directories stand.
    """
    files = _files(records, prefix)
    folders = [folder_entry(path, prefix) for path in sorted(empty, key=sort_key)]
    return merge(files, folders, key=lambda entry: sort_key(entry.path)) if folders else files


def folder_entry(path: str, prefix: str) -> Entry:
    return Item(b"d", 0, False).entry(prefix + path)


class _Open:
    """A directory whose files wait."""

    def __init__(self, path: str, record: Record, prefix: str) -> None:
        self.key = key_of(path)
        base = f"{prefix}{path}/" if path else prefix
        self._base = base
        found = [(name, item) for name, item in record.read_items() if name != SELF]
        found.sort(key=(lambda pair: pair[0]) if record.joined.isascii() else (lambda pair: sort_key(pair[0])))
        self._items, self._at = found, 0

    def before(self, key: bytes) -> Iterator[Entry]:
        """The files that come before a directory."""
        while self._at < len(self._items):
            name, item = self._items[self._at]
            if self.key + sort_key(name) > key:
                return
            self._at += 1
            yield item.entry(self._base + name)

    def rest(self) -> Iterator[Entry]:
        base = self._base
        for name, item in self._items[self._at :]:
            yield item.entry(base + name)


def _files(records: Iterable[tuple[str, Record]], prefix: str) -> Iterator[Entry]:
    stack: list[_Open] = []
    for path, record in records:
        opened = _Open(path, record, prefix)
        while stack and not opened.key.startswith(stack[-1].key):
            yield from stack.pop().rest()
        if stack:
            yield from stack[-1].before(opened.key)
        stack.append(opened)
    while stack:
        yield from stack.pop().rest()
