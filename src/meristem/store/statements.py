"""Single statements of PostgreSQL, straight to the driver: for the few that every task passes.

Each is a transaction of its own, prepared and planned once. What SQLAlchemy does around a statement costs more than
such a one itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import exc
from sqlalchemy.engine import URL

if TYPE_CHECKING:
    import psycopg

# A server that went away without a word (its machine lost power, the network was cut) is given up within half a minute,
# not after the quarter of an hour that TCP waits by itself.
CONNECTING: Mapping[str, Any] = {
    "connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}  # fmt: skip

# A statement that is planned once must not follow what the tables held at that moment: a table that was never analysed,
# or was empty, makes it read whole tables from then on. Few rows through indexes are always meant.
_PLANNED_ONCE = (
    "plan_cache_mode=force_generic_plan", "enable_seqscan=off", "enable_bitmapscan=off", "enable_hashjoin=off",
    "enable_mergejoin=off", "jit=off",
)  # fmt: skip


class Statements:
    """Runs statements, each on a connection of those that it keeps."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._idle: dict[int, list[psycopg.Connection[Any]]] = {}  # by process: a fork must not use its parent's

    def run(self, sql: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Runs one statement and returns its rows.

        Raises:
            DBAPIError: As SQLAlchemy tells what the driver said.
        """
        import psycopg  # slow to import: not where the store is SQLite

        idle = self._idle.setdefault(os.getpid(), [])
        connection: psycopg.Connection[Any] | None = None
        try:
            connection = idle.pop() if idle else self._connect()
            rows = connection.execute(sql, given, prepare=True).fetchall()
        except psycopg.Error as error:
            kind = exc.OperationalError if isinstance(error, psycopg.OperationalError) else exc.DBAPIError
            if connection is not None and not connection.closed:
                idle.append(connection)
            raise kind(sql, None, error) from error
        except BaseException:  # interrupted between question and answer
            if connection is not None:
                connection.close()
            raise
        idle.append(connection)
        return rows

    def close(self) -> None:
        idle = self._idle.get(os.getpid(), [])
        while idle:
            idle.pop().close()

    def _connect(self) -> psycopg.Connection[Any]:
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        options = " ".join([str(self._url.query.get("options", "")), *(f"-c {one}" for one in _PLANNED_ONCE)]).strip()
        import psycopg  # as above

        return psycopg.connect(url, autocommit=True, options=options, **CONNECTING)
