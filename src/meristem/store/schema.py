"""The store's schema version: made new, checked when opened, brought up to date on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, select

from meristem.errors import StoreDamaged, StoreSchemaError
from meristem.store.database import Database
from meristem.store.dataset_tables import all_tables

LATEST = "0006"
version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),  # as Alembic names it
)
_LOCK_NUMBER = 7_310_221  # PostgreSQL advisory lock: two processes that find an empty database


def ensure_schema(database: Database) -> None:
    """Makes the tables in an empty database; otherwise checks that they are of this version.

    Raises:
        StoreSchemaError: Older (upgrade the store) or newer (upgrade Meristem).
        StoreDamaged: The database holds other tables than ours.
    """
    found = current_version(database)
    if found == LATEST:
        return
    if found is None:
        _require_empty(database)
        _create(database)
        return
    if found < LATEST:
        raise StoreSchemaError(
            f"The store {database.shown_url} has schema {found}; this Meristem works with {LATEST}.",
            fix="Bring it up to date with: meristem store upgrade (copy the file first).",
        )
    raise StoreSchemaError(
        f"The store {database.shown_url} has schema {found}, which is newer than this Meristem's {LATEST}.",
        fix="Upgrade Meristem: pip install -U meristem.",
    )


def current_version(database: Database) -> str | None:
    """The schema version of the store, None where it has none yet."""
    return database.read(_version)


def upgrade(database: Database, *, to: str = LATEST) -> None:
    """Brings the store to the latest schema (or `to`), step by step; does nothing when it is there."""
    from alembic import command  # slow to import, and seldom needed
    from alembic.config import Config

    with _migrating(database) as connection:
        if _version(connection) == to:
            return
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def _create(database: Database) -> None:
    """Makes the tables of the latest schema at once (a test holds them against the migrations)."""
    with _migrating(database) as connection:
        if _version(connection) is None:  # another process may have been faster
            all_tables.create_all(connection)
            version.create(connection)
            connection.execute(insert(version).values(version_num=LATEST))


@contextmanager
def _migrating(database: Database) -> Iterator[Connection]:
    with database.connection() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})")
        yield connection
        if database.is_sqlite:
            connection.exec_driver_sql("COMMIT")
        connection.commit()


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(version.name):
        return None
    found: str | None = connection.execute(select(version.c.version_num)).scalar()
    return found


def _require_empty(database: Database) -> None:
    tables = database.read(lambda connection: inspect(connection).get_table_names())
    if any(name in ("studies", "trials", "events") for name in tables) and "alembic_version" not in tables:
        raise StoreDamaged(
            f"The database {database.shown_url} holds tables named like ours that Meristem did not make.",
            fix="Give Meristem a database of its own.",
        )
