"""`meristem data`: lists and shows datasets and versions. The other commands on them stand in the files beside this."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.data_changes import delete, publish, tag, untag
from meristem.cli.data_compare import diff, lineage
from meristem.cli.data_keeping import gc, verify
from meristem.cli.data_named import VersionArgument, dataset_named, find_version
from meristem.cli.data_reading import get, preview
from meristem.cli.data_syncing import commit, status, sync
from meristem.cli.data_views import (
    FILE_COLUMNS,
    VERSION_COLUMNS,
    ago,
    dataset_cells,
    dataset_view,
    entry_cells,
    entry_view,
    reader_view,
    shown_size,
    version_cells,
    version_pairs,
    version_view,
)
from meristem.cli.data_writing import add, create, remove, squash
from meristem.cli.output import print_json, print_pairs, print_table, say
from meristem.cli.store_option import JsonOption, StoreOption, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meristem.datasets.dataset import Dataset
    from meristem.manifests.entry import Entry
    from meristem.store.dataset_rows import DatasetRow, VersionRow
    from meristem.store.store import Store

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Versions of data: bring in, compare, get, verify. A version is named PROJECT/NAME@VERSION.\n\n"
    "\b\n"
    "meristem data create sensors/occupancy\n"
    "meristem data sync sensors/occupancy days/         a draft with what the folder holds\n"
    'meristem data commit sensors/occupancy -m "..."    the draft becomes a version\n'
    "meristem data get sensors/occupancy --to days      the newest version, every byte checked\n"
    "meristem data diff sensors/occupancy               what it changed",
)

_LIMIT = 100
_FILES = 1000
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]


@app.command("list")
def list_datasets(
    name: Annotated[str | None, typer.Argument(metavar="[PROJECT/NAME]", help="The versions of this dataset.")] = None,
    store: StoreOption = None,
    project: Annotated[str | None, typer.Option("--project", help="Only datasets of this project.")] = None,
    search: Annotated[str | None, typer.Option("--search", help="Only those with this in name or text.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="With versions that were deleted.")] = False,
    limit: Limit = _LIMIT,
    as_json: JsonOption = False,
) -> None:
    """List datasets; or the versions of one, the newest first.

    \b
    meristem data list
    meristem data list sensors/occupancy
    """
    opened = open_store(store)
    if name is not None:
        named = dataset_named(name, instead="Show a version with: meristem data show {version}")
        _print_versions(opened, opened.datasets.get(named.project, named.name), limit, deleted, as_json)
        return
    found = opened.datasets.list(project=project, search=search, limit=limit + 1)
    if as_json:
        print_json({"datasets": [dataset_view(row) for row in found[:limit]]})
        return
    if not found:
        none_yet = "No datasets yet. Make one with: meristem data create PROJECT/NAME"
        say("No such datasets." if project or search else none_yet)
        return
    columns = ("dataset", "newest", "versions", "drafts", "made", "description")
    print_table(columns, [dataset_cells(row) for row in found[:limit]], numbers=("versions", "drafts"))
    if len(found) > limit:
        say("There are more: --limit")


@app.command()
def show(
    version: VersionArgument,
    store: StoreOption = None,
    files: Annotated[bool, typer.Option("--files", help="With its files.")] = False,
    versions: Annotated[bool, typer.Option("--versions", help="The versions of the dataset instead.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write its page: preview, changes, lineage, files."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many files, or versions.")] = _FILES,
    as_json: JsonOption = False,
) -> None:
    """Show a version: who made it, how, from what; its size, what changed, who has read it.

    \b
    meristem data show sensors/occupancy
    meristem data show sensors/occupancy@1.0.2 --files
    meristem data show sensors/occupancy --html occupancy.html
    """
    opened = open_store(store)
    data = find_version(opened, version)
    if versions:
        _print_versions(opened, opened.datasets.get(data.project, data.name), limit, False, as_json)
        return
    if html is not None:
        from meristem.reports.report import written  # both load numpy
        from meristem.reports.versions.gathering import page_of

        written(html, page_of(data))
    readers = data.readers()
    view = _measured(opened, data)
    if as_json:
        listed = {"files": [entry_view(entry) for entry in islice(data.entries(), limit)]} if files else {}
        page = {"html": str(html)} if html else {}
        print_json({**view, "readers": [reader_view(reader) for reader in readers], **listed, **page})
        return
    print_pairs(version_pairs(view, readers))
    if files:
        typer.echo()
        _print_files(data.entries(), limit, data.files_count)
    if html is not None:
        say(f"Its page is in {html}")


@app.command()
def files(
    version: VersionArgument,
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="A folder of it, a file, or a glob.")] = "",
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = _FILES,
    as_json: JsonOption = False,
) -> None:
    """List the files of a version.

    \b
    meristem data files sensors/occupancy
    meristem data files sensors/occupancy@1.0.2 "days/*.csv"
    """
    data = find_version(open_store(store), version)
    if as_json:
        print_json({"version": data.row.shown, "files": [entry_view(e) for e in islice(data.entries(path), limit)]})
        return
    _print_files(data.entries(path), limit, None if path else data.files_count)


@app.command()
def drafts(
    name: Annotated[str | None, typer.Argument(metavar="[PROJECT/NAME]", help="Only of this dataset.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List drafts that are not finished yet: whose they are, and since when. None of them is ever taken as final.

    \b
    meristem data drafts
    meristem data commit sensors/occupancy --draft 7 -m "labels of Tuesday"
    meristem data delete --draft 7
    """
    opened = open_store(store)
    rows = _open_drafts(opened, name)
    if as_json:
        print_json({"drafts": [version_view(opened, row) | {"updated_at": row.updated_at} for row in rows]})
    elif rows:
        columns = ("draft", "dataset", "files", "size", "begun", "changed", "by", "on", "message")
        print_table(columns, [_draft_cells(opened, row) for row in rows], numbers=("draft", "files"))
    else:
        say("No drafts are open.")


