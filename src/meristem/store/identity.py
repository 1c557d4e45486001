"""What tells a store from every other one, wherever it lies."""

from __future__ import annotations

import json
import secrets
from importlib import import_module

from sqlalchemy import Connection, select

from meristem.store.database import Database
from meristem.store.tables import settings

_SETTING = "id"


def store_id(database: Database) -> str:
    """32 hex digits, drawn when they are first asked for."""
    query = select(settings.c.value).where(settings.c.name == _SETTING)
    found = database.read(lambda connection: connection.execute(query).scalar())
    if found is not None:
        return str(json.loads(found))
    dialect = import_module(f"sqlalchemy.dialects.{'sqlite' if database.is_sqlite else 'postgresql'}")
    drawn = json.dumps(secrets.token_hex(16))

    def work(connection: Connection) -> str:
        connection.execute(dialect.insert(settings).values(name=_SETTING, value=drawn).on_conflict_do_nothing())
        return str(json.loads(connection.execute(query).scalar_one()))

    return database.write(work)
