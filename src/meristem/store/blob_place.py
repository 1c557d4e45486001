"""Where a store's big bytes lie: what its settings say, else beside the file of SQLite, else in the database itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy import Connection, delete, select

from meristem.errors import InputError
from meristem.store.database import Database
from meristem.store.stored_blobs import StoredBlobs
from meristem.store.tables import settings

IN_DATABASE = "database:"
_SETTING = "blobs"


class BlobStore(Protocol):
    """Bytes by the name that follows from their content; see `meristem.store.blobs.Blobs`."""

    def put(self, content: bytes | Path | IO[bytes]) -> str: ...
    def get(self, name: str) -> bytes: ...
    def stream(self, name: str) -> Iterator[bytes]: ...
    def exists(self, name: str) -> bool: ...


def blobs_url(database: Database) -> str:
    """The place of the store's blobs: a folder, an fsspec URL, or `database:`."""
    query = select(settings.c.value).where(settings.c.name == _SETTING)
    chosen = database.read(lambda connection: connection.execute(query).scalar())
    return default_url(database) if chosen is None else str(json.loads(chosen))


def set_blobs_url(database: Database, url: str | None) -> None:
    """Chooses the place of blobs for processes that open the store from now on; None: the default.

    What is elsewhere is not moved.

    Raises:
        InputError: Nothing can be stored there.
    """
    if url is not None:
        open_blobs(database, url)

    def work(connection: Connection) -> None:
        connection.execute(delete(settings).where(settings.c.name == _SETTING))
        if url is not None:
            connection.execute(settings.insert().values(name=_SETTING, value=json.dumps(url)))

    database.write(work)


def open_blobs(database: Database, url: str | None = None) -> BlobStore:
    """The blob store at `url`, by default where the store's settings say."""
    url = blobs_url(database) if url is None else url
    if url == IN_DATABASE:
        return StoredBlobs(database)
    if not url:
        raise InputError("A blob store needs a place.", fix=f"Give a folder, a URL, or {IN_DATABASE!r}.")
    from meristem.store.blobs import Blobs  # fsspec takes long to import

    return Blobs(url)


def default_url(database: Database) -> str:
    """The place of blobs where none was chosen."""
    if database.in_memory or not database.is_sqlite:
        return IN_DATABASE
    file = Path(str(database.url.database)).absolute()
    return str(file.with_name(f"{file.stem}-blobs"))
