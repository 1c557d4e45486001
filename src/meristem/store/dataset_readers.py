"""The repository of who has read which version: so that lineage leads from data to models, and back."""

from __future__ import annotations

from importlib import import_module

from sqlalchemy import Connection, select

from meristem.store.commits import clean
from meristem.store.database import Database
from meristem.store.dataset_reading import VERSIONS, get_version, rows_of
from meristem.store.dataset_rows import ReaderKind, ReaderRow, VersionRow
from meristem.store.dataset_tables import dataset_readers, dataset_versions
from meristem.store.lease import database_now

_R = dataset_readers.c


class DatasetReaders:
    """Remembers readers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = import_module(f"sqlalchemy.dialects.{'sqlite' if database.is_sqlite else 'postgresql'}")
        self._note = dialect.insert(dataset_readers).values(at=database_now(database)).on_conflict_do_nothing()

    def note(self, version_id: int, kind: ReaderKind, reader: str) -> None:
        """Writes down that a task, trial or study has read a version. May be repeated: the first time counts.

        Raises:
            VersionNotFound: There is no such version.
        """

        def work(connection: Connection) -> None:
            get_version(connection, version_id)
            row = {"version_id": version_id, "kind": ReaderKind(kind).value, "reader": clean(reader)}
            connection.execute(self._note, row)

        self._database.write(work)

    def of_version(self, version_id: int) -> list[ReaderRow]:
        """Who has read a version, the first one first."""
        query = select(dataset_readers).where(_R.version_id == version_id).order_by(_R.at, _R.kind, _R.reader)
        found = self._database.read(lambda connection: connection.execute(query).all())
        return [ReaderRow(version=row[0], kind=ReaderKind(row[1]), reader=row[2], at=row[3]) for row in found]

    def of(self, kind: ReaderKind, reader: str) -> list[VersionRow]:
        """The versions that a task, trial or study has read, the first one first."""
        query = (
            VERSIONS.join(dataset_readers, _R.version_id == dataset_versions.c.id)
            .where(_R.kind == ReaderKind(kind).value, _R.reader == clean(reader))
            .order_by(_R.at, _R.version_id)
        )
        return self._database.read(lambda connection: rows_of(connection, query))
