"""Logs that many write at once, read by a cursor that misses nothing: the log of tasks, and that of datasets.

Each is a table with the columns `xact`, `position`, `at`, `kind` and `payload`, and others of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Insert, Row, Select, Table, insert, literal_column, select, tuple_

from meristem.store.database import Database
from meristem.store.lease import database_now

# Transactions of PostgreSQL become visible in another order than that in which they drew their positions. An event
# is therefore read once no transaction that began before its own can still write, in the order of transactions.
THIS_TRANSACTION = "pg_current_xact_id()::text::bigint"
_SETTLED: ColumnElement[int] = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


class SettledLog:
    """Reads one such table."""

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table

    def rows_after(self, cursor: tuple[int, int], limit: int) -> Sequence[Row[Any]]:
        """Rows after `cursor` (xact, position), in order. Misses none, whoever writes meanwhile."""
        columns = self._table.c
        query = select(self._table).limit(limit)
        if self._database.is_sqlite:  # one writer at a time: positions are in the order of commits
            query = query.where(columns.position > cursor[1]).order_by(columns.position)
        else:
            query = query.where(tuple_(columns.xact, columns.position) > cursor, columns.xact < _SETTLED)
            query = query.order_by(columns.xact, columns.position)
        return self._read(query)

    def end(self) -> tuple[int, int]:
        """A cursor after all that can be read now."""
        columns = self._table.c
        query = select(self._table).order_by(columns.position.desc()).limit(1)
        if not self._database.is_sqlite:
            query = select(self._table).where(columns.xact < _SETTLED).limit(1)
            query = query.order_by(columns.xact.desc(), columns.position.desc())
        found = self._read(query)
        return (found[0].xact, found[0].position) if found else (0, 0)

    def rows_of(self, *conditions: ColumnElement[bool]) -> Sequence[Row[Any]]:
        """The rows of which the conditions hold, in order."""
        return self._read(select(self._table).where(*conditions).order_by(self._table.c.position))

    def _read(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())


def telling(database: Database, table: Table) -> Insert:
    """The statement that appends an event: told now, by this transaction."""
    xact: Any = 0 if database.is_sqlite else literal_column(THIS_TRANSACTION)
    return insert(table).values(xact=xact, at=database_now(database))
