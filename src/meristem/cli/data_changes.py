"""`meristem data publish`, `tag`, `untag`, `delete`: what becomes of versions once they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meristem.cli.data_named import VersionArgument, find_version
from meristem.cli.data_views import version_view
from meristem.cli.output import print_json
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.errors import InputError, VersionRefused
from meristem.statuses import VersionStatus

if TYPE_CHECKING:
    from meristem.datasets.dataset import Dataset
    from meristem.store.store import Store

_Tags = Annotated[list[str], typer.Argument(metavar="TAG...", help="Words of your own, such as reviewed.")]


def publish(version: VersionArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Publish a version: what is said of it stays, but for tags, and it is deleted only by force.

    \b
    meristem data publish sensors/occupancy@1.0.2
    """
    opened = open_store(store)
    data = find_version(opened, version)
    data.publish()
    _print_changed(opened, data, f"{data.row.shown} is published.", as_json)


def tag(version: VersionArgument, tags: _Tags, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Give a version tags, by which it is found: Dataset.get(…, tags=["reviewed"]).

    \b
    meristem data tag sensors/occupancy@1.0.2 reviewed
    """
    opened = open_store(store)
    data = find_version(opened, version)
    data.tag(*tags)
    _print_changed(opened, data, _tagged(data), as_json)


def untag(version: VersionArgument, tags: _Tags, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Take tags away from a version.

    \b
    meristem data untag sensors/occupancy@1.0.2 reviewed
    """
    opened = open_store(store)
    data = find_version(opened, version)
    data.untag(*tags)
    _print_changed(opened, data, _tagged(data), as_json)


def delete(
    version: Annotated[
        str | None, typer.Argument(metavar="PROJECT/NAME@VERSION", help="The version, with its number; or its id.")
    ] = None,
    store: StoreOption = None,
    draft: Annotated[int | None, typer.Option("--draft", metavar="ID", help="Give up this draft instead.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also a version that is published.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a version, or give up a draft. Versions made from it stay whole; bytes go with meristem data gc.

    \b
    meristem data delete sensors/occupancy@1.0.0
    meristem data delete --draft 7
    """
    opened = open_store(store)
    data = _to_delete(opened, version, draft)
    if data.status is VersionStatus.DRAFT:
        data.discard()
        told = f"{data.row.shown} is given up."
    else:
        data.delete(force=force)
        told = f"{data.row.shown} is deleted."
    free = " What it alone needed is freed by: meristem data gc"
    print_json({"deleted": data.row.shown, "id": data.id}) if as_json else typer.echo(told + free)


def _to_delete(store: Store, version: str | None, draft: int | None) -> Dataset:
    if (version is None) == (draft is None):
        raise InputError("It is not said what is to be deleted.", fix="Give PROJECT/NAME@VERSION, or --draft ID.")
    if draft is not None:
        data = find_version(store, str(draft))
        if data.status is VersionStatus.DELETED and data.version is None:
            raise InputError(f"{data.row.shown} was given up already.", fix="See what is open: meristem data drafts.")
        if data.status is not VersionStatus.DRAFT:
            raise VersionRefused(data.row.shown, data.status.value, "given up as a draft", "Delete it by its name.")
        return data
    assert version is not None
    if not version.isdecimal() and "@" not in version:
        raise InputError(f"{version!r:.200} does not say which version.", fix=f"Name it, such as {version}@1.0.0.")
    return find_version(store, version)


def _tagged(data: Dataset) -> str:
    return f"{data.row.shown}: {' '.join(data.tags) or 'no tags'}"


def _print_changed(store: Store, data: Dataset, told: str, as_json: bool) -> None:
    print_json(version_view(store, data.row)) if as_json else typer.echo(told)
