"""Shows on a terminal what is being worked on, and for how long; nothing where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Doing = Callable[[str, int, int], None]  # what is worked on, its place from 0, of how many


@contextmanager
def working(first: str) -> Iterator[Doing]:
    """A line on stderr that goes when the work is done; what is given says what it shows.

    Args:
        first: What is shown until something else is told.
    """
    if not sys.stderr.isatty():
        yield lambda what, place, count: None
        return
    from rich.console import Console  # slow to import: only where it is shown
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(first, total=None)
        yield lambda what, place, count: bar.update(task, description=f"{what} ({place + 1}/{count})",
                                                    completed=place, total=count)  # fmt: skip
