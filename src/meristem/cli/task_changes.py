"""`meristem task enqueue|dequeue|abort|reset|publish|delete|wait`: what becomes of tasks, of several at once."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meristem.cli.durations import read_duration
from meristem.cli.output import print_json, say
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.cli.task_views import shown_status, task_view
from meristem.cli.tasks_given import Several, for_each
from meristem.errors import INTERRUPTED, WORK_FAILED, InputError, TaskRefused
from meristem.statuses import TASK_ENDED, TaskStatus

if TYPE_CHECKING:
    from meristem.store.task_rows import TaskRow

_BY_HAND = "aborted by hand"
_LOOK_SECONDS = 0.5


def enqueue(
    tasks: Several,
    queue: Annotated[str, typer.Option("--queue", help="Where they wait.")],
    store: StoreOption = None,
    priority: Annotated[int, typer.Option("--priority", help="Higher ones start first.")] = 0,
    delay: Annotated[str | None, typer.Option("--delay", help="Not before that has passed: 90, 10m, 1h30m.")] = None,
    front: Annotated[bool, typer.Option("--front", help="Before all others of their priority.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put drafts into a queue; workers that serve it run them.

    \b
    meristem task enqueue 12 --queue gpu
    meristem task enqueue 12 13 14 --queue gpu --priority 5 --delay 10m
    """
    later = None if delay is None else read_duration(delay)
    opened = open_store(store)
    opened.queues.get(queue)  # told once, not for each task

    def work(ref: str) -> TaskRow:
        number = opened.tasks.get(ref).number
        opened.queues.enqueue([number], queue, priority=priority, delay=later, at_front=front)
        return opened.tasks.get(number)

    # At the front each would come before the one before it.
    done = for_each(tasks[::-1] if front else tasks, work)
    if front:
        done.results.reverse()
    done.print(task_view, lambda row: f"Task {row.number} waits in queue {queue}.", as_json=as_json)


def dequeue(tasks: Several, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Take tasks out of their queue: they are drafts again.

    \b
    meristem task dequeue 12
    """
    opened = open_store(store)

    def work(ref: str) -> TaskRow:
        number = opened.tasks.get(ref).number
        opened.queues.dequeue(number)
        return opened.tasks.get(number)

    done = for_each(tasks, work)
    done.print(task_view, lambda row: f"Task {row.number} is a draft again.", as_json=as_json)


def abort(
    tasks: Several,
    store: StoreOption = None,
    message: Annotated[str, typer.Option("--message", help="Why; kept with the task.")] = _BY_HAND,
    as_json: JsonOption = False,
) -> None:
    """End tasks: those that wait at once, those that run within seconds.

    \b
    meristem task abort 12 --message "wrong data"
    """
    opened = open_store(store)

    def work(ref: str) -> TaskRow:
        number = opened.tasks.get(ref).number
        opened.claims.request_abort(number, message)
        return opened.tasks.get(number)

    def line(row: TaskRow) -> str:
        running = row.status is TaskStatus.RUNNING
        return f"Asked task {row.number} to end." if running else f"Task {row.number} is {row.status.value}."

    for_each(tasks, work).print(task_view, line, as_json=as_json)


def reset(tasks: Several, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Make ended tasks drafts again; what they reported is deleted.

    \b
    meristem task reset 12
    """
    opened = open_store(store)
    done = for_each(tasks, lambda ref: opened.tasks.reset(opened.tasks.get(ref).number))
    done.print(task_view, lambda row: f"Task {row.number} is a draft again.", as_json=as_json)


def publish(tasks: Several, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Make ended tasks read-only, for good.

    \b
    meristem task publish 12
    """
    opened = open_store(store)
    done = for_each(tasks, lambda ref: opened.tasks.publish(opened.tasks.get(ref).number))
    done.print(task_view, lambda row: f"Task {row.number} is published: it is read-only.", as_json=as_json)


def delete(
    tasks: Several,
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete tasks with all that they reported, for good. Their artifacts' bytes stay: other tasks may have them too.

    \b
    meristem task delete 12 13 --yes
    """
    opened = open_store(store)
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("Deleting tasks needs a yes.", fix="Add --yes.")
        typer.confirm(f"Delete {len(tasks)} task{'' if len(tasks) == 1 else 's'} for good?", abort=True)

    def work(ref: str) -> TaskRow:
        row = opened.tasks.get(ref)
        opened.tasks.delete(row.number)
        return row

    done = for_each(tasks, work)
    done.print(_deleted, lambda row: f"Deleted task {row.number} ({row.name}).", as_json=as_json)


def wait(
    tasks: Several,
    store: StoreOption = None,
    timeout: Annotated[str | None, typer.Option("--timeout", help="Wait at most so long: 90, 10m, 1h30m.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Wait until tasks have ended. Exit code 0: all completed; 1: one did not, or the time is over.

    \b
    meristem task wait 12 13 --timeout 2h && echo done
    """
    opened = open_store(store)
    seconds = None if timeout is None else read_duration(timeout).total_seconds()
    found = for_each(tasks, lambda ref: _awaitable(opened.tasks.get(ref)))
    numbers = [row.number for row in found.results]
    deadline = None if seconds is None else time.monotonic() + seconds
    told = ""
    try:
        while True:
            opened.workers.sweep()  # all workers may have died
            rows = opened.tasks.get_many(numbers)
            told = _tell(rows, told)
            over = deadline is not None and time.monotonic() >= deadline
            if over or all(row.status in TASK_ENDED for row in rows):
                break
            time.sleep(_LOOK_SECONDS if deadline is None else max(0.0, min(_LOOK_SECONDS, deadline - time.monotonic())))
    except KeyboardInterrupt:
        say("Waited no longer; the tasks go on.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json({"tasks": [task_view(row) for row in rows], **({"errors": found.errors} if found.errors else {})})
    else:
        for row in rows:
            why = f": {row.message}" if row.message and row.status in TASK_ENDED else ""
            typer.echo(f"Task {row.number} ({row.name}): {shown_status(row)}{why}")
    missing = len(rows) < len(numbers)
    good = not missing and all(row.status is TaskStatus.COMPLETED for row in rows)
    raise typer.Exit(max(found.code, 0 if good else WORK_FAILED))


def _awaitable(row: TaskRow) -> TaskRow:
    if row.status is TaskStatus.CREATED:
        fix = f"Enqueue it first: meristem task enqueue {row.number} --queue NAME."
        raise TaskRefused(row.number, "a draft", "waited for", fix)
    return row


def _tell(rows: list[TaskRow], before: str) -> str:
    """Says how many stand where, when that has changed."""
    statuses = [row.status.value for row in rows]
    now = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(sorted(statuses)))
    if now != before and any(row.status not in TASK_ENDED for row in rows):
        say(f"Waiting: {now}")
    return now


def _deleted(row: TaskRow) -> dict[str, Any]:
    return {"number": row.number, "id": row.id, "name": row.name}
