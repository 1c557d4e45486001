"""`meristem store`: what a store holds, its schema version, whether it is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meristem.cli.data_progress import transferring
from meristem.cli.output import print_json, print_pairs
from meristem.cli.store_option import JsonOption, StoreOption, open_store, require_store, store_url
from meristem.errors import WORK_FAILED, InputError

IN_DATABASE = "database:"
_PLACES = f"A folder, a URL such as s3://bucket/folder, or {IN_DATABASE} for the database itself."

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The store that keeps all studies: look, upgrade, check.",
)


@app.command()
def info(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Where the store is, its schema version, and how much it holds.

    \b
    meristem store info
    meristem store info --store postgresql://user@host/meristem --json
    """
    found = open_store(store).info()
    print_json(found) if as_json else print_pairs(found.items())


@app.command()
def blobs(
    place: Annotated[str | None, typer.Argument(metavar="[PLACE]", help=_PLACES)] = None,
    store: StoreOption = None,
    default: Annotated[bool, typer.Option("--default", help="The usual place again.")] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the packs of datasets there first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Where big bytes lie (datasets, artifacts, plots); with a place, new ones go there from now on.

    Usually they lie in a folder beside the file of SQLite, or in PostgreSQL itself. They are looked for in the chosen
    place alone, and what is elsewhere is not moved: copy it first. Where datasets would be left behind it refuses.

    \b
    meristem store blobs
    meristem store blobs s3://bucket/meristem
    meristem store blobs s3://bucket/meristem --copy
    """
    if place is not None and default:
        raise InputError("A place and --default exclude each other.")
    if copy and place is None and not default:
        raise InputError("--copy needs a place to which it copies.", fix="Give PLACE, or --default.")
    opened = open_store(store)
    if place is not None or default:
        from meristem.datasets.moving import choose_place  # slow to import: not for --help

        with transferring("Copying", quiet=as_json) as progress:
            choose_place(opened, _whole(place), copy=(progress or _silent) if copy else None)
    url = opened.blobs_url
    if as_json:
        print_json({"store": opened.database.shown_url, "blobs": url})
    else:
        typer.echo("in the database itself" if url == IN_DATABASE else url)


@app.command()
def upgrade(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Bring a store that an older Meristem wrote to the present schema. Copy the file first.

    \b
    meristem store upgrade
    """
    from meristem.store import schema  # slow to import: not for --help
    from meristem.store.database import Database

    url = store_url(store)
    require_store(url)
    database = Database(url)
    before = schema.current_version(database)
    schema.upgrade(database)
    after = schema.current_version(database)
    if as_json:
        print_json({"url": database.shown_url, "before": before, "after": after})
    elif before == after:
        typer.echo(f"{database.shown_url} has the latest schema ({after}).")
    else:
        typer.echo(f"{database.shown_url}: schema {before or 'none'} is now {after}.")


@app.command()
def check(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Look for damage and for gaps in the event logs; exit code 1 where something is wrong.

    \b
    meristem store check
    """
    opened = open_store(store)
    problems = opened.check()
    if as_json:
        print_json({"url": opened.database.shown_url, "sound": not problems, "problems": problems})
    elif problems:
        typer.echo("\n".join(problems))
    else:
        typer.echo(f"{opened.database.shown_url} is sound.")
    raise typer.Exit(WORK_FAILED if problems else 0)


def _whole(place: str | None) -> str | None:
    """A folder by its whole path: the store is used from other folders too."""
    return str(Path(place).absolute()) if place and "://" not in place and place != IN_DATABASE else place


def _silent(done: int, total: int | None) -> None:
    """Nobody looks."""
