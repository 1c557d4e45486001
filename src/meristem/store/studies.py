"""The repository of studies."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exc, func, insert, literal_column, select

from meristem.errors import StudyBusy, StudyNotFound
from meristem.events import EventKind
from meristem.store.commits import to_text
from meristem.store.database import Database
from meristem.store.lease import database_now, is_held
from meristem.store.rows import StudyRow
from meristem.store.tables import events, measurements, studies, trials


class Studies:
    """Creates, finds, lists and deletes studies; changes to them go through `Commits`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        left = studies.c.lease_expires_at - database_now(database)
        # A database in memory dies with its engine: there nobody needs to renew the lease.
        forever: ColumnElement[float] = literal_column("1e9")
        self._query = select(studies, (forever if database.in_memory else left).label("lease_seconds"))

    def ensure(self, name: str, definition: Mapping[str, Any], status: str) -> StudyRow:
        """The study of this name, made now if there is none. May be repeated."""
        return self.find(name) or self._create(name, definition, status)

    def find(self, name: str) -> StudyRow | None:
        return self._database.read(lambda connection: self._find(connection, name))

    def get(self, name: str) -> StudyRow:
        """The study of this name.

        Raises:
            StudyNotFound: There is none; the error lists known names.
        """
        if row := self.find(name):
            return row
        raise StudyNotFound(name, self._database.shown_url, [s.name for s in self.list(limit=1000)])

    def list(self, *, status: str | None = None, limit: int = 100, offset: int = 0) -> list[StudyRow]:
        """Studies, the latest changed first."""
        query = self._query.order_by(studies.c.updated_at.desc(), studies.c.id).limit(limit).offset(offset)
        if status is not None:
            query = query.where(studies.c.status == status)
        return self._database.read(lambda connection: [_study(row) for row in connection.execute(query)])

    def counts(self, study_ids: Sequence[int]) -> dict[int, dict[str, int]]:
        """Trials by status, of each of these studies that has any."""
        query = select(trials.c.study_id, trials.c.status, func.count()).where(trials.c.study_id.in_(study_ids))
        query = query.group_by(trials.c.study_id, trials.c.status)
        found: dict[int, dict[str, int]] = {}
        for study_id, status, count in self._database.read(lambda c: c.execute(query).all()):
            found.setdefault(study_id, {})[status] = count
        return found

    def suspended_slots(self, study_id: int) -> dict[int, float]:
        """Slots that get no new trials, and since when."""
        query = select(studies.c.suspended_slots).where(studies.c.id == study_id)
        return suspended_from(self._database.read(lambda c: c.execute(query).scalar()) or "{}")

    def delete(self, name: str) -> None:
        """Removes the study with all that belongs to it.

        Raises:
            StudyNotFound: There is none.
            StudyBusy: An engine runs it.
        """
        row = self.get(name)
        self._database.write(lambda connection: self._delete(connection, row))

    def _find(self, connection: Connection, name: str) -> StudyRow | None:
        row = connection.execute(self._query.where(studies.c.name == name)).one_or_none()
        return None if row is None else _study(row)

    def _delete(self, connection: Connection, row: StudyRow) -> None:
        held = connection.execute(
            select(studies.c.lease_owner, studies.c.lease_expires_at - database_now(self._database)).where(
                studies.c.id == row.id
            )
        ).one_or_none()
        if held is not None and is_held(held[0], held[1]):
            raise StudyBusy(row.name, held[0].partition(" [")[0], held[1])
        for table in (measurements, trials, events):
            connection.execute(delete(table).where(table.c.study_id == row.id))
        connection.execute(delete(studies).where(studies.c.id == row.id))

    def _create(self, name: str, definition: Mapping[str, Any], status: str) -> StudyRow:
        now = time.time()
        values = {
            "name": name, "folder_key": secrets.token_hex(4), "definition": to_text(definition), "setup": "{}",
            "status": status, "run": 0,
            "trials_created": 0, "last_event": 1, "created_at": now, "updated_at": now, "lease_token": 0,
        }  # fmt: skip

        def work(connection: Connection) -> None:
            study_id = connection.execute(insert(studies).values(values).returning(studies.c.id)).scalar_one()
            event = {"study_id": study_id, "number": 1, "at": now, "kind": EventKind.STUDY_CREATED.value}
            connection.execute(insert(events).values(**event, payload="{}", write_id="created"))

        try:
            self._database.write(work)
        except Exception as error:
            # Another process created it a moment ago, or our own commit's answer was lost.
            if not isinstance(error.__cause__, exc.IntegrityError):
                raise
        return self.get(name)


def suspended_from(text: str) -> dict[int, float]:
    """Reads what `suspended_text` wrote."""
    return {int(slot): since for slot, since in json.loads(text).items()}


def suspended_text(suspended: Mapping[int, float]) -> str:
    """Suspended slots as the store has them; the same slots give the same text."""
    return to_text({str(slot): suspended[slot] for slot in sorted(suspended)})


def _study(row: Row[Any]) -> StudyRow:
    values = dict(row._mapping)
    del values["lease_expires_at"]
    left = values.pop("lease_seconds")
    died = row.status == "running" and row.run > 0 and not is_held(row.lease_owner, left)
    values |= {"definition": json.loads(row.definition), "setup": json.loads(row.setup)}
    values["suspended_slots"] = suspended_from(row.suspended_slots)
    return StudyRow(**values, engine_died=died)
