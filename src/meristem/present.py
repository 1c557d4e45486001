"""What runs in this process, or in this thread of it: a task or a trial, so that what it reads and makes is known.

Whoever starts a training says so, by an environment variable or here. Only the standard library is imported: this
file is loaded into trainings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

PRESENT_VARIABLE = "MERISTEM_PRESENT"  # `task ID` or `trial STUDY NUMBER`


class Present(NamedTuple):
    """A task or a trial.

    Attributes:
        kind: `task` or `trial`.
        name: A task's id; `STUDY NUMBER` of a trial.
    """

    kind: str
    name: str


_running: ContextVar[Present | None] = ContextVar("meristem_present", default=None)


def variable_of(present: Present) -> str:
    """What `PRESENT_VARIABLE` holds in a process in which it runs."""
    return f"{present.kind} {present.name}"


def task(id: str) -> Present:
    return Present("task", id)


def trial(study: str, number: int) -> Present:
    return Present("trial", f"{study} {number}")


def here() -> Present | None:
    """What runs here; None: a script of its own."""
    if (found := _running.get()) is not None:
        return found
    kind, _, name = os.environ.get(PRESENT_VARIABLE, "").partition(" ")
    return Present(kind, name) if kind in ("task", "trial") and name else None


@contextmanager
def running(present: Present) -> Iterator[None]:
    """Says what runs in the block, in this thread."""
    token = _running.set(present)
    try:
        yield
    finally:
        _running.reset(token)
