"""The file of the local index: an SQLite database that several threads and processes share, and that may be lost.

Where it is broken, or was written by another version, it is thrown away and begun anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from meristem.errors import PlaceUnavailable

_FILE = "packs.db"
_VERSION = 2
_WAIT_SECONDS = 60.0
_SCHEMA = (
    # AUTOINCREMENT: the number of a pack that was dropped is never given again, for processes remember packs by it.
    "CREATE TABLE IF NOT EXISTS packs "
    "(number INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, serial INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS objects (name BLOB NOT NULL, pack INTEGER NOT NULL, offset INTEGER NOT NULL, "
    "stored INTEGER NOT NULL, length INTEGER NOT NULL, codec INTEGER NOT NULL, PRIMARY KEY (name, pack)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS recent (number INTEGER PRIMARY KEY, block BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {_VERSION}",
)

_INHERITED: list[sqlite3.Connection] = []

T = TypeVar("T")


class IndexFile:
    """Runs work on the database: in one transaction, and by one thread at a time.

    Work may run twice, the second time on an empty database; `opened` counts how often one was opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / _FILE
        self.opened = 0
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return self._in_transaction("BEGIN", work)
            except sqlite3.DatabaseError as error:
                self._mended(error)
                return self._in_transaction("BEGIN", work)

    def write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        with self._lock:
            try:
                self._in_transaction("BEGIN IMMEDIATE", work)
            except sqlite3.DatabaseError as error:
                self._mended(error)
                self._in_transaction("BEGIN IMMEDIATE", work)

    def _in_transaction(self, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._open()
        connection.execute(begin)
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return result

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            if self._process == os.getpid():
                return self._connection
            # A connection must not be used, nor closed, by a process that was forked from its owner.
            _INHERITED.append(self._connection)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(self.path)
        except OSError as error:
            raise _unavailable(self.folder, error) from error
        self.opened += 1
        self._process = os.getpid()
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


def _unavailable(folder: Path, error: Exception) -> PlaceUnavailable:
    return PlaceUnavailable(
        f"The local index of packs in {folder} cannot be used: {error}.",
        "It says which pack holds what.",
        "Make room or make the folder writable, or choose another one with MERISTEM_CACHE; "
        "what is in it can be removed at any time.",
    )
