"""Reads a study's event log by cursor."""

from __future__ import annotations

import json

from sqlalchemy import select

from meristem.events import Event, EventKind
from meristem.store.database import Database
from meristem.store.tables import events


class EventLog:
    """The log of each study: events numbered from 1 without gaps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_after(self, study_id: int, cursor: int = 0, *, limit: int = 1000) -> list[Event]:
        """Events whose number is above `cursor`, in order; the last one's number is the next cursor."""
        query = (
            select(events.c.number, events.c.at, events.c.kind, events.c.trial, events.c.payload)
            .where(events.c.study_id == study_id, events.c.number > cursor)
            .order_by(events.c.number)
            .limit(limit)
        )
        return [
            Event(
                kind=EventKind(row.kind),
                number=row.number,
                at=row.at,
                trial=row.trial,
                payload=json.loads(row.payload),
            )
            for row in self._database.read(lambda c: c.execute(query).all())
        ]
