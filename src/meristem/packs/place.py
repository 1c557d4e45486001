"""What a place must be able to do, and which kind of place a URL means.

A place holds contents under keys ("packs/ab/….pack", "versions/…/1.0.0.json"). Everything else of
this room is written against `Place` alone, so that folders, object stores and databases are alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from meristem.errors import InputError

if TYPE_CHECKING:
    from meristem.store.database import Database

_BUCKETS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "memory")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|database:")
_KEY = re.compile(r"[A-Za-z0-9_.%-]+(/[A-Za-z0-9_.%-]+)*")


class Listed(NamedTuple):
    """One content of a place: its key, its size in bytes, when it was put there (seconds since 1970)."""

    key: str
    size: int
    modified: float


class Place(Protocol):
    """Contents under keys, each written once. All methods may be called by several threads at once.

    Every method raises PlaceUnavailable where the place cannot do its work just now.
    """

    @property
    def url(self) -> str:
        """Where it is, for people: without passwords or keys."""

    @property
    def reads_at_once(self) -> int:
        """How many reads side by side pay: 1 on a local disk, several where each one waits for a network."""

    def put_new(self, key: str, content: bytes | Path) -> bool:
        """Stores `content` (bytes, or a file that is given away) under `key`; whole or not at all, of two writers one.

        Returns:
            False where something lies there already; that stays as it is.
        """

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Part of a content; a negative `start` counts from the end, what lies past the end is left out.

        Raises:
            NotInPlace: Nothing lies there.
        """

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Several parts of one content, each given as (start, length); otherwise as `read`."""

    def size(self, key: str) -> int | None:
        """How many bytes lie under `key`; None: nothing does."""

    def keys(self, prefix: str) -> Iterator[Listed]:
        """All contents whose key starts with `prefix` (whole folders, such as "packs/"), in no order."""

    def delete(self, keys: Iterable[str]) -> None:
        """Removes contents; a key under which nothing lies is no error."""


def open_place(url: str | Path, *, database: Database | None = None, fsync: bool = False) -> Place:
    """The place that a URL means: a folder (a path or file://…), a bucket (s3://, gs://, az://, memory://), a database.

    Args:
        url: Where it is; `database:` (or `database:/folder`) means the tables of `database`.
        database: The store's database.
        fsync: Whether a folder outlives a power cut, and not just the death of a process.

    Raises:
        InputError: No kind of place is known for the URL, or it cannot be opened as it is.
    """
    # Each kind of place is loaded only where it is used: their libraries take long to import.
    if isinstance(url, Path) or not _SCHEME.match(url):
        from meristem.packs.places.folder import FolderPlace

        if not str(url):
            raise InputError("Packs need a place.", fix="Give a folder or a URL.")
        return FolderPlace(Path(url), fsync=fsync)
    scheme, _, rest = url.partition(":")
    if scheme == "file":
        from meristem.packs.places.folder import FolderPlace

        parts = urlsplit(url)
        return FolderPlace(Path(unquote(parts.path)), fsync=fsync or "durability=full" in parts.query)
    if scheme == "database":
        from meristem.packs.places.database import DatabasePlace

        if database is None:
            raise InputError(f"Which database {url!r} means is not known here.", fix="Open it with its store.")
        return DatabasePlace(database, folder=rest.strip("/"))
    if scheme in _BUCKETS:
        from meristem.packs.places.object_store import ObjectStorePlace

        return ObjectStorePlace(url)
    raise InputError(
        f"Packs cannot be kept at {scheme}://…",
        fix="Give a folder, or a URL of a known kind: file://, s3://, gs://, az://, memory:// or database:.",
    )


def check_key(key: str) -> str:
    """Returns `key`, or raises InputError where it could mean something outside the place."""
    if not _KEY.fullmatch(key) or not {".", "..", ""}.isdisjoint(key.split("/")):
        raise InputError(f"{key!r:.200} is no key of a place.", fix="Keys are names joined by '/'.")
    return key
