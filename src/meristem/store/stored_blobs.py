"""Big bytes inside the database itself, addressed by their content as in `meristem.store.blobs`.

For stores that several machines share and that have no other common place. A blob lies in parts; its first part is
written last, in a transaction of its own, so that a blob whose first part is there is there whole.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from blake3 import blake3
from sqlalchemy import Connection, select

from meristem.errors import InputError, StoreDamaged, StoreError, StoreUnavailable
from meristem.store.database import Database
from meristem.store.tables import stored_blobs

_PART_BYTES = 1 << 20
_IN_MEMORY_BYTES = 16 << 20


class StoredBlobs:
    """A content-addressed store of bytes in a table."""

    url = "database:"

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = import_module(f"sqlalchemy.dialects.{'sqlite' if database.is_sqlite else 'postgresql'}")
        self._new_part = dialect.insert(stored_blobs).on_conflict_do_nothing()

    def put(self, content: bytes | Path | IO[bytes]) -> str:
        """Stores `content` and returns its name, 64 hexadecimal digits. May be repeated.

        Raises:
            StoreUnavailable: The database cannot be written, or the content not be read.
        """
        if isinstance(content, bytes):
            return self._put(io.BytesIO(content))
        if isinstance(content, Path):
            try:
                with open(content, "rb") as file:
                    return self._put(file)
            except OSError as error:
                raise StoreUnavailable(f"{content} cannot be read: {error}.") from error
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as kept:  # its name is known at its end only
            while block := content.read(_PART_BYTES):
                kept.write(block)
            kept.seek(0)
            return self._put(kept)

    def _put(self, content: IO[bytes]) -> str:
        digest = blake3()
        while block := content.read(_PART_BYTES):
            digest.update(block)
        name = str(digest.hexdigest())
        if self.exists(name):
            return name
        content.seek(0)
        first = content.read(_PART_BYTES)
        part = 1
        while block := content.read(_PART_BYTES):
            self._write_part(name, part, block)
            part += 1
        self._write_part(name, 0, first)
        return name

    def _write_part(self, name: str, part: int, content: bytes) -> None:
        row = {"name": name, "part": part, "content": content}
        self._database.write(lambda connection: connection.execute(self._new_part, [row]))

    def get(self, name: str) -> bytes:
        """The bytes of a blob.

        Raises:
            StoreError: There is none of that name.
            StoreDamaged: Its bytes are not those that were stored.
        """
        return b"".join(self.stream(name))

    def stream(self, name: str) -> Iterator[bytes]:
        """The bytes of a blob in blocks; checked once the last one was read. Errors as `get`."""
        digest = blake3()
        part = 0
        while (block := self._part(name, part)) is not None:
            digest.update(block)
            if block:
                yield block
            part += 1
        if part == 0:
            raise StoreError(f"There is no blob {name} in {self._database.shown_url}.")
        if digest.hexdigest() != name:
            raise StoreDamaged(f"Blob {name} in {self._database.shown_url} does not hold the bytes that were stored.")

    def exists(self, name: str) -> bool:
        _check_name(name)
        query = select(stored_blobs.c.part).where(stored_blobs.c.name == name, stored_blobs.c.part == 0)
        return self._database.read(lambda connection: connection.execute(query).scalar()) is not None

    def _part(self, name: str, part: int) -> bytes | None:
        _check_name(name)
        query = select(stored_blobs.c.content).where(stored_blobs.c.name == name, stored_blobs.c.part == part)

        def read(connection: Connection) -> Any:
            return connection.execute(query).scalar()

        content = self._database.read(read)
        return None if content is None else bytes(content)


def _check_name(name: str) -> None:
    if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise InputError(f"{name!r:.80} is no blob's name.", fix="A name is the 64 hexadecimal digits of put().")
