"""`meristem task reports`: plots, tables, images and texts of a task, listed and fetched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.output import iso, print_json, print_table, say
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.cli.tasks_given import One
from meristem.errors import InputError
from meristem.needs import shown_bytes

if TYPE_CHECKING:
    from meristem.store.output_rows import ReportSummary
    from meristem.tasks.stored_reports import StoredReport

_KINDS = ("plot", "table", "image", "text")
SUMMARY_COLUMNS = ("report", "kind", "format", "size", "last step", "how many")
_COLUMNS = ("report", "kind", "step", "format", "size")


def reports(
    task: One,
    name: Annotated[
        str | None, typer.Argument(metavar="[TITLE[/SERIES]]", help="Only these; without, all in short.")
    ] = None,
    store: StoreOption = None,
    step: Annotated[int | None, typer.Option("--step", help="Only of this step.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only of this kind: plot, table, image, text.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Writes them as files into this folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Plots, tables, images and texts that a task reported; with --out, as files.

    \b
    meristem task reports 12
    meristem task reports 12 roc/val --out plots
    meristem task reports 12 --kind image --step 3 --out images
    """
    if kind is not None and kind not in _KINDS:
        raise InputError(f"--kind {kind!r} is no kind of report.", fix=f"Kinds: {', '.join(_KINDS)}.")
    opened = open_store(store)
    row = opened.tasks.get(task)
    if name is None and step is None and out is None:
        views = [
            summary_view(one) for one in opened.task_outputs.report_summaries(row.number) if kind in (None, one.kind)
        ]
        if as_json:
            print_json({"number": row.number, "reports": views})
        elif views:
            print_table(SUMMARY_COLUMNS, [summary_cells(view) for view in views], numbers=SUMMARY_COLUMNS[4:])
        else:
            say(f"Task {row.number} has reported no plots, tables, images or texts{' of this kind' if kind else ''}.")
        return
    from meristem.tasks.operations import StoredTask  # slow to import: not for --help
    from meristem.tasks.stored_reports import chosen_reports, save_all

    found = chosen_reports([one for one in StoredTask(opened, row).reports if kind in (None, one.kind)], name, step)
    written = [] if out is None else save_all(found, out)
    if as_json:
        files = {} if out is None else {"files": [str(path) for path in written]}
        print_json({"number": row.number, "reports": [_view(one) for one in found], **files})
    elif out is not None:
        for path in written:
            typer.echo(f"Wrote {path} ({path.stat().st_size} bytes)")
    else:
        cells = [[one.name, one.kind, one.step, one.format, shown_bytes(one.size_bytes)] for one in found]
        print_table(_COLUMNS, cells, numbers=("step",))


def summary_view(summary: ReportSummary) -> dict[str, Any]:
    """All reports of one kind, title and series as JSON."""
    from meristem.tasks.spool_folder import scalar_name  # slow to import: not for --help

    return {
        "name": scalar_name(summary.title, summary.series),
        "title": summary.title,
        "series": summary.series,
        "kind": summary.kind,
        "format": summary.format,
        "size_bytes": summary.size_bytes,
        "last_step": summary.last_step,
        "count": summary.count,
        "at": iso(summary.at),
    }


def summary_cells(view: Mapping[str, Any]) -> list[Any]:
    return [
        view["name"],
        view["kind"],
        view["format"],
        shown_bytes(view["size_bytes"]),
        view["last_step"],
        view["count"],
    ]


def _view(report: StoredReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "title": report.title,
        "series": report.series,
        "kind": report.kind,
        "step": report.step,
        "format": report.format,
        "size_bytes": report.size_bytes,
        "has_vector": report.has_vector,
        "attempt": report.attempt,
        "at": iso(report.at),
    }
