"""`meristem task log`: what a task printed, as a terminal shows it, and on while it runs."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from meristem.cli.output import print_json, say
from meristem.cli.store_option import JsonOption, StoreOption, open_store
from meristem.cli.task_views import shown_status
from meristem.cli.tasks_given import One
from meristem.errors import INTERRUPTED
from meristem.statuses import TASK_ENDED, TaskStatus

if TYPE_CHECKING:
    from meristem.store.store import Store

_LOOK_SECONDS = 0.3
_CHUNKS_AT_ONCE = 200


def log(
    task: One,
    store: StoreOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the task has ended.")] = False,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="Only the last so many.")] = None,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, help="Of an earlier attempt.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="As it was printed, with carriage returns and all.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What a task printed. Progress bars are shown as they stood last. Ctrl-C ends the following, not the task.

    \b
    meristem task log 12 --lines 50
    meristem task log 12 -f
    meristem task log 12 --attempt 1 --raw
    """
    opened = open_store(store)
    number = opened.tasks.get(task).number
    if as_json:
        _print_all(opened, number, attempt, lines, raw=raw)
        return
    try:
        if follow and attempt is None:
            _follow(opened, number, lines, raw=raw)
        else:
            _print(_pieces(opened, number, attempt, lines), raw=raw, lines=lines)
    except KeyboardInterrupt:
        say(f"Followed no longer; task {number} goes on.")
        raise typer.Exit(INTERRUPTED) from None


def _print_all(store: Store, number: int, attempt: int | None, lines: int | None, *, raw: bool) -> None:
    pieces = _pieces(store, number, attempt, lines)
    text = "".join(pieces) if raw else "\n".join(_last(_shown(pieces), lines))
    print_json({"number": number, "attempt": attempt or store.tasks.get(number).attempt, "text": text})


def _follow(store: Store, number: int, lines: int | None, *, raw: bool) -> None:
    """Prints attempt after attempt, until the task has ended or is a draft."""
    attempt = 0
    while True:
        row = store.tasks.get(number)
        if row.attempt != attempt:
            if attempt:
                say(f"Attempt {row.attempt} of task {number}:")
            attempt = row.attempt
            _print(_growing(store, number, attempt, lines), raw=raw, lines=None)
            lines = None  # of the next attempt all
            continue
        if row.status in TASK_ENDED or row.status is TaskStatus.CREATED:
            say(f"Task {number}: {shown_status(row)}" + (f": {row.message}" if row.message else ""))
            return
        time.sleep(_LOOK_SECONDS)


def _growing(store: Store, number: int, attempt: int, lines: int | None) -> Iterator[str]:
    """Pieces of what an attempt prints, until it has ended and all is there."""
    after = 0
    if lines is not None:
        tail = store.task_outputs.console_tail(number, lines, attempt)
        text = "".join(chunk.text for chunk in tail)
        yield "".join(_last_raw(text, lines))
        after = tail[-1].number if tail else 0
    while True:
        row = store.tasks.get(number)  # before the look: what is found after its end is all
        chunks = store.task_outputs.console(number, attempt, after=after, limit=_CHUNKS_AT_ONCE)
        yield from (chunk.text for chunk in chunks)
        after = chunks[-1].number if chunks else after
        if not chunks and (row.status is not TaskStatus.RUNNING or row.attempt != attempt):
            return
        if len(chunks) < _CHUNKS_AT_ONCE and row.status is TaskStatus.RUNNING:
            time.sleep(_LOOK_SECONDS)


def _pieces(store: Store, number: int, attempt: int | None, lines: int | None) -> Iterator[str]:
    if lines is not None:
        yield from (chunk.text for chunk in store.task_outputs.console_tail(number, lines, attempt))
        return
    after = 0
    while chunks := store.task_outputs.console(number, attempt, after=after, limit=_CHUNKS_AT_ONCE):
        yield from (chunk.text for chunk in chunks)
        after = chunks[-1].number


def _print(pieces: Iterator[str], *, raw: bool, lines: int | None) -> None:
    if raw:
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
        return
    for line in _last(_shown(pieces), lines):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _shown(pieces: Iterator[str]) -> Iterator[str]:
    from meristem.tasks.console_text import shown_lines  # slow to import: not for --help

    return shown_lines(pieces, colours=sys.stdout.isatty())


def _last(lines: Iterator[str], count: int | None) -> Iterator[str]:
    return lines if count is None else iter(deque(lines, maxlen=count))


def _last_raw(text: str, count: int) -> list[str]:
    lines = text.split("\n")  # not at carriage returns: what overwrites a line is part of it
    unfinished = [lines[-1]] if lines[-1] else []
    whole = [line + "\n" for line in lines[:-1]] + unfinished
    return whole[-count:] if count else []
