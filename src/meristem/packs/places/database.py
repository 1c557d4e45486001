"""The store's own database as a place, for stores that several machines share and that have no other common place.

A content lies in the table of stored blobs under its key, which no blob's name can be (a name has no "/"). Its first
part is its head: size, time, and the mark of who put it; then come parts of 1 MiB. All are written in one transaction,
so a content is there whole or not at all, and of two writers the second waits for the first and finds it there.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeVar

from sqlalchemy import Connection, delete, func, select, text

from meristem.errors import NotInPlace, PlaceUnavailable, StoreError, StoreUnavailable
from meristem.packs.place import Listed, check_key
from meristem.store.database import Database
from meristem.store.tables import stored_blobs

T = TypeVar("T")

_PART_BYTES = 1 << 20
_HEAD = 0
_PIECES_AT_ONCE = 200  # of ranges in one statement
_KEYS_AT_ONCE = 500
_DELETED_AT_ONCE = 50  # packs: the writers of SQLite wait meanwhile
_name, _part, _content = stored_blobs.c.name, stored_blobs.c.part, stored_blobs.c.content


class DatabasePlace:
    """Contents as rows of a table.

    Args:
        database: Where the table is.
        folder: What all keys begin with in there.
    """

    def __init__(self, database: Database, *, folder: str = "datasets") -> None:
        self._database = database
        self._folder = f"{check_key(folder or 'datasets')}/"
        dialect = import_module(f"sqlalchemy.dialects.{'sqlite' if database.is_sqlite else 'postgresql'}")
        self._new_part = dialect.insert(stored_blobs).on_conflict_do_nothing()
        self.reads_at_once = 1 if database.is_sqlite else 4

    @property
    def url(self) -> str:
        return f"database:/{self._folder.rstrip('/')} of {self._database.shown_url}"

    def put_new(self, key: str, content: bytes | Path) -> bool:
        name, mark = self._name(key), secrets.token_hex(8)

        def work(connection: Connection) -> bool:
            with self._opened(content) as (file, size):
                head = {"size": size, "modified": time.time(), "writer": mark}
                if not self._insert(connection, name, _HEAD, json.dumps(head).encode()):
                    return bool(_head(connection, name)["writer"] == mark)  # the answer to our commit was lost
                for part in range((size + _PART_BYTES - 1) // _PART_BYTES):
                    self._insert(connection, name, 1 + part, _block(file, size - part * _PART_BYTES))
            return True

        return self._doing(lambda: self._database.write(work))

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        def work(connection: Connection) -> bytes:
            size = self._size(connection, key)
            begin = max(0, size + start) if start < 0 else start
            return self._ranges(connection, key, size, [(begin, size if length is None else length)])[0]

        return self._doing(lambda: self._database.read(work))

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        def work(connection: Connection) -> list[bytes]:
            size = self._size(connection, key)
            return self._ranges(
                connection,
                key,
                size,
                [(max(0, size + begin) if begin < 0 else begin, length) for begin, length in ranges],
            )

        return self._doing(lambda: self._database.read(work))

    def size(self, key: str) -> int | None:
        try:
            return self._doing(lambda: self._database.read(lambda connection: self._size(connection, key)))
        except NotInPlace:
            return None

    def keys(self, prefix: str) -> Iterator[Listed]:
        begin = self._folder + prefix
        # Compared by pieces: how a database sorts names is its own affair.
        query = select(_name, _content).where(_part == _HEAD, func.substr(_name, 1, len(begin)) == begin)
        query = query.order_by(_name).limit(_KEYS_AT_ONCE)
        page = query
        while rows := self._doing(
            lambda: self._database.read(lambda connection: connection.execute(page).all())  # noqa: B023 (called at once)
        ):
            for name, content in rows:
                head = json.loads(bytes(content))
                yield Listed(name.removeprefix(self._folder), head["size"], head["modified"])
            page = query.where(_name > rows[-1][0])

    def delete(self, keys: Iterable[str]) -> None:
        names = [self._name(key) for key in keys]
        for start in range(0, len(names), _DELETED_AT_ONCE):
            gone = delete(stored_blobs).where(_name.in_(names[start : start + _DELETED_AT_ONCE]))
            self._doing(lambda: self._database.write(lambda connection: connection.execute(gone)))  # noqa: B023 (as above)

    def _name(self, key: str) -> str:
        return self._folder + check_key(key)

    def _insert(self, connection: Connection, name: str, part: int, content: bytes) -> bool:
        new = self._new_part.values(name=name, part=part, content=content).returning(_part)
        return connection.execute(new).first() is not None

    def _size(self, connection: Connection, key: str) -> int:
        head = _head(connection, self._name(key))
        if not head:
            raise NotInPlace(key, self.url)
        return int(head["size"])

    def _ranges(self, connection: Connection, key: str, size: int, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        pieces = [
            (number, *piece)
            for number, (start, length) in enumerate(ranges)
            for piece in _pieces(start, min(start + length, size))
        ]
        found: list[list[bytes]] = [[] for _ in ranges]
        for begin in range(0, len(pieces), _PIECES_AT_ONCE):
            chosen = pieces[begin : begin + _PIECES_AT_ONCE]
            got = {row[0]: row[1] for row in connection.execute(_cut(chosen), {"name": self._name(key)})}
            for place, (number, *_) in enumerate(chosen):
                found[number].append(bytes(got[place]))
        return [parts[0] if len(parts) == 1 else b"".join(parts) for parts in found]

    @contextmanager
    def _opened(self, content: bytes | Path) -> Iterator[tuple[IO[bytes], int]]:
        if isinstance(content, bytes):
            yield BytesIO(content), len(content)
            return
        try:
            with open(content, "rb") as file:
                yield file, content.stat().st_size
        except OSError as error:
            raise PlaceUnavailable(f"{content} cannot be read to be stored in {self.url}: {error}.") from error

    def _doing(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except StoreUnavailable as error:
            transient = bool(getattr(error, "transient", False))
            raise PlaceUnavailable(error.what, error.why, error.fix, transient=transient) from error
        except StoreError as error:
            raise PlaceUnavailable(error.what, error.why, error.fix) from error


def _head(connection: Connection, name: str) -> dict[str, Any]:
    found = connection.execute(select(_content).where(_name == name, _part == _HEAD)).scalar()
    head: dict[str, Any] = {} if found is None else json.loads(bytes(found))
    return head


def _block(file: IO[bytes], left: int) -> bytes:
    wanted = min(_PART_BYTES, left)
    block = file.read(wanted)
    if len(block) != wanted:
        raise OSError("it became shorter while it was read")
    return block


def _pieces(start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The pieces of parts that hold the bytes from `start` to `end`: part, first byte in it (from 1), length."""
    while start < end:
        part, offset = divmod(start, _PART_BYTES)
        length = min(end - start, _PART_BYTES - offset)
        yield 1 + part, 1 + offset, length
        start += length


def _cut(pieces: Sequence[tuple[int, int, int, int]]) -> Any:
    """One statement for many pieces. The numbers are ours, and stand in its text: drivers limit what is given."""
    rows = ",".join(f"({place},{part},{first},{length})" for place, (_, part, first, length) in enumerate(pieces))
    return text(
        f"WITH wanted(place, part, first, length) AS (VALUES {rows}) "
        "SELECT wanted.place, substr(stored_blobs.content, wanted.first, wanted.length) FROM wanted "
        "JOIN stored_blobs ON stored_blobs.name = :name AND stored_blobs.part = wanted.part"
    )
