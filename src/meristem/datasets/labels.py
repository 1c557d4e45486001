"""What versions are called beside others."""

from __future__ import annotations

from meristem.statuses import VersionStatus
from meristem.store.dataset_rows import VersionRow
from meristem.store.store import Store


def label_of(row: VersionRow, beside: VersionRow) -> str:
    """How a version is called beside another: @1.2.0 in the same dataset, PROJECT/NAME@1.2.0 of another."""
    is_draft = row.number is None or row.status is VersionStatus.DRAFT
    number = f"draft {row.id}" if is_draft else f"@{row.number}"
    if row.dataset == beside.dataset:
        return number
    return f"{row.project}/{row.name}{' ' if is_draft else ''}{number}"


def parent_names(store: Store, row: VersionRow) -> list[str]:
    """What a version was made from: PROJECT/NAME@VERSION."""
    return [store.datasets.version(parent).shown for parent in row.parents]
