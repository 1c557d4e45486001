"""`meristem data gc`, `verify`: bytes that nobody needs go, bytes that are needed are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.data_named import find_version
from meristem.cli.data_progress import transferring
from meristem.cli.data_views import counted, shown_size
from meristem.cli.durations import read_duration
from meristem.cli.output import print_json, shown
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.cli.working import working
from meristem.errors import WORK_FAILED, InputError

if TYPE_CHECKING:
    from meristem.datasets.dataset import Dataset
    from meristem.datasets.verifying import Damage, Verdict
    from meristem.store.store import Store

_SHOWN = 10  # paths of a damaged object
_PAGE = 100


def gc(
    store: StoreOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    grace: Annotated[
        str, typer.Option("--grace", help="How long files that are needed no more stay, for who reads them just now.")
    ] = "10m",
    as_json: JsonOption = False,
) -> None:
    """Free what no version and no draft needs. May run at any time, beside writers and readers.

    \b
    meristem data gc --dry-run
    meristem data gc
    """
    spared = read_duration(grace)
    opened = open_store(store)
    from meristem.datasets.collecting import collect  # needs the store, which is slow to import
    from meristem.datasets.objects import objects_of

    with working("collecting") as doing:
        told = (lambda what, done, of: None) if as_json else doing
        found = collect(objects_of(opened), grace=spared, dry=dry_run, progress=told)
    if as_json:
        names = ("packs", "condemned", "deleted", "freed_bytes", "moved_objects", "moved_bytes")
        print_json({"dry_run": dry_run, **{name: getattr(found, name) for name in names}})
        return
    moved = f", {counted(found.moved_objects, 'object')} ({shown_size(found.moved_bytes)}) would move to new ones"
    if dry_run:
        typer.echo(
            f"Of {counted(found.packs, 'pack')} {found.condemned:,} would go ({shown_size(found.freed_bytes)} freed)"
            + (moved if found.moved_objects else "")
            + "."
        )
        return
    typer.echo(
        f"{counted(found.deleted, 'pack')} deleted, {shown_size(found.freed_bytes)} freed; "
        f"{found.condemned:,} of {counted(found.packs, 'pack')} found to be needed no more"
        + (f", {counted(found.moved_objects, 'object')} moved to new ones" if found.moved_objects else "")
        + "."
    )
    if found.condemned and not found.deleted:
        typer.echo(f"Their files go with the first meristem data gc after {grace} (--grace).")


def verify(
    versions: Annotated[
        list[str] | None, typer.Argument(metavar="PROJECT/NAME[@VERSION]...", help="Versions; or --all.")
    ] = None,
    store: StoreOption = None,
    every: Annotated[bool, typer.Option("--all", help="Every version of every dataset.")] = False,
    heal: Annotated[
        bool, typer.Option("--heal", help="Store again what is damaged, from local copies or --source.")
    ] = False,
    source: Annotated[
        list[Path] | None,
        typer.Option("--source", metavar="FOLDER", help="Where the same files lie too; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read every byte of versions and compare it with its name. Exit code 1 where something is damaged.

    \b
    meristem data verify sensors/occupancy
    meristem data verify --all
    meristem data verify sensors/occupancy --heal --source /data/occupancy
    """
    if bool(versions) == every:
        raise InputError("It is not said what is to be verified.", fix="Give versions, or --all.")
    if source and not heal:
        raise InputError("--source says what to heal from.", fix="Give --heal too.")
    opened = open_store(store)
    chosen = _all_versions(opened) if every else (find_version(opened, text) for text in versions or ())
    views: list[dict[str, Any]] = []
    for data in chosen:
        with transferring(f"Verifying {shown(data.row.shown, 40)}", quiet=as_json) as progress:
            verdict = data.verify(heal=heal, sources=source or (), progress=progress)
        views.append(_view(data, verdict))
        if not as_json:
            _tell(data, verdict, heal)
    broken = sum(not view["whole"] for view in views)
    if as_json:
        print_json({"whole": not broken, "versions": views})
    elif len(views) != 1:
        typer.echo(f"{counted(len(views), 'version')} verified, {broken} damaged.")
    if broken:
        raise typer.Exit(WORK_FAILED)


def _all_versions(store: Store) -> Iterator[Dataset]:
    from meristem.datasets.dataset import Dataset  # needs the store, which is slow to import

    after = None
    while page := store.datasets.list(limit=_PAGE, after=after):
        for dataset in page:
            before = None
            while rows := store.datasets.versions(dataset.id, drafts=False, limit=_PAGE, before=before):
                yield from (Dataset.get(id=row.id, store=store) for row in rows)
                before = rows[-1].id
        after = (page[-1].project, page[-1].name)


def _view(data: Dataset, verdict: Verdict) -> dict[str, Any]:
    return {
        "version": data.row.shown,
        "id": data.id,
        "whole": verdict.is_whole,
        "files": verdict.files,
        "bytes": verdict.bytes,
        "objects": verdict.objects,
        "damages": [
            {"object": one.object, "pack": one.pack, "paths": list(one.paths), "healed": one.healed}
            for one in verdict.damages
        ],
    }


def _tell(data: Dataset, verdict: Verdict, heal: bool) -> None:
    read = f"{counted(verdict.files, 'file')}, {counted(verdict.objects, 'object')}, {shown_size(verdict.bytes)} read"
    if not verdict.damages:
        typer.echo(f"{data.row.shown} is whole: {read}.")
        return
    state = "was damaged and is healed" if verdict.is_whole else "is damaged"
    typer.echo(f"{data.row.shown} {state}: {counted(len(verdict.damages), 'object')} of it.")
    for one in verdict.damages:
        _tell_damage(one)
    if not verdict.is_whole and not heal:
        typer.echo("  Heal it from a copy where there is one: --heal, and --source FOLDER")


def _tell_damage(one: Damage) -> None:
    where = f"in pack {one.pack}" if one.pack else "in no pack: it is missing"
    typer.echo(f"  object {one.object} {where}{', healed' if one.healed else ''}")
    for path in one.paths[:_SHOWN]:
        typer.echo(f"    {shown(path)}")
    more = len(one.paths) - _SHOWN
    if more > 0:
        typer.echo(f"    and {more:,} more")
    if not one.paths:
        typer.echo("    part of the manifest: the list of its files")
