"""Replaces functions of other libraries, so that the original runs as ever and what is added can never fail it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from meristem.errors import InputError, one_line
from meristem.tasks.reporting.append_file import warn


def call_after(owner: Any, name: str, then: Callable[..., None], *, first: bool = False) -> Callable[[], None]:
    """Has `then` called with the same arguments after `owner.name` (or before it, with `first`).

    Returns:
        A function that undoes it; where others have patched on top of it, it is silent from then on.
    """
    original = getattr(owner, name)
    on = True
    told: list[bool] = []

    def added(*args: Any, **named: Any) -> None:
        if not on:
            return
        try:
            then(*args, **named)
        except InputError as error:  # a name that is too long, a picture that is too large
            if not told:
                told.append(True)
                warn(f"some of what {name}() shows is not captured: {one_line(error)}")
        except Exception as error:  # nothing here may break the script
            undo()
            warn(f"what {name}() shows is no longer captured: {one_line(error)}")

    @functools.wraps(original)
    def patched(*args: Any, **named: Any) -> Any:
        if first:
            added(*args, **named)
        result = original(*args, **named)
        if not first:
            added(*args, **named)
        return result

    def undo() -> None:
        nonlocal on
        on = False
        if getattr(owner, name, None) is patched:
            setattr(owner, name, original)

    setattr(owner, name, patched)
    return undo
