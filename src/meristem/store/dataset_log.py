"""The event log of all datasets: appended in the transaction of each change, read by cursor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row

from meristem.events import DatasetEvent, DatasetEventKind
from meristem.store.commits import to_text
from meristem.store.database import Database
from meristem.store.dataset_rows import VersionRow
from meristem.store.dataset_tables import dataset_events
from meristem.store.settled_log import SettledLog, telling


class DatasetLog:
    """What happened to datasets, in order."""

    def __init__(self, database: Database) -> None:
        self._log = SettledLog(database, dataset_events)

    def list_after(self, cursor: tuple[int, int] = (0, 0), *, limit: int = 1000) -> list[DatasetEvent]:
        """Events after `cursor`, in order; the last one's cursor is the next. Misses none, whoever writes meanwhile."""
        return [_event(row) for row in self._log.rows_after(cursor, limit)]

    def end(self) -> tuple[int, int]:
        """A cursor after all that can be read now."""
        return self._log.end()

    def of(self, dataset: int, *, version: int | None = None) -> list[DatasetEvent]:
        """All that happened to one dataset, or to one version of it, in order."""
        conditions = [dataset_events.c.dataset == dataset]
        if version is not None:
            conditions.append(dataset_events.c.version == version)
        return [_event(row) for row in self._log.rows_of(*conditions)]


class DatasetTeller:
    """Appends events of datasets in the transaction of the change that they tell of."""

    def __init__(self, database: Database) -> None:
        self._insert = telling(database, dataset_events)

    def tell(
        self,
        connection: Connection,
        kind: DatasetEventKind,
        payload: Mapping[str, Any],
        *,
        dataset: int | None = None,
        version: int | None = None,
    ) -> None:
        row = {"kind": kind.value, "dataset": dataset, "version": version, "payload": to_text(payload)}
        connection.execute(self._insert, row)

    def tell_of(self, connection: Connection, kind: DatasetEventKind, row: VersionRow, **more: Any) -> None:
        """Appends an event of a version as it stands now, with what a trigger needs to tell whether it is meant."""
        payload = {
            "project": row.project, "name": row.name, "number": row.number, "status": row.status.value,
            "tags": list(row.tags), **more,
        }  # fmt: skip
        self.tell(connection, kind, payload, dataset=row.dataset, version=row.id)


def _event(row: Row[Any]) -> DatasetEvent:
    return DatasetEvent(
        kind=DatasetEventKind(row.kind),
        dataset=row.dataset,
        version=row.version,
        cursor=(row.xact, row.position),
        at=row.at,
        payload=json.loads(row.payload),
    )
