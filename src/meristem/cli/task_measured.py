"""`meristem task scalars|artifacts|compare`: what tasks measured and kept, and in what they differ."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.output import iso, print_json, print_table, say, shown
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.cli.task_views import artifact_cells, artifact_view, metric_cells, metric_name, metric_view
from meristem.cli.tasks_given import One, Several
from meristem.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from meristem.store.output_rows import Artifact, Point
    from meristem.store.store import Store
    from meristem.store.task_rows import TaskRow
    from meristem.tasks.compare import Comparison, Row

_PLOTTED = 2000  # points; more do not show
_COLUMNS = ("metric", "last", "min", "max", "at step", "values")
_VALUE_LONGEST = 60
_TITLES = {
    "task": "Task", "code": "Code", "packages": "Packages", "parameters": "Parameters", "metrics": "Metrics",
    "artifacts": "Artifacts",
}  # fmt: skip


def scalars(
    task: One,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[TITLE/SERIES]...", help="Which; without, all in short.")
    ] = None,
    store: StoreOption = None,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, help="Of an earlier attempt.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw it in the terminal.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: name, step, value, at.")] = False,
    max_points: Annotated[
        int | None, typer.Option("--max-points", min=4, help="Of a long curve so many, no peak among them lost.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Scalars that a task reported: last, lowest and highest value, or all points.

    \b
    meristem task scalars 12
    meristem task scalars 12 loss/val --plot
    meristem task scalars 12 loss/val loss/train --csv > loss.csv
    """
    opened = open_store(store)
    row = opened.tasks.get(task)
    summaries = opened.task_outputs.metrics(row.number, attempt)
    known = {metric_name(metric): metric for metric in summaries}
    if unknown := [name for name in names or () if name not in known]:
        problems = [f"it has no {name!r:.80}. {did_you_mean(name, list(known))}".rstrip() for name in unknown]
        raise InputError(f"Task {row.number} cannot show this", problems, f"It has: {', '.join(known) or 'none yet'}.")
    if not names and not plot and not as_csv:
        _print_summaries(row, [metric_view(metric) for metric in summaries], as_json=as_json)
        return
    wanted = names or [name for name in known if not name.startswith(":")]
    most = max_points or (_PLOTTED if plot else None)
    curves = {
        name: opened.task_outputs.points(
            row.number, known[name].title, known[name].series, attempt=attempt, max_points=most
        )
        for name in wanted
    }
    if as_json:
        views = {name: [_point_view(point) for point in points] for name, points in curves.items()}
        print_json({"number": row.number, "scalars": views})
    elif as_csv:
        _print_csv(curves)
    elif plot:
        _print_plots(curves)
    else:
        rows = [[name, point.step, point.value, iso(point.at)] for name, points in curves.items() for point in points]
        print_table(("metric", "step", "value", "at"), rows, numbers=("step", "value"))


