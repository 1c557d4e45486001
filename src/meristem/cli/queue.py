"""`meristem queue`: makes queues, shows what waits and who serves it, pauses, drains, reorders."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.durations import shown_duration
from meristem.cli.output import print_json, print_pairs, print_table, say
from meristem.cli.store_option import JsonOption, StoreOption, make_store, open_store, open_swept
from meristem.cli.task_views import queue_view, shown_needs, task_view
from meristem.cli.tasks_given import One
from meristem.errors import InputError
from meristem.needs import fits
from meristem.statuses import QueueStatus

if TYPE_CHECKING:
    from meristem.store.store import Store
    from meristem.store.task_rows import QueueRow, TaskRow, WorkerRow

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Queues, where tasks wait for workers: make, look, pause, drain, reorder.",
)

_Name = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]


@app.command()
def create(
    name: _Name,
    store: StoreOption = None,
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a queue. Tasks are taken only by queues made beforehand, so that a typo strands no work.

    \b
    meristem queue create gpu --description "one GPU and more"
    """
    row = make_store(store).queues.create(name, description)
    _print_changed(row, f"Queue {name} is there. Workers serve it with: meristem worker --queue {name}", as_json)


@app.command("list")
def list_queues(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List queues: what waits, what runs, who serves them.

    \b
    meristem queue list
    """
    opened = open_swept(store)
    workers = opened.workers.list()
    views = [queue_view(row, _serving(row.name, workers)) for row in opened.queues.list()]
    if as_json:
        print_json({"queues": views})
    elif views:
        columns = ("queue", "status", "waiting", "delayed", "running", "oldest", "workers", "description")
        print_table(columns, [_cells(view) for view in views], numbers=columns[2:5])
    else:
        say("No queues yet. Make one with: meristem queue create default")


@app.command()
def show(
    name: _Name,
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many tasks.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """One queue: what waits in it, in the order in which it starts, and which workers could run it.

    \b
    meristem queue show gpu
    meristem queue show gpu --limit 200 --json
    """
    opened = open_swept(store)
    row = opened.queues.get(name)
    workers = _serving(name, opened.workers.list())
    waiting = opened.queues.waiting(name, limit=limit)
    if as_json:
        tasks = [task_view(task) | {"workers": [w.name for w in _able(task, workers)]} for task in waiting]
        print_json({**queue_view(row, workers), "tasks": tasks})
        return
    print_pairs(_pairs(queue_view(row, workers)))
    if waiting:
        typer.echo()
        columns = ("task", "name", "priority", "waits", "needs", "workers", "tags")
        print_table(columns, [_waiting_cells(task, workers) for task in waiting], numbers=("task", "priority"))
    total = row.waiting + row.delayed
    if len(waiting) < total:
        say(f"These are the first {len(waiting)} of {total}; more with --limit")


@app.command()
def pause(name: _Name, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Give out nothing until it is resumed; what runs goes on, and tasks may still be put into it.

    \b
    meristem queue pause gpu
    """
    row = open_store(store).queues.pause(name)
    _print_changed(row, f"Queue {name} is paused; open it with: meristem queue resume {name}", as_json)


@app.command()
def resume(name: _Name, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Open a queue that was paused or drained.

    \b
    meristem queue resume gpu
    """
    _print_changed(open_store(store).queues.resume(name), f"Queue {name} is open.", as_json)


@app.command()
def drain(name: _Name, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Take no more tasks; what waits is still given out. Then it may be deleted.

    \b
    meristem queue drain gpu
    """
    row = open_store(store).queues.drain(name)
    left = f"{row.waiting + row.delayed} tasks wait in it, {row.running} run" if row.waiting + row.delayed else "empty"
    _print_changed(row, f"Queue {name} takes no more tasks ({left}).", as_json)


@app.command()
def move(
    task: One,
    store: StoreOption = None,
    to: Annotated[str | None, typer.Option("--to", help="front or back, among those of its priority.")] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="TASK", help="Right before this task, with its priority.")
    ] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="Into another queue.")] = None,
    priority: Annotated[
        int | None, typer.Option("--priority", help="Another priority; higher ones start first.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Move a task that waits: to the front or back, before another, to another queue or priority.

    \b
    meristem queue move 12 --to front
    meristem queue move 12 --before 9
    meristem queue move 12 --queue gpu --priority 5
    """
    if to is None and before is None and queue is None and priority is None:
        fix = "Give --to front, --to back, --before TASK, --queue NAME or --priority N."
        raise InputError("It is not said where the task is to be moved.", fix=fix)
    opened = open_store(store)
    number = opened.tasks.get(task).number
    other = None if before is None else opened.tasks.get(before).number
    opened.queues.move(number, to=to, before=other, queue=queue, priority=priority)
    row = opened.tasks.get(number)
    if as_json:
        print_json(task_view(row))
        return
    place = _place(opened, row)
    typer.echo(f"Task {number} waits in queue {row.queue}, priority {row.priority}{place}.")


@app.command()
def delete(name: _Name, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Delete a queue in which nothing waits and from which nothing runs.

    \b
    meristem queue delete gpu
    """
    opened = open_swept(store)
    opened.queues.delete(name)
    workers = [worker.name for worker in _serving(name, opened.workers.list())]
    told = f" Workers that served it go on with their other queues: {', '.join(workers)}." if workers else ""
    print_json({"deleted": name, "served_by": workers}) if as_json else typer.echo(f"Deleted queue {name}.{told}")


def _serving(queue: str, workers: list[WorkerRow]) -> list[WorkerRow]:
    from meristem.tasks.waiting_reason import serving  # slow to import: not for --help

    return serving(queue, workers)


def _able(task: TaskRow, workers: list[WorkerRow]) -> list[WorkerRow]:
    return [worker for worker in workers if fits(task.needs, worker.offer)]


def _place(store: Store, row: TaskRow) -> str:
    waiting = [task.number for task in store.queues.waiting(row.queue or "", limit=1000)]
    return f", at place {waiting.index(row.number) + 1} of {len(waiting)}" if row.number in waiting else ""


def _cells(view: Mapping[str, Any]) -> list[Any]:
    return [
        view["name"],
        view["status"],
        view["waiting"],
        view["delayed"],
        view["running"],
        shown_duration(view["oldest_seconds"]),
        _named(view["workers"]),
        view["description"] or None,
    ]


def _pairs(view: Mapping[str, Any]) -> list[tuple[str, Any]]:
    means = {
        QueueStatus.OPEN: "open",
        QueueStatus.PAUSED: f"paused: gives out nothing until meristem queue resume {view['name']}",
        QueueStatus.DRAINING: "draining: takes no more tasks",
    }
    return [
        ("queue", view["name"]),
        ("description", view["description"] or None),
        ("status", means[QueueStatus(view["status"])]),
        ("waiting", view["waiting"]),
        ("delayed", view["delayed"] or None),
        ("running", view["running"]),
        ("longest wait", shown_duration(view["oldest_seconds"])),
        ("served by", _named(view["workers"]) or f"no worker; start one with: meristem worker --queue {view['name']}"),
    ]


def _waiting_cells(task: TaskRow, workers: list[WorkerRow]) -> list[Any]:
    now = time.time()
    if task.not_before is not None and task.not_before > now:
        waits = f"starts in {shown_duration(task.not_before - now)}"
    else:
        waits = shown_duration(None if task.enqueued_at is None else now - task.enqueued_at) or ""
    able = _named([worker.name for worker in _able(task, workers)])
    return [
        task.number,
        task.name,
        task.priority,
        waits,
        shown_needs(task.needs),
        able or ("none fits" if workers else "none"),
        " ".join(task.tags) or None,
    ]


def _named(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _print_changed(row: QueueRow, text: str, as_json: bool) -> None:
    print_json(queue_view(row, [])) if as_json else typer.echo(text)
