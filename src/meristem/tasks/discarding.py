"""Tasks of which nothing is kept: their script ended while it read its command line, at --help or a slip in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TAIL_BYTES = 8 << 10
_BESIDE = ("parameters", "source", "environment")  # records that say nothing of what the script did


def nothing_reported(report: Path) -> bool:
    """Whether the lines of a spool have nothing that the script itself reported: only what goes on beside it."""
    try:
        lines = report.read_bytes().splitlines()
    except OSError:
        return True
    return not any(_is_reported(record) for record in _records(lines))


def is_discarded(report: Path) -> bool:
    """Whether the training said with its last line that nothing of it is to be kept."""
    try:
        with report.open("rb") as file:
            file.seek(max(0, report.stat().st_size - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return False
    last = next(_records(lines[-1:]), {})
    return last.get("meristem") == "ended" and last.get("discard") is True


def _records(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def _is_reported(record: dict[str, Any]) -> bool:
    if "meristem" in record:
        return record["meristem"] not in _BESIDE
    return any(not name.startswith(":") for name in record if name not in ("at", "step"))  # ":" are the machine's
