"""What a version's metadata may be: JSON, made of what scripts have (numpy's numbers, dates, paths)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from meristem.errors import InputError
from meristem.tasks.reporting.json_values import plain

_LONGEST_NAME = 200  # characters


def metadata_of(given: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as JSON values by name.

    Args:
        given: A mapping, or None.
        more: Given by keywords; these count where both have a name.

    Raises:
        InputError: With all that cannot be taken.
    """
    if given is not None and not isinstance(given, Mapping):
        fix = "Give a dict, set_metadata({'rooms': 3}), or keywords, set_metadata(rooms=3)."
        raise InputError(f"Metadata is JSON by name, and {given!r:.60} is none.", fix=fix)
    taken: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in {**(given or {}), **more}.items():
        if not _is_name(name):
            problems.append(f"{name!r:.60} is no name: give one line of 1 to {_LONGEST_NAME} characters")
            continue
        try:
            taken[name] = plain(value)
            json.dumps(taken[name], allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            problems.append(f"{name}={value!r:.60}: {_why(error)}")
    if problems:
        fix = "What is large or of another kind is kept as a file of the version, or by log_table and log_plot."
        raise InputError("This cannot be metadata, which is JSON", problems, fix)
    return taken


def _is_name(given: Any) -> bool:
    return isinstance(given, str) and given.isprintable() and 0 < len(given.strip()) <= len(given) <= _LONGEST_NAME


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError) or "Circular" in str(error):
        return "it holds itself, or is nested too deeply"
    return "JSON has no NaN and no infinity" if "Out of range" in str(error) else str(error)
