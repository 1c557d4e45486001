"""`meristem task`: lists and shows tasks. The other commands on tasks stand in the files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.output import print_json, print_pairs, print_table, say, shown_counts
from meristem.cli.store_option import JsonOption, StoreOption, open_swept
from meristem.cli.task_changes import abort, delete, dequeue, enqueue, publish, reset, wait
from meristem.cli.task_drafts import clone, create, edit, import_
from meristem.cli.task_log import log
from meristem.cli.task_measured import artifacts, compare, scalars
from meristem.cli.task_reports import SUMMARY_COLUMNS, reports, summary_cells, summary_view
from meristem.cli.task_views import (
    about_pairs,
    artifact_cells,
    artifact_view,
    attempt_cells,
    attempt_view,
    list_cells,
    metric_cells,
    metric_view,
    seconds_of,
    source_pairs,
    task_view,
)
from meristem.cli.tasks_given import One, worker_names
from meristem.cli.versions_read import versions_read
from meristem.errors import InputError, WorkerNotFound, did_you_mean
from meristem.statuses import TaskStatus
from meristem.store.dataset_rows import ReaderKind

if TYPE_CHECKING:
    from meristem.store.output_rows import MetricSummary
    from meristem.store.store import Store
    from meristem.store.task_rows import TaskFilter, TaskRow

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Tasks: list, read, clone, edit, enqueue, abort, compare.\n\n"
    "\b\n"
    "meristem task list                          what there is, how it stands\n"
    "meristem task show 12                       all of one task, and why it waits\n"
    "meristem task clone 12 --set lr=0.2 --enqueue gpu    again, with another parameter\n"
    "meristem task compare 12 13                 in what they differ",
)

_STATUSES = tuple(status.value for status in TaskStatus)
_SORTED_AT_MOST = 10_000
_KINDS = ("last", "min", "max")
_AHEAD_AT_MOST = 1000

Metric = tuple[str, str, str]  # title, series, and which value of it


@app.command("list")
def list_tasks(
    store: StoreOption = None,
    project: Annotated[str | None, typer.Option("--project", help="Only of this project.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only those whose name has this part.")] = None,
    status: Annotated[list[str] | None, typer.Option("--status", help="Only these; may be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only with this tag; may be repeated.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="Only of this queue.")] = None,
    worker: Annotated[str | None, typer.Option("--worker", help="Only of this worker.")] = None,
    parent: Annotated[str | None, typer.Option("--parent", help="Only copies of this task.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Show it, such as loss/val or loss/val:min; may be repeated."),
    ] = None,
    sort: Annotated[str, typer.Option("--sort", help="By number (newest first), name, status, took, or a metric.")] = (
        "number"
    ),
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List tasks, the newest first, and how they stand.

    \b
    meristem task list --project digits --status running
    meristem task list --metric loss/val:min --sort loss/val:min --limit 5
    meristem task list --parent 12 --json
    """
    columns = {text: _metric(text) for text in metric or ()}
    if sort not in ("number", "name", "status", "took"):
        columns.setdefault(sort, _metric(sort))
    _check_statuses(status or [])
    opened = open_swept(store)
    names = worker_names(opened)
    which = _filter(opened, project, name, status, tag, queue, parent)
    rows = _rows(opened, which, _sessions(names, worker), limit if sort == "number" else _SORTED_AT_MOST, reverse)
    values = opened.task_news.values([row.number for row in rows], [m[:2] for m in columns.values()])
    rows = _sorted(rows, values, sort, columns, reverse)[:limit]
    stories = {row.number: _story(opened, row) for row in rows if row.attempt > 1 or _was_given_up(row)}
    counts = opened.tasks.counts(which) if worker is None else _counted(rows)
    if as_json:
        views = [
            task_view(row, names)
            | {"story": stories.get(row.number)}
            | ({"metrics": {text: _value(values, row, m) for text, m in columns.items()}} if columns else {})
            for row in rows
        ]
        print_json({"counts": counts, "tasks": views})
        return
    if not rows:
        say("No such tasks." if opened.tasks.list(limit=1) else _NONE_YET)
        return
    cells = [
        list_cells(row, stories.get(row.number), names) | {text: _value(values, row, m) for text, m in columns.items()}
        for row in rows
    ]
    _print_list(cells, list(columns))
    total = sum(counts.values())
    say(f"{shown_counts(counts)}" + (f"; these are {len(rows)}, more with --limit" if len(rows) < total else ""))


