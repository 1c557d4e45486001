"""From which versions a version was made, and which were made from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, cast, select

from meristem.statuses import VersionStatus
from meristem.store.dataset_reading import VERSIONS, get_version, rows_of
from meristem.store.dataset_rows import Lineage
from meristem.store.dataset_tables import dataset_parents, dataset_versions

_PAIRS = dataset_parents.c
_BULK = 500
_ALL = 1 << 31  # more than there are


def lineage(connection: Connection, version: int, limit: int) -> Lineage:
    """All ancestors and descendants, nearest first where there are more than `limit` of either.

    Raises:
        VersionNotFound: There is no such version.
    """
    get_version(connection, version)
    ids: set[int] = {version}
    cut = False
    for steps in (_ANCESTORS, _DESCENDANTS):
        found = connection.execute(steps, {"start": version, "limit": limit + 2}).scalars().all()
        cut = cut or len(found) > limit + 1  # the version itself is among them
        ids |= set(found[: limit + 1])
    wanted = sorted(ids)
    rows = []
    edges: list[tuple[int, int]] = []
    for start in range(0, len(wanted), _BULK):
        part = wanted[start : start + _BULK]
        rows += rows_of(connection, VERSIONS.where(dataset_versions.c.id.in_(part)).order_by(dataset_versions.c.id))
        pairs = select(_PAIRS.version_id, _PAIRS.parent_id).where(_PAIRS.version_id.in_(part))
        edges += [
            (child, parent) for child, parent in connection.execute(pairs.order_by(_PAIRS.version_id, _PAIRS.position))
        ]
    # A draft that was discarded says nothing about anything: nobody could read it.
    shown = tuple(row for row in rows if row.status is not VersionStatus.DELETED or row.number is not None)
    known = {row.id for row in shown}
    return Lineage(versions=shown, edges=tuple(e for e in edges if known.issuperset(e)), cut=cut)


def ancestry(connection: Connection, versions: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """The parents of versions, of their parents, and so on, by id; also of those that were deleted since."""
    ids: set[int] = set()
    for version in versions:
        if version not in ids:
            ids |= set(connection.execute(_ANCESTORS, {"start": version, "limit": _ALL}).scalars())
    found: dict[int, tuple[int, ...]] = dict.fromkeys(sorted(ids), ())
    wanted = list(found)
    for start in range(0, len(wanted), _BULK):
        pairs = select(_PAIRS.version_id, _PAIRS.parent_id).where(_PAIRS.version_id.in_(wanted[start : start + _BULK]))
        for child, parent in connection.execute(pairs.order_by(_PAIRS.version_id, _PAIRS.position)):
            found[child] += (parent,)
    return found


def _steps(here: str, there: str) -> Select[Any]:
    """The versions that are reached from `start` by going from column `here` to column `there`, level by level."""
    reached = select(cast(bindparam("start"), Integer).label("id")).cte("reached", recursive=True)
    onward = select(_PAIRS[there]).join(reached, _PAIRS[here] == reached.c.id)
    reached = reached.union(onward)
    return select(reached.c.id).limit(bindparam("limit"))


_ANCESTORS = _steps("version_id", "parent_id")
_DESCENDANTS = _steps("parent_id", "version_id")
