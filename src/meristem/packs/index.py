"""The local index: in which pack of a place an object lies, and where in it.

A cache, made anew from the packs' own indexes whenever it is lost or broken: an SQLite file in the
user's cache folder, shared by the processes of a machine. It also remembers up to where its owner has
followed the list of packs (`cursor`), and the epoch of that moment.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from meristem.errors import PlaceUnavailable
from meristem.packs.format import Row

_FILE = "packs.db"
_VERSION = 1
_AT_ONCE = 1000  # names in one query; SQLite takes 32,766
_WAIT_SECONDS = 60.0
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS packs (number INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, serial INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS objects (name BLOB NOT NULL, pack INTEGER NOT NULL, offset INTEGER NOT NULL, "
    "stored INTEGER NOT NULL, length INTEGER NOT NULL, codec INTEGER NOT NULL, PRIMARY KEY (name, pack)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {_VERSION}",
)

T = TypeVar("T")


class Location(NamedTuple):
    """Where an object lies: `stored` bytes of `pack` from `offset` on, `length` once they are unpacked."""

    pack: str
    offset: int
    stored: int
    length: int
    codec: int


class LocalIndex:
    """Objects and the packs that hold them. Safe for several threads and processes.

    Args:
        folder: Where its file lies; made when it is missing. One folder belongs to one place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    @property
    def cursor(self) -> int:
        """The serial up to which the list of packs was followed; 0 at first."""
        return self._fact("cursor")

    @property
    def epoch(self) -> int:
        """The epoch at the moment of `cursor`; 0 at first."""
        return self._fact("epoch")

    def remember(self, *, cursor: int, epoch: int) -> None:
        """Keeps up to where the list of packs was followed."""
        rows = [("cursor", cursor), ("epoch", epoch)]
        self._write(lambda c: c.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", rows))

    def add_pack(self, pack: str, serial: int, rows: Sequence[Row]) -> None:
        """Adds the objects of a pack; may be repeated."""
        self.add_packs([(pack, serial, rows)])

    def add_packs(self, packs: Iterable[tuple[str, int, Sequence[Row]]]) -> None:
        """Adds several packs, each given as (pack, serial, rows): faster than one by one."""

        def work(connection: sqlite3.Connection) -> None:
            found: list[tuple[bytes, int, int, int, int, int]] = []
            for pack, serial, rows in packs:
                number = _pack_number(connection, bytes.fromhex(pack), serial)
                found += [(bytes.fromhex(row[0]), number, *row[1:]) for row in rows]
            found.sort()  # neighbours lie on one page
            connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)", found)

        self._write(work)

    def drop_packs(self, packs: Iterable[str]) -> None:
        """Forgets packs and what they hold; one that is not known is no error."""
        names = [(bytes.fromhex(pack),) for pack in packs]

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("CREATE TEMP TABLE IF NOT EXISTS dropped (number INTEGER PRIMARY KEY)")
            connection.execute("DELETE FROM dropped")
            connection.executemany("INSERT INTO dropped SELECT number FROM packs WHERE name = ?", names)
            connection.execute("DELETE FROM objects WHERE pack IN (SELECT number FROM dropped)")
            connection.execute("DELETE FROM packs WHERE number IN (SELECT number FROM dropped)")

        self._write(work)

    def packs(self) -> dict[str, int]:
        """The packs that are known, with their serials."""
        rows = self._read(lambda c: c.execute("SELECT name, serial FROM packs").fetchall())
        return {name.hex(): serial for name, serial in rows}

    def locate(self, names: Iterable[str]) -> dict[str, Location]:
        """Where objects lie; those that no known pack holds are left out. Of several places, the newest pack."""
        query = (
            "SELECT o.name, p.name, o.offset, o.stored, o.length, o.codec FROM objects o JOIN packs p"
            " ON p.number = o.pack WHERE o.name IN ({}) ORDER BY o.name, p.number"
        )
        return {
            name.hex(): Location(pack.hex(), offset, stored, length, codec)
            for rows in self._asked(query, names)
            for name, pack, offset, stored, length, codec in rows
        }

    def copies(self, name: str) -> list[Location]:
        """Every place where an object lies: the newest pack first."""
        query = (
            "SELECT p.name, o.offset, o.stored, o.length, o.codec FROM objects o JOIN packs p"
            " ON p.number = o.pack WHERE o.name = ? ORDER BY p.number DESC"
        )
        rows = self._read(lambda c: c.execute(query, (bytes.fromhex(name),)).fetchall())
        return [Location(pack.hex(), *numbers) for pack, *numbers in rows]

    def known(self, names: Iterable[str]) -> set[str]:
        """Those of the names that some known pack holds."""
        query = "SELECT DISTINCT name FROM objects WHERE name IN ({})"
        return {name.hex() for rows in self._asked(query, names) for (name,) in rows}

    def count(self) -> int:
        """How many objects are known; one that lies in several packs counts once for each."""
        return int(self._read(lambda c: c.execute("SELECT count(*) FROM objects").fetchone())[0])

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def _fact(self, name: str) -> int:
        row = self._read(lambda c: c.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone())
        return row[0] if row else 0

    def _asked(self, query: str, names: Iterable[str]) -> Iterator[list[Any]]:
        waiting = iter(names)
        while some := [bytes.fromhex(name) for name in islice(waiting, _AT_ONCE)]:
            text = query.format(",".join("?" * len(some)))
            yield self._read(lambda c, text=text, some=some: c.execute(text, some).fetchall())  # type: ignore[misc]

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return work(self._open())
            except sqlite3.DatabaseError as error:
                self._mended(error)
                return work(self._open())

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        with self._lock:
            try:
                self._in_transaction(work)
            except sqlite3.DatabaseError as error:
                self._mended(error)
                self._in_transaction(work)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], object]) -> None:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._process == os.getpid():
            return self._connection
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(self.folder / _FILE)
        except OSError as error:
            raise _unavailable(self.folder, error) from error
        self._process = os.getpid()  # a connection must not be used by a process that was forked from its owner
        return self._connection

    def _mended(self, error: sqlite3.DatabaseError) -> None:
        """Throws the file away where it is broken: it can be made anew. Other errors are raised as ours."""
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            raise _unavailable(self.folder, error) from error
        self.close()
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"{_FILE}{suffix}").unlink(missing_ok=True)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -32000")  # 32 MB at most
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError("written by another version")
        if version == 0:
            for statement in _SCHEMA:
                connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _to_wal(connection: sqlite3.Connection) -> None:
    """Switches the log on; SQLite does not wait where another process does the same at this moment."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _pack_number(connection: sqlite3.Connection, pack: bytes, serial: int) -> int:
    connection.execute(
        "INSERT INTO packs (name, serial) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET serial = excluded.serial",
        (pack, serial),
    )
    return int(connection.execute("SELECT number FROM packs WHERE name = ?", (pack,)).fetchone()[0])


def _unavailable(folder: Path, error: Exception) -> PlaceUnavailable:
    return PlaceUnavailable(
        f"The local index of packs in {folder} cannot be used: {error}.",
        "It says which pack holds what.",
        "Make room or make the folder writable, or choose another one with MERISTEM_CACHE; "
        "what is in it can be removed at any time.",
    )
