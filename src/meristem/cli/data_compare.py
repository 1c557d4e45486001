"""`meristem data diff`, `lineage`: how versions differ, and how they hang together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.data_lineage import lineage_lines
from meristem.cli.data_named import VersionArgument, find_version
from meristem.cli.data_views import change_cells, change_counts, change_view, shown_change_counts
from meristem.cli.output import iso, print_json, print_table, say
from meristem.cli.store_option import JsonOption, StoreOption, open_store

if TYPE_CHECKING:
    from meristem.manifests.changes import Change
    from meristem.reports.versions.facts import LineageGraph

_SHOWN = 1000


def diff(
    version: VersionArgument,
    other: Annotated[
        str | None,
        typer.Argument(metavar="[NEWER]", help="What it is compared with; @VERSION of the same dataset is enough."),
    ] = None,
    store: StoreOption = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only how many, and how much.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell what a version changed in its parent, or what lies between two: + added, - removed, ~ modified, → moved.

    \b
    meristem data diff sensors/occupancy
    meristem data diff sensors/occupancy@1.0.0 @1.0.4
    meristem data diff 12 --stat
    """
    opened = open_store(store)
    named = find_version(opened, version)
    if other is not None:
        before, after = named.row, find_version(opened, other, beside=named)
    elif named.row.parents:
        before, after = opened.datasets.version(named.row.parents[0]), named
    else:
        before, after = None, named
    changes = after.diff(before.id) if before is not None else _all_added(after)
    counts = change_counts(changes)
    since = before.shown if before is not None else "nothing (it has no parent)"
    if as_json:
        listed = {} if stat else {"changes": [change_view(change) for change in changes]}
        print_json({"from": before and before.shown, "to": after.row.shown, "counts": counts, **listed})
        return
    typer.echo(f"From {since} to {after.row.shown}:")
    if changes and not stat:
        print_table(("", "path", "size"), [change_cells(change) for change in changes[:_SHOWN]])
        if len(changes) > _SHOWN:
            say(f"and {len(changes) - _SHOWN:,} more (all with --json)")
    typer.echo(shown_change_counts(counts))


def lineage(version: VersionArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Draw the versions it was made from and those made from it, and the tasks, trials and studies that read them.

    \b
    meristem data lineage sensors/occupancy
    """
    from meristem.reports.versions.gathering import lineage_of  # needs the store, which is slow to import

    data = find_version(open_store(store), version)
    graph = lineage_of(data)
    if as_json:
        print_json(_view(graph))
        return
    wide = sys.stdout.isatty()
    for line in lineage_lines(graph, _width() if wide else None):
        typer.echo(line)


def _all_added(data: Any) -> list[Change]:
    from meristem.manifests.changes import Change  # slow to import: not for --help

    return [Change(entry.path, None, entry) for entry in data.entries()]


def _width() -> int:
    from rich.console import Console  # slow to import: only where something is printed

    return max(40, Console().width)


def _view(graph: LineageGraph) -> dict[str, Any]:
    return {
        "id": int(graph.current),
        "versions": [
            {
                "id": int(one.id),
                "version": one.label,
                "status": one.status,
                "message": one.note,
                "entries": one.entries,
                "bytes": one.bytes,
                "parents": [int(parent) for parent in one.parents],
                "created_at": iso(one.created_at),
                "made_by": [f"{r.kind} {r.label}" for r in graph.readers if r.version == one.id and r.made],
                "read_by": [
                    {"kind": r.kind, "reader": r.label, "at": iso(r.at)}
                    for r in graph.readers
                    if r.version == one.id and not r.made
                ],
            }
            for one in graph.versions
        ],
    }