def artifacts(
    task: One,
    name: Annotated[str | None, typer.Argument(help="Which to fetch; without, all are listed.")] = None,
    store: StoreOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="A file, a folder, or - for standard output.")] = None,
    role: Annotated[
        str | None, typer.Option("--role", help="artifact, input_model, output_model or configuration.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Artifacts and models of a task; with a name, fetches that one.

    \b
    meristem task artifacts 12
    meristem task artifacts 12 weights --out weights.npz
    """
    opened = open_store(store)
    row = opened.tasks.get(task)
    found = [a for a in opened.task_outputs.artifacts(row.number) if role in (None, a.role)]
    if name is not None:
        _fetch(opened, row, _chosen(row, found, name), out, as_json=as_json)
        return
    views = [artifact_view(artifact) for artifact in found]
    if as_json:
        print_json({"number": row.number, "artifacts": views})
    elif views:
        print_table(("artifact", "role", "format", "size", "what"), [artifact_cells(view) for view in views])
    else:
        say(f"Task {row.number} has no artifacts.")


def compare(
    tasks: Several,
    store: StoreOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is the same.")] = False,
    as_json: JsonOption = False,
) -> None:
    """In what tasks differ: code, packages, parameters, metrics, artifacts; and the uncommitted changes of each.

    \b
    meristem task compare 12 13
    meristem task compare 12 13 14 --all --json
    """
    from meristem.tasks.operations import compare_tasks  # slow to import: not for --help

    if len(set(tasks)) < 2:
        raise InputError("A comparison takes at least two tasks.", fix="Name them: meristem task compare 12 13.")
    opened = open_store(store)
    found = compare_tasks(list(tasks), everything=everything, store=opened)
    if as_json:
        print_json(found.to_json())
        return
    _print_comparison(found)


def _print_summaries(row: TaskRow, views: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"number": row.number, "metrics": views})
    elif views:
        print_table(_COLUMNS, [metric_cells(view) for view in views], numbers=_COLUMNS[1:])
    else:
        say(f"Task {row.number} has reported no scalars.")


def _point_view(point: Point) -> dict[str, Any]:
    return {"step": point.step, "value": point.value, "at": iso(point.at)}


def _print_csv(curves: dict[str, list[Point]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("name", "step", "value", "at"))
    for name, points in curves.items():
        writer.writerows((name, "" if p.step is None else p.step, repr(p.value), iso(p.at)) for p in points)


def _print_plots(curves: dict[str, list[Point]]) -> None:
    from meristem.cli.plot import plot

    width = max(20, min(100, shutil.get_terminal_size().columns - 16))
    for name, points in curves.items():
        typer.echo(name)
        steps = [(float(p.step), p.value) for p in points if p.step is not None]
        for line in plot(steps or [(0.0, p.value) for p in points], width=width):
            typer.echo(line)


def _chosen(row: TaskRow, found: Sequence[Artifact], name: str) -> Artifact:
    named = [artifact for artifact in found if artifact.name == name]
    if not named:
        known = [artifact.name for artifact in found]
        fix = f"{did_you_mean(name, known)}It has: {', '.join(known) or 'none'}."
        raise InputError(f"Task {row.number} has no artifact {name!r:.80}.", fix=fix)
    if len(named) > 1:
        roles = " or ".join(f"--role {artifact.role}" for artifact in named)
        raise InputError(f"Task {row.number} has {len(named)} of the name {name!r}.", fix=f"Choose one with {roles}.")
    return named[0]


def _fetch(store: Store, row: TaskRow, artifact: Artifact, out: Path | None, *, as_json: bool) -> None:
    if artifact.blob is None:
        raise InputError(
            f"{artifact.name!r} is not in the store: it lies at {artifact.url}.", fix="Fetch it from there."
        )
    if str(out) == "-":
        for block in store.blobs.stream(artifact.blob):
            sys.stdout.buffer.write(block)
        sys.stdout.flush()
        return
    from meristem.tasks.artifacts import StoredArtifact  # slow to import: not for --help

    usual = StoredArtifact(artifact, store.blobs).file_name
    target = Path(usual) if out is None else out / usual if out.is_dir() else out
    draft = target.with_name(target.name + ".part")
    try:
        with draft.open("wb") as file:
            for block in store.blobs.stream(artifact.blob):
                file.write(block)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{target} cannot be written: {error.strerror}.") from error
    if as_json:
        print_json({"number": row.number, **artifact_view(artifact), "path": str(target)})
    else:
        typer.echo(f"Wrote {target} ({target.stat().st_size} bytes)")


def _print_comparison(found: Comparison) -> None:
    if not found.rows and not any(found.diffs):
        say("These tasks do not differ. What is the same is shown with --all.")
    first = True
    for section, title in _TITLES.items():
        rows = found.section(section)
        if not rows:
            continue
        typer.echo(title if first else f"\n{title}")
        first = False
        print_table(("", *found.labels), [_cells(row) for row in rows])
    for label, diff in zip(found.labels[1:], found.diffs, strict=True):
        if diff:
            typer.echo(f"\nUncommitted changes of {shown(label)} beside those of {shown(found.labels[0])}")
            typer.echo(diff)


def _cells(row: Row) -> list[Any]:
    values = [None if value is None else shown(value, _VALUE_LONGEST) for value in row.shown]
    return [row.name, *("-" if value is None else value for value in values)]