_NONE_YET = (
    "No tasks yet. A script makes one with Task.init(project, name); "
    "meristem task create makes a draft of any script, module or function."
)


@app.command()
def show(
    task: One,
    store: StoreOption = None,
    diff: Annotated[bool, typer.Option("--diff", help="Only the uncommitted changes that it ran with.")] = False,
    as_json: JsonOption = False,
) -> None:
    """All of one task: code, environment, parameters, metrics, reports, artifacts, attempts; and why it waits.

    \b
    meristem task show 12
    meristem task show 12 --diff
    meristem task show 12 --json
    """
    opened = open_swept(store)
    row = opened.tasks.get(task)
    if diff:
        _print_diff(opened, row)
        return
    view = show_view(opened, row)
    if as_json:
        print_json(view)
        return
    print_pairs(about_pairs(view, row, view["story"]))
    _section("Code", [(n, v) for n, v in source_pairs(row.source, row.environment, row.parameters) if v is not None])
    _section("Parameters", [(n, "null" if v is None else v) for n, v in row.parameters.items()])
    columns = ("metric", "last", "min", "max", "at step", "values")
    _table("Metrics", columns, [metric_cells(m) for m in view["metrics"]], numbers=columns[1:])
    reported = [summary_cells(one) for one in view["reports"]]
    _table("Reports", SUMMARY_COLUMNS, reported, numbers=SUMMARY_COLUMNS[4:])
    artifact_columns = ("artifact", "role", "format", "size", "what")
    _table("Artifacts", artifact_columns, [artifact_cells(a) for a in view["artifacts"]])
    if len(view["attempts"]) > 1 or any(a["cause"] or a["before_reset"] for a in view["attempts"]):
        attempt_columns = ("attempt", "worker", "started", "took", "came to", "why")
        _table("Attempts", attempt_columns, [attempt_cells(a) for a in view["attempts"]], numbers=("attempt",))


def show_view(store: Store, row: TaskRow) -> dict[str, Any]:
    """All of one task as JSON."""
    from meristem.tasks.attempt_story import attempts_of, dated, story  # slow to import: not for --help

    names = worker_names(store)
    attempts = dated(attempts_of(store.task_log.of(row.number), names), row)
    return task_view(row, names) | {
        "story": story(attempts),
        "why_waiting": _why_waiting(store, row),
        "datasets": versions_read(store, ReaderKind.TASK, row.id),
        "source": dict(row.source),
        "environment": dict(row.environment),
        "metrics": [metric_view(m) for m in store.task_outputs.metrics(row.number)],
        "reports": [summary_view(one) for one in store.task_outputs.report_summaries(row.number)],
        "artifacts": [artifact_view(a) for a in store.task_outputs.artifacts(row.number)],
        "attempts": [attempt_view(attempt) for attempt in attempts],
    }


def _why_waiting(store: Store, row: TaskRow) -> list[str]:
    import time

    from meristem.tasks.waiting_reason import why_waiting  # slow to import: not for --help

    if row.status not in (TaskStatus.CREATED, TaskStatus.QUEUED):
        return []
    queue = store.queues.get(row.queue) if row.queue is not None else None
    waiting = [one.number for one in store.queues.waiting(queue.name, limit=_AHEAD_AT_MOST)] if queue else []
    unknown = None if queue is None else queue.waiting
    ahead = waiting.index(row.number) if row.number in waiting else unknown
    return why_waiting(row, queue, ahead, store.workers.list(), time.time())


def _print_diff(store: Store, row: TaskRow) -> None:
    stored = row.source.get("diff")
    if not isinstance(stored, Mapping) or "blob" not in stored:
        say(f"Task {row.number} has no uncommitted changes.")
        return
    typer.echo(store.blobs.get(stored["blob"]).decode(errors="backslashreplace"), nl=False)


def _section(title: str, pairs: Sequence[tuple[str, Any]]) -> None:
    if pairs:
        typer.echo(f"\n{title}")
        print_pairs(pairs)


def _table(title: str, columns: Sequence[str], rows: list[list[Any]], *, numbers: Sequence[str] = ()) -> None:
    if rows:
        typer.echo(f"\n{title}")
        print_table(columns, rows, numbers=numbers)


