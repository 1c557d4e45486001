"""What was known of folders when they were last read: an sqlite3 file that several processes share.

Per scope (a folder and what of it was selected) one row a directory: a digest that tells "nothing changed" in one
comparison, and the record behind it, read only where something did. Beside that, of each dataset path that the scope
was synced to, the root of the manifest that then held exactly these files: so an unchanged folder needs no entries.

It is only a cache: whoever uses what it says checks that the objects are still there. A damaged one is thrown away,
one that cannot be written is done without; both cost reading the files again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from meristem.datasets.folders.records import Record

_LOG = logging.getLogger(__name__)
_FORMAT = 1
_FORGET_AFTER_SECONDS = 180 * 86400
_SCHEMA = f"""
    CREATE TABLE scopes (id INTEGER PRIMARY KEY AUTOINCREMENT, folder BLOB NOT NULL, selection TEXT NOT NULL,
                         revision INTEGER NOT NULL, used_at REAL NOT NULL, UNIQUE (folder, selection));
    CREATE TABLE directories (id INTEGER PRIMARY KEY AUTOINCREMENT, scope INTEGER NOT NULL, key BLOB NOT NULL,
                              digest BLOB NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL,
                              empty INTEGER NOT NULL, UNIQUE (scope, key));
    CREATE TABLE records (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE synced (scope INTEGER NOT NULL, dataset_path BLOB NOT NULL, revision INTEGER NOT NULL,
                         root TEXT NOT NULL, whole INTEGER NOT NULL, PRIMARY KEY (scope, dataset_path));
    PRAGMA user_version = {_FORMAT};
"""


class Known(NamedTuple):
    """A directory's row, without its record. `empty`: nothing lies in it, which is an entry of its own."""

    id: int
    key: bytes
    digest: bytes
    files: int
    size_bytes: int
    empty: int


class Synced(NamedTuple):
    """A manifest that held the scope's files: all of them and, where `whole`, no others below the dataset path."""

    root: str
    whole: bool


class OtherFormat(sqlite3.DatabaseError):
    """The file was written by another version of Meristem."""


def is_damage(error: Exception) -> bool:
    """Whether the file itself is at fault, and not that it is busy, read-only or on a full disk."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, OtherFormat) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def key_of(path: str) -> bytes:
    """Of a directory: sorted by these, directories come in the order of the paths of what they hold."""
    return path.encode("utf-8", "surrogateescape") + b"/" if path else b""


def path_of(key: bytes) -> str:
    return key[:-1].decode("utf-8", "surrogateescape")


class StatCache:
    """The cache file; opened anew for each look.

    Args:
        file: Where it lies; made with its folder when it is not there.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def snapshot(self, folder: Path, selection: str) -> Snapshot:
        """What is known of a scope now. Nothing where the cache is damaged or cannot be used."""
        for _ in range(2):
            try:
                return Snapshot(self._opened(), folder, selection)
            except (sqlite3.Error, OSError) as error:
                if not is_damage(error):
                    _LOG.warning("The stat cache %s cannot be used (%s): all files are read.", self.file, error)
                    break
                self.discard(str(error))
        return self.nothing_known(folder, selection)

    def nothing_known(self, folder: Path, selection: str) -> Snapshot:
        """As of a cache that is new."""
        return Snapshot(_in_memory(), folder, selection)

    def discard(self, why: str) -> None:
        """Throws the file away; processes that have it open go on with what they have."""
        _LOG.warning("The stat cache %s is thrown away and made anew (%s).", self.file, why)
        with suppress(OSError), self._locked():
            for suffix in ("-wal", "-shm", "-journal", ""):
                Path(f"{self.file}{suffix}").unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection | None]:
        """One transaction under the cache's lock; None and no change where it cannot be written."""
        try:
            connection = self._opened()
        except (sqlite3.Error, OSError) as error:
            self._not_written(error)
            yield None
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._not_written(error)
        finally:
            connection.close()

    def _not_written(self, error: Exception) -> None:
        _LOG.warning("The stat cache %s was not written (%s).", self.file, error)
        if is_damage(error):
            self.discard(str(error))

    def _opened(self) -> sqlite3.Connection:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            connection = _connected(str(self.file))
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody opens the file while somebody throws it away: a new file must not meet the old one's log."""
        with open(f"{self.file}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class Snapshot:
    """What the cache knew of one scope at one moment, whatever others write meanwhile. Close it."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, selection: str) -> None:
        self._connection = connection
        self.folder, self.selection = os.fsencode(folder), selection
        try:
            connection.execute("BEGIN")
            found = connection.execute(
                "SELECT id, revision FROM scopes WHERE folder = ? AND selection = ?", (self.folder, selection)
            ).fetchone()
        except BaseException:
            connection.close()
            raise
        self.scope: int
        self.revision: int
        self.scope, self.revision = found or (0, 0)

    def directories(self) -> Iterator[Known]:
        """All rows, sorted by key."""
        rows = self._connection.execute(
            "SELECT id, key, digest, files, bytes, empty FROM directories WHERE scope = ? ORDER BY key", (self.scope,)
        )
        return map(Known._make, rows)

    def find(self, path: str) -> Known | None:
        row = self._connection.execute(
            "SELECT id, key, digest, files, bytes, empty FROM directories WHERE scope = ? AND key = ?",
            (self.scope, key_of(path)),
        ).fetchone()
        return Known._make(row) if row else None

    def record(self, known: Known) -> Record | None:
        """What was known of a directory; None where it is damaged."""
        row = self._connection.execute("SELECT body FROM records WHERE id = ?", (known.id,)).fetchone()
        return Record.decode(row[0]) if row else None

    def synced(self, dataset_path: str) -> Synced | None:
        """The last manifest that held just what the rows say, None where there is none."""
        row = self._connection.execute(
            "SELECT root, whole FROM synced WHERE scope = ? AND dataset_path = ? AND revision = ?",
            (self.scope, key_of(dataset_path), self.revision),
        ).fetchone()
        return Synced(row[0], bool(row[1])) if row else None

    def close(self) -> None:
        self._connection.close()


class Written(NamedTuple):
    """Where a scope stands after `remember`. `undisturbed`: nobody else wrote it since the snapshot."""

    scope: int
    revision: int
    undisturbed: bool


def remember_rows(
    connection: sqlite3.Connection, seen: Snapshot, rows: Iterable[tuple[str, Record]], gone: Iterable[int]
) -> Written:
    """Replaces the rows of directories and drops those that are gone. Every row is true by itself, whoever wrote it."""
    now = time.time()
    _forget_old(connection, now)
    connection.execute(
        "INSERT INTO scopes (folder, selection, revision, used_at) VALUES (?, ?, 0, ?) "
        "ON CONFLICT DO UPDATE SET used_at = excluded.used_at",
        (seen.folder, seen.selection, now),
    )
    scope, revision = connection.execute(
        "SELECT id, revision FROM scopes WHERE folder = ? AND selection = ?", (seen.folder, seen.selection)
    ).fetchone()
    undisturbed = revision == seen.revision and scope == (seen.scope or scope)
    changed = False
    for path, record in rows:
        _replace(connection, scope, path, record)
        changed = True
    dropped = [(each,) for each in gone]
    connection.executemany("DELETE FROM directories WHERE id = ?", dropped)
    connection.executemany("DELETE FROM records WHERE id = ?", dropped)
    if changed or dropped:
        revision += 1
        connection.execute("UPDATE scopes SET revision = ? WHERE id = ?", (revision, scope))
    return Written(scope, revision, undisturbed)


def remember_root(connection: sqlite3.Connection, written: Written, dataset_path: str, synced: Synced) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO synced (scope, dataset_path, revision, root, whole) VALUES (?, ?, ?, ?, ?)",
        (written.scope, key_of(dataset_path), written.revision, synced.root, int(synced.whole)),
    )


def _forget_old(connection: sqlite3.Connection, now: float) -> None:
    old = connection.execute("SELECT id FROM scopes WHERE used_at < ?", (now - _FORGET_AFTER_SECONDS,)).fetchall()
    for scope in old:
        connection.execute("DELETE FROM records WHERE id IN (SELECT id FROM directories WHERE scope = ?)", scope)
        connection.execute("DELETE FROM directories WHERE scope = ?", scope)
        connection.execute("DELETE FROM synced WHERE scope = ?", scope)
        connection.execute("DELETE FROM scopes WHERE id = ?", scope)


def _replace(connection: sqlite3.Connection, scope: int, path: str, record: Record) -> None:
    key = key_of(path)
    found = connection.execute("SELECT id FROM directories WHERE scope = ? AND key = ?", (scope, key)).fetchone()
    values = (record.digest, len(record), record.size_bytes, record.is_empty_folder)
    if found:
        (row,) = found
        connection.execute(
            "UPDATE directories SET digest = ?, files = ?, bytes = ?, empty = ? WHERE id = ?", (*values, row)
        )
    else:
        row = connection.execute(
            "INSERT INTO directories (scope, key, digest, files, bytes, empty) VALUES (?, ?, ?, ?, ?, ?)",
            (scope, key, *values),
        ).lastrowid
    connection.execute("INSERT OR REPLACE INTO records (id, body) VALUES (?, ?)", (row, record.encode()))


def _connected(name: str) -> sqlite3.Connection:
    # Looks may be read in another thread than the one that made them; never in two at once.
    return sqlite3.connect(name, timeout=30, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == _FORMAT:
        return
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise OtherFormat("written by another version of Meristem")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")


def _in_memory() -> sqlite3.Connection:
    connection = _connected(":memory:")
    _prepare(connection)
    return connection
