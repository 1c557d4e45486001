"""`meristem data create`, `add`, `remove`, `squash`: what makes versions, beside `data_syncing`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meristem.cli.data_drafts import DraftOption, draft_of, find_dataset, find_draft
from meristem.cli.data_named import NameArgument, dataset_named, find_version
from meristem.cli.data_progress import transferring
from meristem.cli.data_views import (
    counted,
    shown_size,
    told_changes,
    version_view,
)
from meristem.cli.output import print_json
from meristem.cli.store_option import JsonOption, StoreOption, make_store, open_store
from meristem.errors import InputError
from meristem.statuses import VersionStatus

if TYPE_CHECKING:
    from meristem.datasets.dataset import Dataset
    from meristem.store.store import Store

ToOption = Annotated[str, typer.Option("--to", metavar="DATASET_PATH", help="Into this folder of the dataset.")]
MessageOption = Annotated[str | None, typer.Option("--message", "-m", help="What is new, in a sentence.")]


def create(
    name: NameArgument,
    store: StoreOption = None,
    description: Annotated[str, typer.Option("--description", help="What it holds.")] = "",
    parent: Annotated[
        list[str] | None,
        typer.Option("--parent", metavar="VERSION", help="Begin a draft from this version; may be repeated."),
    ] = None,
    version: Annotated[str | None, typer.Option("--version", help="Begin a draft of this number.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a dataset. With --parent, begin a draft from versions that need not be the newest; several are merged.

    \b
    meristem data create sensors/occupancy --description "five days of labels"
    meristem data create sensors/occupancy --parent sensors/occupancy@1.0.1 --version 2.0.0
    """
    opened = make_store(store)
    named = dataset_named(name, instead="Make the dataset {name}; begin from a version with --parent {version}.")
    opened.datasets.ensure(named.project, named.name, description)
    draft = None
    if parent or version:
        from meristem.datasets.dataset import Dataset  # needs the store, which is slow to import

        parents = [find_version(opened, text) for text in parent or ()]
        draft = Dataset.create(named.project, named.name, parents=parents, version=version, store=opened)
        draft.leave()
    if as_json:
        print_json({"project": named.project, "name": named.name, "draft": draft and version_view(opened, draft.row)})
        return
    typer.echo(
        f"Dataset {named.project}/{named.name} is there."
        + (f" Draft {draft.id} is begun." if draft else "")
        + f" Bring files in with: meristem data sync {named.project}/{named.name} FOLDER"
    )


def add(
    name: NameArgument,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Files, folders, or globs in quotes.")
    ] = None,
    store: StoreOption = None,
    to: ToOption = "",
    wildcard: Annotated[
        list[str] | None, typer.Option("--wildcard", help='Only files that match, such as "*.csv"; may be repeated.')
    ] = None,
    flat: Annotated[bool, typer.Option("--flat", help="Not what lies in folders of a folder.")] = False,
    url: Annotated[
        list[str] | None,
        typer.Option("--url", help="Files that stay where they are (s3://, https://, file://); may be repeated."),
    ] = None,
    draft: DraftOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add files to your draft, or to a new one; what any dataset holds already is not stored again.

    \b
    meristem data add sensors/occupancy labels/
    meristem data add sensors/occupancy "2024-*.csv" --to days
    meristem data add sensors/occupancy --url s3://bucket/raw/ --to raw
    """
    if not paths and not url:
        raise InputError("There is nothing to add.", fix="Give files, folders, or --url.")
    opened = open_store(store)
    dataset = find_dataset(opened, name)
    with (
        draft_of(opened, dataset, find_draft(opened, dataset, draft)) as data,
        transferring("Adding", quiet=as_json) as progress,
    ):
        changed = 0
        if paths:
            changed = data.add_files(
                *paths, dataset_path=to, wildcard=wildcard or None, recursive=not flat, progress=progress
            )
        external = data.add_external_files(url, dataset_path=to) if url else 0
    view = {"draft": data.id if data.status is VersionStatus.DRAFT else None, "changed": changed, "external": external}
    if as_json:
        print_json(view)
        return
    told = [f"{counted(changed, 'file')} new or different"] if paths else []
    told += [f"{counted(external, 'external file')}"] if external else []
    tell_draft(data, ", ".join(told))


def remove(
    name: NameArgument,
    paths: Annotated[list[str], typer.Argument(metavar="DATASET_PATH...", help="Files, folders, or globs.")],
    store: StoreOption = None,
    draft: DraftOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove files from your draft, or from a new one. Versions that have them keep them.

    \b
    meristem data remove sensors/occupancy days/2024-02-01.csv "*.tmp"
    """
    opened = open_store(store)
    dataset = find_dataset(opened, name)
    with draft_of(opened, dataset, find_draft(opened, dataset, draft)) as data:
        removed = 0
        for path in paths:
            gone = data.remove_files(path)
            if not gone:
                fix = f"List what there is with: meristem data files {dataset.project}/{dataset.name}"
                raise InputError(f"The dataset has nothing at {path!r:.200}.", fix=fix)
            removed += gone
    if as_json:
        print_json({"draft": data.id, "removed": removed})
        return
    tell_draft(data, f"{counted(removed, 'file')} removed")


def squash(
    name: NameArgument,
    versions: Annotated[list[str], typer.Argument(metavar="VERSION...", help="What it is made of, in this order.")],
    store: StoreOption = None,
    message: MessageOption = None,
    version: Annotated[str | None, typer.Option("--version", help="Its number; by default the next one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make one version without parents of what several hold together; where they differ, later ones count.

    \b
    meristem data squash sensors/all sensors/occupancy@1.0.3 sensors/climate
    """
    from meristem.datasets.dataset import Dataset  # needs the store, which is slow to import

    opened = open_store(store)
    named = dataset_named(name, instead="The new version's number is given by --version.")
    given = [find_version(opened, text) for text in versions]
    made = Dataset.squash(named.project, named.name, given, version=version, message=message or "", store=opened)
    print_version(opened, made, as_json)


def print_version(store: Store, data: Dataset, as_json: bool) -> None:
    row = data.row
    if as_json:
        print_json({"committed": True, **version_view(store, row)})
        return
    summary = row.summary
    typer.echo(
        f"{row.shown}: {told_changes(summary) or 'nothing changed'}; {counted(summary['entries'], 'file')}, "
        f"{shown_size(summary['bytes'])}; {shown_size(summary['stored_bytes'])} stored for it"
        + ("; published" if row.status is VersionStatus.PUBLISHED else "")
    )


def tell_draft(data: Dataset, told: str) -> None:
    if data.status is not VersionStatus.DRAFT:
        typer.echo(f"{told or 'Nothing'}: nothing has changed.")
        return
    typer.echo(f"{told}. Draft {data.id} becomes a version with: meristem data commit {data.project}/{data.name} -m …")
