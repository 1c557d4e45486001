"""How a worker that waits hears that there may be something to do.

PostgreSQL tells it (LISTEN, NOTIFY); elsewhere it looks again after a short while. A wake-up is never the only source
of truth: whoever waits looks again in any case, so that a lost one only delays.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from meristem.store.database import Database
from meristem.store.statements import CONNECTING

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger("meristem.store")

QUEUE_CHANNEL = "meristem_queue_"  # and the id of the queue
_SHORT_SECONDS = 0.05  # between two looks where nobody tells
_AGAIN_SECONDS = 1.0  # before a connection that broke is made anew


def notify_queues(connection: Connection, queues: Iterable[int]) -> None:
    """Tells workers that wait for one of these queues, once the transaction is committed."""
    _notify(connection, [_of_queue(queue) for queue in queues])


def notify_worker(connection: Connection, worker: str) -> None:
    """Tells one worker to renew its lease at once: there is word for it."""
    _notify(connection, [_of_worker(worker)])


class Wakeups:
    """Makes listeners on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listen(self, queues: Sequence[int] = (), worker: str | None = None) -> Listener:
        """A listener for tasks in these queues (by id), and for word to a worker."""
        if self._database.is_sqlite:
            return Listener()
        channels = [_of_queue(queue) for queue in queues] + ([_of_worker(worker)] if worker else [])
        return _PostgresListener(self._database, channels)


class Listener:
    """Waits. This one looks again after a short while, since nobody tells it."""

    def wait(self, seconds: float) -> bool:
        """Returns once something may have come (True), or after `seconds` (False)."""
        time.sleep(max(0.0, min(seconds, _SHORT_SECONDS)))
        return True

    def fileno(self) -> int | None:
        """A descriptor that becomes readable when something has come; None where there is none."""
        return None

    def mend(self) -> bool:
        """Makes a connection anew that broke, at most each second; True where it did: it may have missed something."""
        return False

    def close(self) -> None:
        """May be repeated."""


class _PostgresListener(Listener):
    """Waits for notices. A connection that breaks is made anew, and counts as a notice: some may have been missed."""

    def __init__(self, database: Database, channels: Sequence[str]) -> None:
        self._database = database
        self._channels = channels
        self._driver = import_module("psycopg")  # slow to import: not where the store is SQLite
        self._connection: psycopg.Connection[Any] | None = None
        self._tried = 0.0
        self._connect()

    def wait(self, seconds: float) -> bool:
        if self._connection is None:
            if not self.mend():
                time.sleep(max(0.0, min(seconds, _AGAIN_SECONDS)))
            return True
        try:
            found = next(self._connection.notifies(timeout=seconds, stop_after=1), None)
            for _ in self._connection.notifies(timeout=0):  # one look answers them all
                pass
            return found is not None
        except self._driver.Error:
            self.close()
            return True

    def fileno(self) -> int | None:
        return None if self._connection is None else self._connection.fileno()

    def mend(self) -> bool:
        if self._connection is not None or time.monotonic() < self._tried + _AGAIN_SECONDS:
            return False
        self._connect()
        return self._connection is not None

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(self._driver.Error):
                self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        self._tried = time.monotonic()
        url = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        try:
            connection = self._connection = self._driver.connect(url, autocommit=True, **CONNECTING)
            for channel in self._channels:
                connection.execute(f'LISTEN "{channel}"')
        except self._driver.Error as error:
            log.debug("no wake-ups: %s", error)
            self.close()


def _of_queue(queue: int) -> str:
    return f"{QUEUE_CHANNEL}{int(queue)}"


def _of_worker(worker: str) -> str:
    return f"meristem_worker_{worker}"


def _notify(connection: Connection, channels: Sequence[str]) -> None:
    if connection.dialect.name == "postgresql":
        for channel in channels:
            connection.exec_driver_sql("SELECT pg_notify(%s, '')", (channel,))
