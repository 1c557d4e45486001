"""`meristem data get`, `preview`: what is in a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.data_named import VersionArgument, find_version
from meristem.cli.data_progress import transferring
from meristem.cli.data_views import counted, shown_size
from meristem.cli.output import print_json, say
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.errors import InputError

if TYPE_CHECKING:
    from meristem.datasets.dataset import Dataset


def get(
    version: VersionArgument,
    store: StoreOption = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Into this folder; by default the shared copy.")
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="As hard links to the shared copy: at once, and read-only.")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="As files of your own. This is what --to does.")] = False,
    part: Annotated[int | None, typer.Option("--part", help="Only this part, from 0; with --of.")] = None,
    of: Annotated[
        int | None, typer.Option("--of", help="Of how many parts, with nearly equal numbers of files.")
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option("--files", help="Only these files or folders, or what matches a glob; may be repeated."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that differ in the folder; others stay.")
    ] = False,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Make the folder equal to the version: replace what differs, remove all others."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Get the files of a version. Every byte is checked; what is here already is not fetched again.

    Without --to it prints the folder of the copy that all processes of this machine share, and may only read.

    \b
    meristem data get sensors/occupancy
    meristem data get sensors/occupancy@1.0.2 --to data
    meristem data get sensors/occupancy --to data --link
    meristem data get sensors/occupancy --to data --exact
    meristem data get sensors/occupancy --part 0 --of 4
    meristem data get sensors/occupancy --files "*.csv" --to tables
    """
    if link and copy:
        raise InputError("--link and --copy exclude each other.", fix="Links are shared and read-only, copies yours.")
    if to is None and (link or copy or overwrite or exact):
        raise InputError("--link, --copy, --overwrite and --exact are for a folder.", fix="Give --to FOLDER.")
    data = find_version(open_store(store), version)
    which: dict[str, Any] = {"part": part, "num_parts": of, "files": files or None}
    try:
        with transferring("Getting", quiet=as_json) as progress:
            if to is None:
                folder = data.get_local_copy(**which, progress=progress)
            else:
                make = data.get_linked_copy if link else data.get_mutable_local_copy
                folder = make(to, overwrite=overwrite, exact=exact, **which, progress=progress, tell=say)
    except KeyboardInterrupt:
        say("Interrupted. What has arrived is kept; the same command goes on from there.")
        raise
    count, size = _chosen(data, which)
    some = "" if part is None and not files else f"{count:,} of "
    told = f"{some}{counted(data.files_count, 'file')}, {shown_size(size)}"
    if as_json:
        print_json({"version": data.row.shown, "id": data.id, "folder": str(folder), "files": count, "bytes": size})
    elif to is None:
        if some:
            say(told)
        typer.echo(folder)
    else:
        typer.echo(f"{data.row.shown} is in {folder}: {told}{', read-only links' if link else ''}.")


def preview(
    version: VersionArgument,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files, folders or globs; by default some of all.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the files look like: first rows, columns with types, statistics and histograms, texts, images.

    \b
    meristem data preview sensors/occupancy
    meristem data preview sensors/occupancy@1.0.2 labels.csv "days/2015-02-*"
    """
    data = find_version(open_store(store), version)
    found = data.preview(paths or None)
    if as_json:
        typer.echo(found.to_json())
        return
    from rich.console import Console  # slow to import: only where something is printed

    from meristem.datasets.previews import render_terminal

    typer.echo(data.row.shown)
    render_terminal(found, Console())


def _chosen(data: Dataset, which: dict[str, Any]) -> tuple[int, int]:
    """How many files were got, and their bytes."""
    if not any(value is not None for value in which.values()):
        return data.files_count, data.size_bytes
    from meristem.datasets.copies import select  # slow to import: not for --help

    sizes = [entry.size for entry in select(data.tree, **which).entries()]
    return len(sizes), sum(sizes)
