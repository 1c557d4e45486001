"""One database, reached by URL: connections, transactions, waiting while it is away.

SQLite (a file in WAL mode, or memory) and PostgreSQL. Foreign errors are translated here, once.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from meristem.errors import InputError, StoreDamaged, StoreError, StoreUnavailable
from meristem.store.statements import CONNECTING, Statements

log = logging.getLogger("meristem.store")
T = TypeVar("T")

DEFAULT_URL = "sqlite:///meristem.db"
_LONGEST_PAUSE_SECONDS = 2.0
_BUSY_SECONDS = 10.0  # of SQLite, for a lock
_away: set[str] = set()  # stores that this process waits for: each outage is told once, however many wait
_CROSSED = ("40001", "40P01")  # of PostgreSQL: not serializable, or each waited for the other: once more, it works


class Database:
    """Runs pieces of work in transactions, again where the database was away for a while.

    Args:
        url: `sqlite:///file.db` (`?durability=full` for an fsync per commit), `sqlite://` (memory),
            or `postgresql://user:password@host/name`.
        patience: How long a piece of work waits for a database that is away or locked.

    Attributes:
        is_fully_durable: Whether a commit outlives a power cut.
        shown_url: The URL without its password.
    """

    def __init__(self, url: str, *, patience: timedelta = timedelta(seconds=30)) -> None:
        self.url = parse_url(url)
        self.patience = patience
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.in_memory = self.is_sqlite and self.url.database in (None, "", ":memory:")
        self._engine = _sqlite_engine(self.url, self.in_memory) if self.is_sqlite else _postgres_engine(self.url)
        self._statements = Statements(self.url)
        self.is_fully_durable = not self.is_sqlite or _is_full(self.url)
        self.shown_url = self.url.render_as_string(hide_password=True)
        self._memory_lock = threading.RLock()
        weakref.finalize(self, self._engine.dispose)
        weakref.finalize(self, self._statements.close)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction that only reads."""
        return self._patiently(lambda: self._once(work, "BEGIN"))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in one transaction.

        `work` may run several times: when the answer to a commit was lost it is asked again, so it
        must find out by itself whether it has already arrived.
        """
        return self._patiently(lambda: self._once(work, "BEGIN IMMEDIATE"))

    def statement(self, sql: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Runs one statement of PostgreSQL as a transaction of its own, as `write` perhaps again; returns its rows.

        It is planned once and for all (see `statements`): it names what its indexes are chosen by literally, never as
        a parameter.
        """
        return self._patiently(lambda: self._alone(sql, given))

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A bare connection, for migrations."""
        with _translated(self.shown_url), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()
        self._statements.close()

    def _once(self, work: Callable[[Connection], T], begin: str) -> T:
        with _translated(self.shown_url), self._locked(), self._engine.connect() as connection:
            if self.is_sqlite:
                # Its own waiting, too, is bounded by our patience: who has little must hear of other things.
                milliseconds = min(_BUSY_SECONDS, self.patience.total_seconds()) * 1000
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds:.0f}")
                connection.exec_driver_sql(begin)
            try:
                result = work(connection)
                if self.is_sqlite:
                    connection.exec_driver_sql("COMMIT")
                connection.commit()
            except BaseException:
                _roll_back(connection, self.is_sqlite)
                raise
            return result

    def _alone(self, sql: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with _translated(self.shown_url):
            return self._statements.run(sql, given)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # One connection holds a database in memory: threads take turns.
        if not self.in_memory:
            yield
            return
        with self._memory_lock:
            yield

    def _patiently(self, attempt: Callable[[], T]) -> T:
        deadline = time.monotonic() + self.patience.total_seconds()
        pause = 0.05
        while True:
            try:
                found = attempt()
            except StoreUnavailable as error:
                if not getattr(error, "transient", False) or time.monotonic() + pause > deadline:
                    raise
                if pause > 1 and self.shown_url not in _away:
                    _away.add(self.shown_url)
                    log.warning("%s Waiting for it.", error.what)
            else:
                self._tell_that_it_is_back()
                return found
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _tell_that_it_is_back(self) -> None:
        if self.shown_url in _away:
            _away.discard(self.shown_url)
            log.warning("The store %s is back.", self.shown_url)


def parse_url(url: str) -> URL:
    """Reads a store's URL.

    Raises:
        InputError: Not a URL, or of a database that is not supported.
    """
    fix = "Write sqlite:///file.db or postgresql://user:password@host/name."
    if isinstance(url, str) and "://" not in url and url.endswith((".db", ".sqlite", ".sqlite3")):
        url = f"sqlite:///{url}"
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError) as error:
        raise InputError(f"The store {url!r} is not a database URL.", fix=fix) from error
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise InputError(f"A store cannot live in {backend!r}.", fix=fix)
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def place_of(url: URL) -> str:
    """A store's URL without password; a file by its whole path, since shippers start in many folders."""
    in_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return f"sqlite:///{Path(str(url.database)).absolute()}" if in_file else url.render_as_string(hide_password=True)


