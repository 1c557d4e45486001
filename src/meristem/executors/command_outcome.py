"""Decides what came of a command that has ended, from its exit code and what it left in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meristem.executors.ending import storable
from meristem.executors.group_leader import in_words
from meristem.spool import Measurement
from meristem.study.protocols import Outcome, OutcomeStatus

STDOUT_FILE, STDERR_FILE = "stdout.log", "stderr.log"
_STDERR_BYTES, _STDERR_LINES = 8 << 10, 20
_RESULT_BYTES = 64 << 10


@dataclass(slots=True)
class LastValues:
    """The last value of each metric; values without a step are final and win over stepped ones."""

    final: dict[str, float] = field(default_factory=dict)
    stepped: dict[str, float] = field(default_factory=dict)

    def add(self, measurements: Iterable[Measurement]) -> None:
        for measurement in measurements:
            values = self.final if measurement.step is None else self.stepped
            values[measurement.metric] = measurement.value

    def metrics(self) -> dict[str, float]:
        return {**self.stepped, **self.final}


def completed_or_failed(
    folder: Path, code: int | None, *, metrics: Mapping[str, float], faults: Sequence[str]
) -> Outcome:
    """The outcome of a command that ended by itself.

    Args:
        code: Its exit code, negative for a signal; None where it is not known.
        metrics: What it reported; where it reported nothing, its last line of output is looked at.
        faults: Lines of its spool that could not be understood.
    """
    if code != 0:
        return Outcome(status=OutcomeStatus.FAILED, error=in_words(code), traceback=_last_errors(folder))
    score = dict(metrics) or _printed_result(folder)
    if score is not None:
        return Outcome(status=OutcomeStatus.COMPLETED, score=score)
    unread = f" (its report has lines that cannot be read, the first: {storable(faults[0])})" if faults else ""
    return Outcome(
        status=OutcomeStatus.FAILED,
        error=f"the command ended well but reported nothing{unread}; append JSON lines to $MERISTEM_REPORT, "
        "or print the result (a number or a JSON object) as the last line",
        traceback=_last_errors(folder),
    )


def stopped(metrics: Mapping[str, float]) -> Outcome:
    return Outcome(status=OutcomeStatus.STOPPED, score=dict(metrics) or None)


def _printed_result(folder: Path) -> Any:
    lines = _tail(folder / STDOUT_FILE, _RESULT_BYTES).strip().splitlines()
    last = lines[-1].strip() if lines else ""
    try:
        return float(last)
    except ValueError:
        pass
    try:
        result = json.loads(last)
    except (ValueError, RecursionError):
        return None
    return result if isinstance(result, dict) and result else None


def _last_errors(folder: Path) -> str | None:
    lines = _tail(folder / STDERR_FILE, _STDERR_BYTES).rstrip().splitlines()
    return storable("\n".join(lines[-_STDERR_LINES:])) or None


def _tail(path: Path, size_bytes: int) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size_bytes))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
