"""Decides what came of a command that has ended, from its exit code and what it left in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from meristem.executors.call_result import storable
from meristem.processes.group_leader import in_words
from meristem.study.protocols import Outcome, OutcomeStatus

STDOUT_FILE, STDERR_FILE = "stdout.log", "stderr.log"
_STDERR_BYTES, _STDERR_LINES = 8 << 10, 20
_RESULT_BYTES = 64 << 10


def completed_or_failed(
    folder: Path, code: int | None, *, reported: bool, faults: Sequence[str], errors_in: str = STDERR_FILE
) -> Outcome:
    """The outcome of a command that ended by itself.

    Args:
        code: Its exit code, negative for a signal; None where it is not known.
        reported: Whether it reported anything; where it did not, its output is looked at.
        faults: Lines of its spool that could not be understood.
        errors_in: The file in the folder whose last lines say what went wrong.
    """
    errors = _last_errors(folder / errors_in)
    if code != 0:
        last = f": {errors.splitlines()[-1].strip()[:200]}" if errors else ""
        return Outcome(status=OutcomeStatus.FAILED, error=in_words(code) + last, traceback=errors)
    score = None if reported else _printed_result(folder)
    if reported or score is not None:
        return Outcome(status=OutcomeStatus.COMPLETED, score=score)
    unread = f" (its report has lines that cannot be read, the first: {storable(faults[0])})" if faults else ""
    return Outcome(
        status=OutcomeStatus.FAILED,
        error=f"the command ended well but reported nothing{unread}; append JSON lines to $MERISTEM_REPORT, "
        "or print a JSON object of metrics as the last line",
        traceback=errors,
    )


def _printed_result(folder: Path) -> Any:
    """A JSON object in the last line, or a number that is all that was printed."""
    lines = _tail(folder / STDOUT_FILE, _RESULT_BYTES).strip().splitlines()
    last = lines[-1].strip() if lines else ""
    if len(lines) == 1:
        with suppress(ValueError):
            return float(last)
    try:
        result = json.loads(last)
    except (ValueError, RecursionError):
        return None
    return result if isinstance(result, dict) and result else None


def _last_errors(path: Path) -> str | None:
    lines = _tail(path, _STDERR_BYTES).rstrip().splitlines()
    return storable("\n".join(lines[-_STDERR_LINES:])) or None


def _tail(path: Path, size_bytes: int) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size_bytes))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