app.command()(create)
app.command()(add)
app.command()(sync)
app.command()(status)
app.command()(commit)
app.command()(remove)
app.command()(get)
app.command()(preview)
app.command()(diff)
app.command()(lineage)
app.command()(publish)
app.command()(tag)
app.command()(untag)
app.command()(verify)
app.command()(gc)
app.command()(squash)
app.command()(delete)


def _print_versions(store: Store, dataset: DatasetRow, limit: int, deleted: bool, as_json: bool) -> None:
    rows = store.datasets.versions(dataset.id, deleted=deleted, limit=limit, by_number=True)
    if as_json:
        print_json({**dataset_view(dataset), "versions": [version_view(store, row) for row in rows]})
        return
    if not rows:
        say(f"No versions yet. Make one with: meristem data sync {dataset.project}/{dataset.name} FOLDER --commit -m …")
        return
    numbers = ("files", "size", "stored")
    left_out = ("tags", "by", "stored", "changes")
    print_table(VERSION_COLUMNS, [version_cells(row) for row in rows], numbers=numbers, left_out=left_out)
    if len(rows) == limit:
        say("There may be more: --limit")


def _measured(store: Store, data: Dataset) -> dict[str, Any]:
    """A version as JSON; the size of a draft is that of its manifest."""
    view = version_view(store, data.row)
    if view["entries"] is None and data.status != "deleted":
        view |= {"entries": data.files_count, "bytes": data.size_bytes}
    return view


def _print_files(entries: Iterable[Entry], limit: int, count: int | None) -> None:
    shown = list(islice(entries, limit + 1))
    print_table(FILE_COLUMNS, [entry_cells(entry) for entry in shown[:limit]], numbers=("size",))
    if len(shown) > limit:
        say(f"These are the first {limit:,}{f' of {count:,}' if count else ''}; more with --limit")


def _open_drafts(store: Store, name: str | None) -> list[VersionRow]:
    if name is not None:
        named = dataset_named(name)
        return store.datasets.drafts(store.datasets.get(named.project, named.name).id)
    found: list[VersionRow] = []
    after = None
    while page := store.datasets.list(limit=_LIMIT, after=after):
        found += [row for dataset in page if dataset.drafts for row in store.datasets.drafts(dataset.id)]
        after = (page[-1].project, page[-1].name)
    return found


def _draft_cells(store: Store, row: VersionRow) -> list[Any]:
    from meristem.datasets.dataset import Dataset  # needs the store, which is slow to import

    data = Dataset.get(id=row.id, store=store)
    return [
        row.id,
        f"{row.project}/{row.name}",
        f"{data.files_count:,}",
        shown_size(data.size_bytes),
        ago(row.created_at),
        ago(row.updated_at),
        row.made_by.get("user"),
        row.made_by.get("host"),
        row.message or None,
    ]
