"""Reads rows of versions: the query that all repositories of datasets share, and the values made of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, exists, select, text

from meristem.errors import DatasetNotFound, VersionNotFound
from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import VersionRow
from meristem.store.dataset_tables import dataset_parents, dataset_tags, dataset_versions, datasets

_V, _D = dataset_versions.c, datasets.c
VERSIONS: Select[Any] = select(
    _V.id, _V.dataset_id.label("dataset"), _D.project, _D.name, _V.number, _V.status, _V.root, _V.revision, _V.message,
    _V.made_by, _V.metadata, _V.summary, _V.preview, _V.created_at, _V.updated_at, _V.finalized_at, _V.published_at,
    _V.write_id,
).join_from(dataset_versions, datasets, _D.id == _V.dataset_id)  # fmt: skip
_ONE = VERSIONS.where(_V.id == bindparam("version"))
READABLE = text("status IN ('final', 'published')")
_PUBLISHED = text("status = 'published'")
_HEAD = (
    VERSIONS.where(_V.dataset_id == bindparam("dataset"), _V.precedence.is_not(None), READABLE)
    .order_by(_V.precedence.desc())
    .limit(1)
)
_TAGS = select(dataset_tags.c.version_id, dataset_tags.c.tag).order_by(dataset_tags.c.tag)
_PARENTS = select(dataset_parents.c.version_id, dataset_parents.c.parent_id).order_by(dataset_parents.c.position)
_TAGS_OF_ONE = _TAGS.where(dataset_tags.c.version_id == bindparam("version"))
_PARENTS_OF_ONE = _PARENTS.where(dataset_parents.c.version_id == bindparam("version"))
_BULK = 500
_LARGEST_ID = 2**63 - 1


def rows_of(connection: Connection, query: Select[Any], given: dict[str, Any] | None = None) -> list[VersionRow]:
    """The versions of a query that was made of `VERSIONS`, with their tags and parents."""
    found = connection.execute(query, given or {}).all()
    ids = [row.id for row in found]
    tags = _grouped(connection, _TAGS, _TAGS_OF_ONE, dataset_tags.c.version_id, ids)
    parents = _grouped(connection, _PARENTS, _PARENTS_OF_ONE, dataset_parents.c.version_id, ids)
    return [_row(row, tuple(parents.get(row.id, ())), tuple(tags.get(row.id, ()))) for row in found]


def find_version(connection: Connection, version: int, *, lock: bool = False) -> tuple[VersionRow, str] | None:
    """A version by its id, and the `write_id` of who wrote it last; None where there is none.

    Args:
        lock: No other transaction changes it before this one has ended.
    """
    query = _ONE.with_for_update(of=dataset_versions) if lock and connection.dialect.name != "sqlite" else _ONE
    is_id = 0 < version <= _LARGEST_ID  # SQLite takes no other number, PostgreSQL finds nothing by it
    row = connection.execute(query, {"version": version}).one_or_none() if is_id else None
    if row is None:
        return None
    tags = [found.tag for found in connection.execute(_TAGS_OF_ONE, {"version": version})]
    parents = [found.parent_id for found in connection.execute(_PARENTS_OF_ONE, {"version": version})]
    return _row(row, tuple(parents), tuple(tags)), row.write_id


def get_version(connection: Connection, version: int, *, lock: bool = False) -> VersionRow:
    """As `find_version`. Raises VersionNotFound."""
    found = find_version(connection, version, lock=lock)
    if found is None:
        shown = f"the id {version}" if abs(version) <= _LARGEST_ID else "an id that large"  # str() may refuse it
        fix = "Ids are told by: meristem data show PROJECT/NAME, and of drafts by: meristem data drafts"
        raise VersionNotFound(shown, what=f"No version and no draft has {shown}.", fix=fix)
    return found[0]


def head(connection: Connection, dataset: int) -> VersionRow | None:
    """The readable version of a dataset with the highest number."""
    found = rows_of(connection, _HEAD, {"dataset": dataset})
    return found[0] if found else None


def matching(
    connection: Connection, dataset: int, number: str | None, tags: Iterable[str], only_published: bool
) -> VersionRow | None:
    """The readable version with the highest number that has this number and all of these tags."""
    conditions: list[ColumnElement[bool]] = [
        exists().where(dataset_tags.c.version_id == _V.id, dataset_tags.c.tag == tag) for tag in tags
    ]
    if number is not None:
        conditions.append(_V.number == number)
    query = VERSIONS.where(_V.dataset_id == dataset, _V.precedence.is_not(None), READABLE, *conditions)
    if only_published:
        query = query.where(_PUBLISHED)
    found = rows_of(connection, query.order_by(_V.precedence.desc()).limit(1))
    return found[0] if found else None


def numbers_of(connection: Connection, dataset: int, limit: int = 20) -> list[str]:
    """The highest numbers of a dataset's readable versions."""
    query = select(_V.number).where(_V.dataset_id == dataset, _V.precedence.is_not(None), READABLE)
    return list(connection.execute(query.order_by(_V.precedence.desc()).limit(limit)).scalars())


def dataset_id(connection: Connection, project: str, name: str, store: str) -> int:
    """The key of a dataset. Raises DatasetNotFound."""
    found = connection.execute(select(_D.id).where(_D.project == project, _D.name == name)).scalar()
    if found is None:
        raise DatasetNotFound(f"{project}/{name}", store, known_names(connection))
    return int(found)


def known_names(connection: Connection, limit: int = 1000) -> list[str]:
    rows = connection.execute(select(_D.project, _D.name).order_by(_D.project, _D.name).limit(limit))
    return [f"{row.project}/{row.name}" for row in rows]


def _grouped(
    connection: Connection, many: Select[Any], one: Select[Any], key: ColumnElement[Any], ids: list[int]
) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    if len(ids) == 1:  # nearly always: planned and compiled once
        found[ids[0]] = [row[1] for row in connection.execute(one, {"version": ids[0]})]
        return found
    for start in range(0, len(ids), _BULK):
        for version, value in connection.execute(many.where(key.in_(ids[start : start + _BULK]))):
            found.setdefault(version, []).append(value)
    return found


def _row(row: Row[Any], parents: tuple[int, ...], tags: tuple[str, ...]) -> VersionRow:
    return VersionRow(
        id=row.id,
        dataset=row.dataset,
        project=row.project,
        name=row.name,
        number=row.number,
        status=VersionStatus(row.status),
        root=row.root,
        revision=row.revision,
        parents=parents,
        tags=tags,
        message=row.message,
        made_by=json.loads(row.made_by),
        metadata=json.loads(row.metadata),
        summary=json.loads(row.summary),
        preview=row.preview,
        created_at=row.created_at,
        updated_at=row.updated_at,
        finalized_at=row.finalized_at,
        published_at=row.published_at,
    )
