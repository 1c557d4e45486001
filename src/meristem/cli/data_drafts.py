"""Which draft `meristem data add`, `sync`, `commit` write: the one that this user left on this machine, or a new one.

A draft of which the process that began it still runs is left to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from meristem.cli.data_named import dataset_named
from meristem.cli.output import iso, say
from meristem.errors import InputError, VersionRefused
from meristem.statuses import VersionStatus

if TYPE_CHECKING:
    from meristem.datasets.dataset import Dataset
    from meristem.store.dataset_rows import DatasetRow, VersionRow
    from meristem.store.store import Store

DraftOption = Annotated[
    int | None,
    typer.Option("--draft", metavar="ID", help="This draft (meristem data drafts); by default yours, or a new one."),
]
_CLOCK_SECONDS = 5.0  # by which the database's clock may be off this machine's
_INSTEAD = (
    "What is added goes into a draft that is begun from the newest version. To begin one from another: "
    "meristem data create {name} --parent {version}"
)


def find_dataset(store: Store, name: str) -> DatasetRow:
    """The dataset in which something is to change. Raises DatasetNotFound, InputError."""
    named = dataset_named(name, instead=_INSTEAD)
    return store.datasets.get(named.project, named.name)


def find_draft(store: Store, dataset: DatasetRow, draft: int | None = None) -> VersionRow | None:
    """The draft that is meant; None: there is none yet.

    Raises:
        InputError: There are several that could be meant.
        VersionRefused: `draft` is no draft, or one of another dataset.
    """
    if draft is not None:
        row = store.datasets.version(draft)
        if row.status is not VersionStatus.DRAFT:
            raise VersionRefused(row.shown, row.status.value, "changed", "Leave out --draft, which begins a new draft.")
        if row.dataset != dataset.id:
            raise InputError(f"{row.shown} is no draft of {dataset.project}/{dataset.name}.")
        return row
    own = own_drafts(store.datasets.drafts(dataset.id))
    if len(own) > 1:
        listed = [f"{row.id}, begun {iso(row.created_at)}, {row.message or 'no message'}" for row in own]
        fix = "Choose one with --draft ID, or give one up with: meristem data delete --draft ID"
        raise InputError(f"You have {len(own)} drafts of {dataset.project}/{dataset.name}", listed, fix)
    return own[0] if own else None


def own_drafts(drafts: Sequence[VersionRow]) -> list[VersionRow]:
    """Those that this user on this machine has begun, and no process is at work on."""
    if not drafts:
        return []
    from meristem.datasets.made_by import made_by  # slow to import: not for --help

    me = made_by()
    same = [row for row in drafts if all(row.made_by.get(key) == me[key] for key in ("user", "host"))]
    return [row for row in same if not _at_work(row, me["pid"])]


@contextmanager
def draft_of(store: Store, dataset: DatasetRow, row: VersionRow | None, *, loud: bool = True) -> Iterator[Dataset]:
    """The draft `row`, or a new one from the newest version; one that was begun in vain is gone again afterwards."""
    from meristem.datasets.dataset import Dataset  # needs the store, which is slow to import

    if row is not None:
        data = Dataset.get(id=row.id, store=store)
    else:
        named = (dataset.project, dataset.name)
        data = Dataset.get(*named, auto_create=True, writable_copy=True, store=store)
    begun = data.row.root if row is None else None
    try:
        yield data
    except BaseException as error:
        kept = not _end(data, begun, keep=bool(store.dataset_packs.of_draft(data.id)))
        if kept and loud and isinstance(error, KeyboardInterrupt):
            say(f"Interrupted. What was stored is kept for draft {data.id}; the same command goes on from there.")
        raise
    _end(data, begun)


def _end(data: Dataset, begun: str | None, *, keep: bool = False) -> bool:
    """Returns whether the draft was begun for nothing, and is gone.

    Args:
        keep: Packs were stored for it, which whoever takes it up need not send again.
    """
    if data.status is not VersionStatus.DRAFT:
        return False
    if data.row.root == begun and not keep:
        data.discard()
        return True
    data.leave()
    return False


def _at_work(row: VersionRow, own: int) -> bool:
    """Whether the process that began a draft is still there: another one that got its number was started later."""
    pid = row.made_by.get("pid")
    if not isinstance(pid, int) or pid == own:
        return False
    import psutil  # slow to import: only where there is a draft

    try:
        return bool(psutil.Process(pid).create_time() <= row.created_at + _CLOCK_SECONDS)
    except psutil.Error:
        return False