def _print_list(cells: list[dict[str, Any]], metrics: Sequence[str]) -> None:
    columns = ["task", "id", "project", "name", "status", "queue", "worker", "age", "took", *metrics, "tags"]
    always = ("task", "id", "project", "name", "status", "age")
    columns = [c for c in columns if c in always or any(cell[c] is not None for cell in cells)]
    rows = [[cell[c] for c in columns] for cell in cells]
    print_table(
        columns, rows, numbers=("task", *metrics), left_out=("id", "tags", "worker", "project", "age", "queue", "took")
    )


def _filter(
    store: Store, project: str | None, name: str | None, status: list[str] | None, tag: list[str] | None,
    queue: str | None, parent: str | None,
) -> TaskFilter:  # fmt: skip
    from meristem.store.task_rows import TaskFilter  # slow to import: not for --help

    if queue is not None:
        store.queues.get(queue)  # a slip is told, not taken for an empty queue
    return TaskFilter(
        project=project, name=name, statuses=status or (), tags=tag or (), queue=queue,
        parent=None if parent is None else store.tasks.get(parent).number,
    )  # fmt: skip


def _sessions(names: Mapping[str, str], worker: str | None) -> list[str] | None:
    if worker is None:
        return None
    found = [session for session, name in names.items() if worker in (session, name)]
    if not found:
        raise WorkerNotFound(worker, sorted(set(names.values())))
    return found


def _rows(store: Store, which: TaskFilter, sessions: list[str] | None, limit: int, oldest_first: bool) -> list[TaskRow]:
    from dataclasses import replace

    limit = _SORTED_AT_MOST if oldest_first else limit
    if sessions is None:
        return store.tasks.list(which, limit=limit)
    rows = [row for one in sessions for row in store.tasks.list(replace(which, worker=one), limit=limit)]
    return sorted(rows, key=lambda row: -row.number)[:limit]


def _sorted(
    rows: list[TaskRow], values: Mapping[int, Any], sort: str, columns: Mapping[str, Metric], reverse: bool
) -> list[TaskRow]:
    if sort == "number":
        return rows[::-1] if reverse else rows

    def key(row: TaskRow) -> Any:
        if sort in columns:
            return _value(values, row, columns[sort])
        return {"name": row.name, "status": row.status.value, "took": seconds_of(row)}[sort]

    # Those without come last, either way.
    usable = [row for row in rows if (found := key(row)) is not None and found == found]
    return sorted(usable, key=key, reverse=reverse) + [row for row in rows if row not in usable]


def _metric(text: str) -> Metric:
    from meristem.tasks.spool_folder import title_and_series

    name, colon, kind = text.rpartition(":")
    if not colon or kind not in _KINDS:
        name, kind = text, "last"
    return (*title_and_series(name), kind)


def _value(values: Mapping[int, Any], row: TaskRow, metric: Metric) -> float | None:
    found: MetricSummary | None = values.get(row.number, {}).get(metric[:2])
    value: float | None = None if found is None else getattr(found, metric[2])
    return value


def _story(store: Store, row: TaskRow) -> str | None:
    from meristem.tasks.attempt_story import attempts_of, story  # slow to import: not for --help

    return story(attempts_of(store.task_log.of(row.number)))


def _was_given_up(row: TaskRow) -> bool:
    return row.status is TaskStatus.QUEUED and row.attempt > 0


def _counted(rows: Sequence[TaskRow]) -> dict[str, int]:
    statuses = [row.status.value for row in rows]
    return {status: statuses.count(status) for status in dict.fromkeys(statuses)}


def _check_statuses(given: Sequence[str]) -> None:
    problems = [
        f"--status {status!r} is not a status. {did_you_mean(status, _STATUSES)}Known: {', '.join(_STATUSES)}"
        for status in given
        if status not in _STATUSES
    ]
    if problems:
        raise InputError("The tasks cannot be listed like this", problems)


_COMMANDS: dict[str, Callable[..., None]] = {
    "log": log, "compare": compare, "scalars": scalars, "reports": reports, "artifacts": artifacts, "create": create,
    "clone": clone, "edit": edit, "enqueue": enqueue, "dequeue": dequeue, "wait": wait, "abort": abort, "reset": reset,
    "publish": publish, "delete": delete, "import": import_,
}  # fmt: skip
for _command, _work in _COMMANDS.items():
    app.command(_command)(_work)
