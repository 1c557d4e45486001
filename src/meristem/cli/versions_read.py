"""Which versions of datasets a task or a study has read, as they are shown beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meristem.store.dataset_rows import ReaderKind

if TYPE_CHECKING:
    from meristem.store.store import Store

_SHOWN = 10


def versions_read(store: Store, kind: ReaderKind, reader: str) -> list[dict[str, Any]]:
    """The versions, those first that were read first; also those that were deleted since."""
    found = store.dataset_readers.of(kind, reader)
    return [{"version": row.shown, "id": row.id, "status": row.status.value, "root": row.root} for row in found]


def shown_versions(views: Sequence[Mapping[str, Any]]) -> str | None:
    """They on one line."""
    names = [view["version"] + (" (deleted)" if view["status"] == "deleted" else "") for view in views]
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "") or None