def _is_full(url: URL) -> bool:
    return url.query.get("durability") == "full"


def _sqlite_engine(url: URL, in_memory: bool) -> Engine:
    full = _is_full(url)
    url = url.difference_update_query(["durability"])
    pool: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    connect_args = {"check_same_thread": False, "timeout": _BUSY_SECONDS, "isolation_level": None}
    engine = create_engine(url, connect_args=connect_args, **pool)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        if not in_memory and connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")

    return engine


def _postgres_engine(url: URL) -> Engine:
    return create_engine(url, connect_args=dict(CONNECTING))


def _roll_back(connection: Connection, is_sqlite: bool) -> None:
    # The connection may be the very thing that broke; the first error is the one to tell.
    try:
        if is_sqlite and connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
            connection.exec_driver_sql("ROLLBACK")
        connection.rollback()
    except exc.DBAPIError:
        connection.invalidate()


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        raise translate(error, url) from error
    except exc.TimeoutError as error:
        raise _unavailable(f"The store {url} gave no connection in time.", "", transient=True) from error


def translate(error: exc.DBAPIError, url: str) -> StoreError:
    """Our error for a database driver's."""
    text = str(error.orig).strip()
    lower = text.lower()
    if "locked" in lower or "busy" in lower:
        return _unavailable(f"The store {url} is locked by another process.", "Try again when it has ended.", True)
    if ("full" in lower and ("disk" in lower or "no space" in lower)) or "no space left" in lower:
        return _unavailable(
            f"The disk under the store {url} is full; what was recorded so far is safe.",
            "Make room, then go on: meristem study resume NAME.",
        )
    if "readonly" in lower or "read-only" in lower:
        return _unavailable(
            f"The store {url} is read-only.", "Give this user the right to write the file and its folder."
        )
    if "malformed" in lower or "not a database" in lower or "file is encrypted" in lower:
        return StoreDamaged(
            f"The store {url} is damaged or is no Meristem store ({text}).",
            fix="Restore it from a backup, recover it with sqlite3 FILE .recover, or choose another with --store.",
        )
    if "unable to open database" in lower:
        folder = Path(url.removeprefix("sqlite:///")).parent
        return _unavailable(f"The store {url} cannot be opened.", f"Does the folder {folder} exist, may you write it?")
    if getattr(error.orig, "sqlstate", None) in _CROSSED:
        return _unavailable(f"Two writers of the store {url} crossed.", "Try again.", True)
    if _is_away(error):
        return _unavailable(
            f"The store {url} cannot be reached ({text.splitlines()[0] if text else error}).",
            "Is the server running, and is the URL right?",
            True,
        )
    return StoreError(f"The store {url} refused a statement: {text}")


def _is_away(error: exc.DBAPIError) -> bool:
    """Whether the server, not the statement, is the trouble."""
    if error.connection_invalidated or isinstance(error, exc.InterfaceError):
        return True
    state = getattr(error.orig, "sqlstate", None)  # of PostgreSQL; none where there was no connection at all
    return isinstance(error, exc.OperationalError) and (state is None or state[:2] in ("08", "53", "57"))


def _unavailable(what: str, fix: str, transient: bool = False) -> StoreUnavailable:
    error = StoreUnavailable(what, fix=fix)
    error.transient = transient  # type: ignore[attr-defined]
    return error
