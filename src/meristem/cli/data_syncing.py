"""`meristem data sync`, `status`, `commit`: a folder becomes a draft, a draft a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.data_drafts import DraftOption, draft_of, find_dataset, find_draft
from meristem.cli.data_named import NameArgument
from meristem.cli.data_progress import transferring
from meristem.cli.data_views import (
    CHANGES,
    change_cells,
    change_counts,
    change_view,
    counted,
    shown_change_counts,
    shown_size,
    told_changes,
    version_view,
)
from meristem.cli.data_writing import MessageOption, ToOption, print_version, tell_draft
from meristem.cli.output import print_json, print_table, say
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.errors import InputError
from meristem.statuses import VersionStatus

if TYPE_CHECKING:
    from meristem.datasets.dataset import Dataset
    from meristem.datasets.folders.looking import Look
    from meristem.datasets.objects import Objects
    from meristem.store.dataset_rows import DatasetRow
    from meristem.store.store import Store

_OnConflict = Annotated[
    str,
    typer.Option(
        "--on-conflict",
        help="Where somebody else has made a version meanwhile: raise (stop and say so); merge, where both did not "
        "change the same files; branch, a version beside theirs.",
    ),
]
_Publish = Annotated[bool, typer.Option("--publish", help="Publish it too.")]
_SHOWN = 200  # changed paths


def sync(
    name: NameArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What the dataset is to be made equal to.")],
    store: StoreOption = None,
    to: ToOption = "",
    commit: Annotated[bool, typer.Option("--commit", help="Make it a version at once, where anything changed.")] = (
        False
    ),
    message: MessageOption = None,
    version: Annotated[str | None, typer.Option("--version", help="The number of that version.")] = None,
    on_conflict: _OnConflict = "raise",
    publish: _Publish = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Also where the folder has no file: all files are removed.")
    ] = False,
    draft: DraftOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make your draft, or a new one, equal to a folder: adds, replaces and removes. Unchanged files are not read.

    \b
    meristem data sync sensors/occupancy days/
    meristem data sync sensors/occupancy days/ --commit -m "labels of Tuesday"
    """
    if not commit and (message is not None or version is not None or publish):
        raise InputError("--message, --version and --publish go with --commit.")
    opened = open_store(store)
    dataset = find_dataset(opened, name)
    row = find_draft(opened, dataset, draft)
    _require_folder(folder)
    ending = {"message": message, "version": version, "on_conflict": on_conflict, "publish": publish}
    with _seen(opened, folder) as (objects, seen):
        if row is None and not publish and _is_unchanged(opened, objects, dataset, seen, to):
            _print_synced(None, dict.fromkeys((*CHANGES, "stored_bytes"), 0), as_json)
            return
        with draft_of(opened, dataset, row) as data:
            with transferring("Syncing", quiet=as_json) as progress:
                synced = data.sync_folder(
                    folder, dataset_path=to, allow_empty=allow_empty, progress=progress, seen=seen
                )
            if commit:
                _commit(opened, data, ending, as_json)
    if not commit:
        _print_synced(data, synced._asdict(), as_json)


