"""Fills a folder with the entries of a version: keeps what stands right, takes what the cache has, fetches the rest.

Entries come sorted and are done in batches, so a million of them need no more memory than a few thousand. What is not
a new small file is written in a staging folder and goes to its place whole.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event
from typing import BinaryIO

from blake3 import blake3

from meristem.datasets.copies.arriving import Arrived, FetchExternal, Objects
from meristem.datasets.copies.inside import Inside, Obstacle
from meristem.datasets.copies.large import LargeFiles, staged_name
from meristem.datasets.copies.record import RecordWriter, Stats, stats_of
from meristem.datasets.copies.sharing import Cloning, Found, Source, link, write_all
from meristem.datasets.copies.standing import hash_of_external, is_as_it_should
from meristem.datasets.copies.suspects import Suspects
from meristem.datasets.copies.visited import Visited
from meristem.errors import CopyRefused, ManifestRefused
from meristem.manifests.entry import Entry, Kind

_BATCH = 4096  # entries
_THREADS = 2
_WORTH_A_THREAD = 64  # small files
_WORTH_TELLING = 1 << 20  # bytes of small files that have arrived
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_STAGED = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How files and folders of a copy are to be.

    Attributes:
        file_mode, executable_mode: Before the umask takes its part.
        folder_mode: Given to each folder when all in it is written; None leaves them as they are made.
        linked: Files of the cache are taken by hard link, rather than as files of their own.
    """

    file_mode: int
    executable_mode: int
    folder_mode: int | None
    linked: bool

    def mode(self, entry: Entry) -> int:
        return self.executable_mode if entry.executable else self.file_mode


SHARED = Style(file_mode=0o444, executable_mode=0o555, folder_mode=0o555, linked=True)
LINKED = Style(file_mode=0o444, executable_mode=0o555, folder_mode=None, linked=True)
OWN = Style(file_mode=0o666, executable_mode=0o777, folder_mode=None, linked=False)


