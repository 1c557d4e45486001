"""Writes files of many chunks: several files at once, their chunks at their offsets, by a few threads.

A file is written in a staging folder and goes to its place whole. What a killed process left there is checked chunk by
chunk, and only what is missing is fetched. Chunks of zeros are not written: they stay holes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from threading import Event

from blake3 import blake3

from meristem.datasets.copies.arriving import Arrived, Objects
from meristem.datasets.copies.sharing import write_all
from meristem.datasets.copies.standing import Chunks, wrong_chunks
from meristem.errors import ManifestRefused
from meristem.manifests.entry import Entry
from meristem.manifests.recipe import decode_recipe

_SLICE_BYTES = 16 << 20  # what one thread asks for at once
_GROUP_BYTES, _GROUP_FILES = 256 << 20, 128  # files that are written at the same time
_WRITE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

Places = Mapping[str, Sequence[tuple[int, int, int]]]
"""By chunk: where it goes, as (descriptor, offset, length)."""


class LargeFiles:
    """Writes chunked entries into staging files.

    Args:
        staging: Descriptor of the staging folder.
        pool: Threads that fetch and write.
        stop: Set when the copy is given up, so that threads end soon.
    """

    def __init__(self, staging: int, objects: Objects, pool: Executor, arrived: Arrived, stop: Event) -> None:
        self._staging, self._objects, self._pool = staging, objects, pool
        self._arrived, self._stop = arrived, stop

    def write(self, entries: Iterable[Entry], settle: Callable[[Entry, str, int], None]) -> None:
        """Writes the files of `entries`; hands each whole one to `settle` with its name in staging and descriptor."""
        for group in _groups(entries):
            places: dict[str, list[tuple[int, int, int]]] = {}
            with ExitStack() as opened:
                files = []
                for entry, chunks in zip(group, self._recipes(group), strict=True):
                    file = os.open(staged_name(entry), _WRITE, 0o777, dir_fd=self._staging)
                    opened.callback(os.close, file)
                    files.append(file)
                    self._plan(entry, file, chunks, places)
                self._fetch(places)
                for entry, file in zip(group, files, strict=True):
                    settle(entry, staged_name(entry), file)

    def chunks_of(self, entry: Entry) -> Chunks:
        return self._recipes([entry])[0]

    def _recipes(self, entries: Sequence[Entry]) -> list[Chunks]:
        raw = dict(self._objects.get_many({entry.content for entry in entries}))
        return [decode_recipe(raw[entry.content], size=entry.size, path=entry.path) for entry in entries]

    def _plan(self, entry: Entry, file: int, chunks: Chunks, places: dict[str, list[tuple[int, int, int]]]) -> None:
        """Notes where which chunk goes, all of them in a new file and those that are wrong in one that was begun."""
        seen = os.fstat(file)
        if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
            raise OSError(f"{staged_name(entry)} is no file of ours")
        wanted = list(_at_offsets(chunks))
        if seen.st_size:
            os.ftruncate(file, entry.size)
            wanted = wrong_chunks(file, chunks)
            for offset, _, length in wanted:
                _empty(file, offset, length)
            self._arrived(entry.size - sum(length for _, _, length in wanted))
        os.ftruncate(file, entry.size)
        for offset, name, length in wanted:
            places.setdefault(name, []).append((file, offset, length))

    def _fetch(self, places: Places) -> None:
        for _ in self._pool.map(lambda names: self._fetch_slice(names, places), _slices(places)):
            pass

    def _fetch_slice(self, names: Sequence[str], places: Places) -> None:
        for name, data in self._objects.get_many(names):
            if self._stop.is_set():
                return
            is_hole = not any(data[:64]) and data == bytes(len(data))
            for file, offset, length in places[name]:
                if length != len(data):
                    raise ManifestRefused(f"Chunk {name} has {len(data)} bytes, and a recipe says {length}.")
                if not is_hole:
                    write_all(file, data, offset)
                self._arrived(length)


def staged_name(entry: Entry) -> str:
    """What the file of an entry is called in the staging folder, also after a restart."""
    return str(blake3(f"{entry.path}\0{entry.content}".encode("utf-8", "surrogateescape")).hexdigest()[:32])


def _groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    size = 0
    for entry in entries:
        if group and (size + entry.size > _GROUP_BYTES or len(group) == _GROUP_FILES):
            yield group
            group, size = [], 0
        group.append(entry)
        size += entry.size
    if group:
        yield group


def _slices(places: Places) -> Iterator[list[str]]:
    """The chunks in order of the files, in pieces of about `_SLICE_BYTES`."""
    names: list[str] = []
    size = 0
    for name, where in places.items():
        names.append(name)
        size += where[0][2]
        if size >= _SLICE_BYTES:
            yield names
            names, size = [], 0
    if names:
        yield names


def _at_offsets(chunks: Chunks) -> Iterator[tuple[int, str, int]]:
    offset = 0
    for name, length in chunks:
        yield offset, name, length
        offset += length


def _empty(file: int, offset: int, length: int) -> None:
    """Leaves zeros where a killed process may have left anything: those that are not written must be there already."""
    found = os.pread(file, length, offset)
    if found != bytes(len(found)):
        write_all(file, bytes(len(found)), offset)
