"""Records of final versions, which lie in the place beside the packs: what tells a reader without the store's database
where a version begins. A number is claimed by its record before the store counts the version as final, so that two
stores that share a place, too, never make one number twice."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from blake3 import blake3

from meristem.errors import NotInPlace
from meristem.packs.place import Place
from meristem.store.dataset_rows import VersionRow

FORMAT = 1
_PREFIX = "versions/"
_LONGEST, _KEPT = 200, 160  # characters of a part of a key; folders take 255


def record_key(project: str, name: str, number: str) -> str:
    """Where the record of a version lies."""
    return f"{_PREFIX}{_quoted(project)}/{_quoted(name)}/{number}.json"


def record_of(row: VersionRow, number: str, *, store: str, entries: int, size: int) -> bytes:
    """The record of a draft as the version of that number; the same draft has the same record again."""
    fields: dict[str, Any] = {
        "format": FORMAT,
        "store": store,
        "id": row.id,
        "project": row.project,
        "name": row.name,
        "version": number,
        "root": row.root,
        "parents": list(row.parents),
        "created_at": row.created_at,
        "entries": entries,
        "bytes": size,
    }
    return (json.dumps(fields, indent=1) + "\n").encode()


def claim(place: Place, key: str, record: bytes) -> bool:
    """Puts a record where none lies; False: there is another."""
    if place.put_new(key, record):
        return True
    with suppress(NotInPlace):
        return place.read(key) == record
    return place.put_new(key, record)


def list_records(place: Place, *, without: Container[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and contents of records but those of some keys; one that is no record has no content."""
    for listed in place.keys(_PREFIX):
        if listed.key in without:
            continue
        try:
            found = json.loads(place.read(listed.key))
        except (NotInPlace, ValueError):
            found = {}
        yield listed.key, found if isinstance(found, dict) else {}


def _quoted(name: str) -> str:
    quoted = quote(name, safe="-_.", errors="surrogateescape").replace("~", "%7E")
    if not quoted.strip("."):
        return quoted.replace(".", "%2E")
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{quoted[:_KEPT]}-{blake3(name.encode(errors='surrogateescape')).hexdigest()[:32]}"