class Filling:
    """One folder that is being filled.

    Args:
        folder: Exists.
        staging: Exists, on the same file system.
        style: How files are to be.
        objects: Where chunks and recipes come from.
        arrived: Counts what is done.
        sources: Copies in the cache that may hold some of the files.
        suspects: What may stand in the folder and is not right; None when the folder is empty.
        displace: Moves away, deletes or refuses to touch what stands where an entry goes, and what is no entry.
        fetch_external: Writes external files; without it they are left out.
    """

    def __init__(
        self,
        folder: Path,
        staging: Path,
        style: Style,
        objects: Objects,
        arrived: Arrived,
        *,
        displace: Obstacle,
        sources: Sequence[Source] = (),
        suspects: Suspects | None = None,
        fetch_external: FetchExternal | None = None,
    ) -> None:
        self._folder, self._staging_path, self._style = folder, staging, style
        self._objects, self._arrived, self._sources = objects, arrived, sources
        self._suspects, self._displace, self._fetch_external = suspects, displace, fetch_external
        self._cloning = Cloning()
        self._wrong: set[str] = set()
        self._stop = Event()

    def fill(self, entries: Iterable[Entry], record: RecordWriter | None = None) -> None:
        """Makes the folder hold `entries`, which are sorted and were checked; notes them in `record`.

        What an exception leaves can be filled again, with everything suspected.
        """
        with ExitStack() as closing:
            self._inside, self._others_inside = self._open_folder(closing), self._open_folder(closing)
            self._staging = os.open(self._staging_path, _FOLDER)
            closing.callback(os.close, self._staging)
            self._permitted = os.fstat(self._staging).st_mode & 0o777  # what the umask leaves
            for source in self._sources:
                closing.callback(source.close)
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="meristem-copy")
            closing.callback(self._pool.shutdown, cancel_futures=True)
            closing.callback(self._stop.set)
            self._large = LargeFiles(self._staging, self._objects, self._pool, self._arrived, self._stop)
            visited = Visited(self._has_strangers)
            waiting = iter(entries)
            while batch := list(islice(waiting, _BATCH)):
                for entry in batch:
                    visited.visit(entry)
                self._note(batch, self._settle(batch), record)
                self._leave(visited, record)
            visited.finish()
            self._leave(visited, record)

    def _open_folder(self, closing: ExitStack) -> Inside:
        inside = Inside(self._folder, self._displace, unlock=self._style.folder_mode is not None)
        closing.callback(inside.close)
        return inside

    def _has_strangers(self, folder: str) -> bool:
        """Whether something may lie in a folder that does not belong there. In folders of users all may stay."""
        return self._style.folder_mode is not None and self._suspects is not None and self._suspects.has_folder(folder)

    def _settle(self, batch: Sequence[Entry]) -> list[Stats | None]:
        """Brings each entry to its place; what it looks like there, None for folders and what is left out."""
        rows: list[Stats | None] = [None] * len(batch)
        small: dict[str, list[int]] = {}
        large: list[int] = []
        self._wrong.clear()
        size = 0
        for at, entry in enumerate(batch):
            rows[at] = self._kept(entry) or self._taken(entry)
            if rows[at] is not None:
                size += entry.size
            elif entry.kind is Kind.FILE and entry.size:
                small.setdefault(entry.content, []).append(at)
            elif entry.kind is Kind.CHUNKED:
                large.append(at)
            else:
                rows[at] = self._make(entry)
        self._arrived(size)
        self._fetch_small(batch, small, rows)
        self._fetch_large(batch, large, rows)
        return rows

    def _kept(self, entry: Entry) -> Stats | None:
        """What stands at the entry's place, if it is right. What is wrong is noted, and replaced when that can be."""
        if self._suspects is None or entry.kind is Kind.FOLDER:
            return None
        above, _, name = entry.path.rpartition("/")
        folder = self._inside.find(above)
        if folder is None:
            return None
        try:
            seen = os.lstat(name, dir_fd=folder)
        except FileNotFoundError:
            return None
        if not self._suspects.has(entry.path):
            return stats_of(seen)
        if is_as_it_should(entry, folder, name, self._large.chunks_of):
            return stats_of(self._with_mode(entry, folder, name, seen))
        self._wrong.add(entry.path)
        return None

    def _with_mode(self, entry: Entry, folder: int, name: str, seen: os.stat_result) -> os.stat_result:
        """Gives a file that is right the mode that it should have, as far as that is ours to say."""
        if not stat.S_ISREG(seen.st_mode):
            return seen
        if self._style.folder_mode is not None:
            mode = self._style.mode(entry) & self._permitted
        else:
            mode = stat.S_IMODE(seen.st_mode)
            mode = mode | (mode & 0o444) >> 2 if entry.executable else mode & 0o666
        if mode == stat.S_IMODE(seen.st_mode):
            return seen
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.fchmod(file, mode)
            return os.fstat(file)
        finally:
            os.close(file)

    def _taken(self, entry: Entry) -> Stats | None:
        """The entry's file from the cache, linked or copied; None where the cache has none."""
        if not self._sources or entry.kind not in (Kind.FILE, Kind.CHUNKED) or not entry.size:
            return None
        for source in self._sources:
            found = source.find(entry)
            if found is not None and (stats := self._take(entry, found)) is not None:
                return stats
        return None

    def _take(self, entry: Entry, found: Found) -> Stats | None:
        folder, name = self._goal(self._inside, entry)
        if self._style.linked and link(found, folder, name):
            return self._at_its_place(entry, found.stats)
        file = os.open(name, _NEW, self._style.mode(entry), dir_fd=folder)
        try:
            if self._cloning.clone(found, file):
                return self._at_its_place(entry, stats_of(os.fstat(file)))
        finally:
            os.close(file)
        os.unlink(name, dir_fd=folder)
        return None

    def _make(self, entry: Entry) -> Stats | None:
        """What needs no object: empty files, links, folders, and external files, which somebody else fetches."""
        if entry.kind is Kind.FILE:
            return self._write(self._inside, entry, b"")
        if entry.kind is Kind.FOLDER:
            self._inside.folder(entry.path)
            return None
        if entry.kind is Kind.EXTERNAL:
            return self._fetch_from_outside(entry)
        folder, name = self._goal(self._inside, entry)
        os.symlink(entry.content, name, dir_fd=folder)
        self._arrived(entry.size)
        return self._at_its_place(entry, stats_of(os.lstat(name, dir_fd=folder)))

    def _fetch_from_outside(self, entry: Entry) -> Stats | None:
        if self._fetch_external is None:
            return None
        name = staged_name(entry)
        with os.fdopen(os.open(name, _STAGED, 0o777, dir_fd=self._staging), "w+b") as file:
            self._fetch_external(entry, file)
            file.flush()
            expected = hash_of_external(entry)
            file.seek(0)
            if expected is not None and _hash_of(file) != expected:
                raise CopyRefused(
                    f"{entry.content} does not hold the bytes any more that {entry.path!r} had when it was added."
                )
            self._arrived(entry.size)
            return self._whole(entry, name, file.fileno())

    def _fetch_small(self, batch: Sequence[Entry], small: dict[str, list[int]], rows: list[Stats | None]) -> None:
        """Fetches files of one chunk, by two threads where there are many: most of the time goes to making files."""

        def fetch(names: Sequence[str], inside: Inside) -> None:
            size = 0
            for name, data in self._objects.get_many(names):
                if self._stop.is_set():
                    return
                for at in small[name]:
                    rows[at] = self._write(inside, batch[at], data)
                    size += len(data)
                if size > _WORTH_TELLING:
                    self._arrived(size)
                    size = 0
            self._arrived(size)

        names = list(small)
        half = len(names) // 2 if len(names) >= _WORTH_A_THREAD else len(names)
        other = self._pool.submit(fetch, names[half:], self._others_inside)
        fetch(names[:half], self._inside)
        other.result()

    def _fetch_large(self, batch: Sequence[Entry], large: Sequence[int], rows: list[Stats | None]) -> None:
        found: dict[str, Stats] = {}

        def settle(entry: Entry, name: str, file: int) -> None:
            found[entry.path] = self._whole(entry, name, file)

        if large:
            self._large.write([batch[at] for at in large], settle)
        for at in large:
            rows[at] = found[batch[at].path]

    def _write(self, inside: Inside, entry: Entry, data: bytes) -> Stats:
        """Writes a file of one chunk."""
        if len(data) != entry.size:
            raise ManifestRefused(f"{entry.path!r} has {entry.size} bytes, its object {entry.content} {len(data)}.")
        folder, name = self._goal(inside, entry)
        file = os.open(name, _NEW, self._style.mode(entry), dir_fd=folder)
        try:
            if os.write(file, data) != len(data):
                write_all(file, data, 0)
            return self._at_its_place(entry, stats_of(os.fstat(file)), inside)
        finally:
            os.close(file)

    def _whole(self, entry: Entry, name: str, file: int) -> Stats:
        """Brings a staged file that is whole to its place, with the mode that it should have."""
        os.fchmod(file, stat.S_IMODE(os.fstat(file).st_mode) & self._style.mode(entry))
        above, _, last = entry.path.rpartition("/")
        self._move(name, self._inside.folder(above), last, entry)
        return stats_of(os.fstat(file))

    def _goal(self, inside: Inside, entry: Entry) -> tuple[int, str]:
        """Where a file is made: at its place, or in staging where something else stands there until it is whole."""
        if entry.path not in self._wrong:
            above, _, name = entry.path.rpartition("/")
            return inside.folder(above), name
        name = staged_name(entry)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._staging)
        return self._staging, name

    def _at_its_place(self, entry: Entry, stats: Stats, inside: Inside | None = None) -> Stats:
        if entry.path in self._wrong:
            above, _, name = entry.path.rpartition("/")
            self._move(staged_name(entry), (inside or self._inside).folder(above), name, entry)
        return stats

    def _move(self, staged: str, folder: int, name: str, entry: Entry) -> None:
        if entry.path in self._wrong:
            self._displace(folder, name, entry.path)
        os.rename(staged, name, src_dir_fd=self._staging, dst_dir_fd=folder)

    def _note(self, batch: Sequence[Entry], rows: Sequence[Stats | None], record: RecordWriter | None) -> None:
        if record is not None:
            for entry, row in zip(batch, rows, strict=True):
                record.add(entry, row)

    def _leave(self, visited: Visited, record: RecordWriter | None) -> None:
        """Ends the folders of which all entries have come: strangers go, the mode is set, the look is noted."""
        for path, names in visited.left:
            folder = self._inside.find(path)
            if folder is None or self._style.folder_mode is None:
                continue
            for stranger in set() if names is None else set(os.listdir(folder)) - names:
                folder = self._inside.folder(path)  # writable by now
                self._displace(folder, stranger, f"{path}/{stranger}" if path else stranger)
            seen = os.fstat(folder)
            mode = self._style.folder_mode & self._permitted
            if path:  # the top one is moved to its place first, which only a writable folder lets be done
                os.fchmod(folder, mode)
            if record is not None:
                record.add_folder(path, (*stats_of(seen)[:3], stat.S_IFDIR | mode))
        visited.left.clear()


def _hash_of(file: BinaryIO) -> str:
    digest = blake3()
    while block := file.read(1 << 20):
        digest.update(block)
    return str(digest.hexdigest())
