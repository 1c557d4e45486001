"""What garbage collection must keep: read at one moment, and what has come since.

Every change of a root, of a preview or of a log's object has a number, given in the order in which changes become
visible (see `dataset_epoch`), and leaves it in the row of its version. The number is read before the rows here: what
these do not show yet has a higher one.
"""

from __future__ import annotations

from sqlalchemy import Connection, or_, select, text

from meristem.statuses import VersionStatus
from meristem.store.dataset_epoch import look
from meristem.store.dataset_rows import RootRow, Roots
from meristem.store.dataset_tables import dataset_logs, dataset_parents, dataset_versions

_V, _L = dataset_versions.c, dataset_logs.c
_DRAFT = dataset_versions.alias("draft")
_KEPT = or_(
    text("dataset_versions.status <> 'deleted'"),
    # What an open draft came from: merging it needs what was there before.
    _V.id.in_(
        select(dataset_parents.c.parent_id)
        .join(_DRAFT, _DRAFT.c.id == dataset_parents.c.version_id)
        .where(text("draft.status = 'draft'"))
    ),
)


def roots(connection: Connection, after: int = 0) -> Roots:
    """The roots of all drafts and versions that are kept; of those that were changed after number `after`.

    Kept is what is not deleted, and what an open draft was begun from.
    """
    seen = look(connection)
    kept = (_KEPT, _V.changed > after) if after else (_KEPT,)
    query = select(_V.id, _V.root, _V.preview, _V.status).where(*kept).order_by(_V.id)
    found = connection.execute(query).all()
    logged = select(_L.version_id, _L.object).join(dataset_versions, _V.id == _L.version_id).where(*kept)
    logs: dict[int, list[str]] = {}
    for version, name in connection.execute(logged):
        logs.setdefault(version, []).append(name)
    rows = [
        RootRow(
            version=row.id,
            root=row.root,
            preview=row.preview,
            logs=tuple(logs.get(row.id, ())),
            status=VersionStatus(row.status),
        )
        for row in found
    ]
    return Roots(cursor=seen.changes, epoch=seen.epoch, rows=rows)