def status(
    name: NameArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What it is compared with.")],
    store: StoreOption = None,
    to: ToOption = "",
    draft: DraftOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what a sync of this folder would change. Nothing is changed, and only files that look new are read.

    \b
    meristem data status sensors/occupancy days/
    """
    from meristem.datasets.folder_status import folder_status  # slow to import: not for --help
    from meristem.manifests.tree import EMPTY

    opened = open_store(store)
    dataset = find_dataset(opened, name)
    against = find_draft(opened, dataset, draft) or opened.datasets.find(dataset.project, dataset.name)
    _require_folder(folder)
    with _seen(opened, folder) as (objects, seen), transferring("Reading", quiet=as_json) as progress:
        found = folder_status(objects, against.root if against else EMPTY, seen, to, progress)
    counts = change_counts(found.changes)
    if as_json:
        print_json(
            {
                "against": against and version_view(opened, against),
                "counts": counts,
                "changes": [change_view(change) for change in found.changes],
                "files": found.files,
                "bytes": found.bytes,
                "files_read": found.files_read,
            }
        )
        return
    beside = f"compared with {against.shown}" if against else "has no version yet to be compared with"
    typer.echo(f"{folder} ({counted(found.files, 'file')}, {shown_size(found.bytes)}) {beside}:")
    if found.changes:
        print_table(("", "path", "size"), [change_cells(change) for change in found.changes[:_SHOWN]])
        more = len(found.changes) - _SHOWN
        if more > 0:
            say(f"and {more:,} more (all with --json)")
    typer.echo(shown_change_counts(counts))


def commit(
    name: NameArgument,
    store: StoreOption = None,
    message: MessageOption = None,
    version: Annotated[str | None, typer.Option("--version", help="Its number; by default the next one.")] = None,
    on_conflict: _OnConflict = "raise",
    publish: _Publish = False,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Give it this tag; may be repeated.")] = None,
    draft: DraftOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make your draft a version, which nothing changes from then on.

    \b
    meristem data commit sensors/occupancy -m "labels of Tuesday"
    meristem data commit sensors/occupancy -m "all rooms" --version 2.0.0 --publish
    meristem data commit sensors/occupancy -m "labels of Tuesday" --on-conflict merge
    """
    opened = open_store(store)
    dataset = find_dataset(opened, name)
    row = find_draft(opened, dataset, draft)
    if row is None:
        _print_nothing("There is no draft of yours: nothing to commit.", as_json)
        return
    with draft_of(opened, dataset, row) as data:
        ending = {"message": message, "version": version, "on_conflict": on_conflict, "publish": publish}
        _commit(opened, data, ending, as_json, tag or ())


def _commit(store: Store, data: Dataset, ending: dict[str, Any], as_json: bool, tags: Sequence[str] = ()) -> None:
    from meristem.manifests.tree import EMPTY  # slow to import: not for --help

    if not data.row.parents and data.row.root == EMPTY:
        _print_nothing(f"{data.row.shown} is empty: add files to it first.", as_json)
    elif data.finalize(**ending):
        if tags:
            data.tag(*tags)
        print_version(store, data, as_json)
    else:
        published = " It is published." if ending["publish"] else ""
        _print_nothing(f"Nothing has changed since {data.row.shown}: no version was made.{published}", as_json)


def _print_nothing(why: str, as_json: bool) -> None:
    print_json({"committed": False, "why": why}) if as_json else typer.echo(why)


def _print_synced(data: Dataset | None, synced: Mapping[str, int], as_json: bool) -> None:
    kept = data is not None and data.status is VersionStatus.DRAFT
    if as_json:
        print_json({"draft": data.id if data and kept else None, **synced})
        return
    told = told_changes(synced)
    if data is None or not kept:
        typer.echo("Nothing has changed.")
        return
    tell_draft(
        data,
        f"{told}; {shown_size(synced['stored_bytes'])} stored" if told else "Nothing has changed since the last sync",
    )


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"There is no folder {str(folder)!r:.200}.", fix="Give the folder that holds the files.")


@contextmanager
def _seen(store: Store, folder: Path) -> Iterator[tuple[Objects, Look]]:
    """The objects of the store, and what lies in the folder beside what was known of it."""
    from meristem.datasets.objects import objects_of  # needs the store, which is slow to import
    from meristem.datasets.sources import Source, look_at

    objects = objects_of(store)
    with look_at(objects, Source(folder, "")) as seen:
        yield objects, seen


def _is_unchanged(store: Store, objects: Objects, dataset: DatasetRow, seen: Look, to: str) -> bool:
    from meristem.datasets.folder_status import is_unchanged  # slow to import: not for --help

    newest = store.datasets.find(dataset.project, dataset.name)
    return newest is not None and is_unchanged(objects, newest.root, seen, to)
