"""Appends scalars and records to `report.jsonl`: the fast path of reporting.

A scalar costs about a microsecond: scalars of one step that follow each other share a line, which waits in memory
for at most half a second. Everything else is a record: a line with the key `meristem`, which names its kind.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meristem import spool
from meristem.errors import InputError
from meristem.tasks.reporting.append_file import AppendFile, pulse, warn
from meristem.tasks.spool_folder import scalar_name

LIMIT_VARIABLE = "MERISTEM_REPORT_LIMIT_BYTES"
_LIMIT_BYTES = 8 << 30
_LINE_SCALARS = 500  # a line stays far below the limit of those who read it
_RESERVED = ("at", "step", "meristem")  # keys of a line with a meaning of their own
_KNOWN_NAMES = 10_000
_STEPS = 1 << 63  # what every store can hold


class ReportLines:
    """Writes lines of reports to one file; safe in many threads, and in forked children.

    Args:
        limit_bytes: What one process writes at most; more is dropped with a warning.
        direct: Each report is written at once, for processes that may end without a word.
    """

    def __init__(self, path: Path, *, limit_bytes: int | None = None, direct: bool = False) -> None:
        limit = int(os.environ.get(LIMIT_VARIABLE, _LIMIT_BYTES)) if limit_bytes is None else limit_bytes
        self.path = path
        self._file = AppendFile(
            path, what="the report of this task", limit_bytes=limit, drain=self._end_line, direct=direct
        )
        self._closed = self._warned = False
        self._names: dict[tuple[str, str], str] = {}
        self._line: dict[str, str] = {}  # value by name, both as JSON
        self._line_step: int | None = None
        self._line_at = 0.0
        pulse.add(self.flush)

    def scalar(self, title: str, series: str, value: Any, step: int | None) -> None:
        """Reports one value.

        Raises:
            InputError: A value that is no number, a step that is no whole number, a name that cannot be one.
        """
        name = self._names.get((title, series)) or self._new_name(title, series)
        if type(value) is not float:
            value = _as_number(name, value)
        if step is not None and (type(step) is not int or not -_STEPS < step < _STEPS):
            step = _as_step(step)
        # NaN and infinity have no JSON: they are written as Python's reader, and ours, take them.
        text = repr(value) if value - value == 0.0 else json.dumps(value)
        with self._file.lock:
            line = self._line
            if line and (step != self._line_step or name in line or len(line) >= _LINE_SCALARS):
                self._end_line()
                line = self._line
            if not line:
                self._line_step, self._line_at = step, time.time()
            line[name] = text
            if self._file.direct:
                self._end_line()

    def scalars(self, step: int | None, metrics: Mapping[str, Any]) -> None:
        """Reports metrics as `trial.report` does: numbers, or pairs of a mean and its standard error."""
        if "meristem" in metrics:
            raise InputError("report() got a metric named 'meristem'.", fix="That name is kept for records: rename it.")
        line = spool.line_of(step, metrics).encode()
        with self._file.lock:
            self._append(line)

    def record(self, kind: str, **fields: Any) -> None:
        """Reports anything else; `fields` are JSON values."""
        line = json.dumps({"at": time.time(), "meristem": kind, **fields}) + "\n"
        with self._file.lock:
            self._append(line.encode())

    def flush(self) -> bool:
        """Writes all that waits. False where the disk does not take it."""
        return self._file.flush()

    def close(self) -> None:
        """Writes what waits. What is reported later is dropped, with one warning."""
        pulse.remove(self.flush)
        with self._file.lock:
            self._end_line()
            self._closed = True
            self._file.close()

    def _append(self, line: bytes) -> None:
        self._end_line()
        if not self._closed:
            self._file.append(line)
        elif not self._warned:
            self._warned = True
            warn("something was reported after the task had ended; it is dropped")

    def _end_line(self) -> None:
        line = self._line
        if not line:
            return
        self._line = {}
        step = "" if self._line_step is None else f'"step": {self._line_step}, '
        body = ", ".join([f"{name}: {text}" for name, text in line.items()])
        self._append(f'{{"at": {self._line_at:.6f}, {step}{body}}}\n'.encode())

    def _new_name(self, title: str, series: str) -> str:
        name = scalar_name(str(title), str(series))
        if name in _RESERVED:
            name = f"{name}/{name}"  # read as the same title and series
        if not name or len(name) > spool.LONGEST_NAME or "\0" in name:
            raise InputError(
                f"A scalar cannot be named {name!r:.60}.", fix=f"A name has 1 to {spool.LONGEST_NAME} characters."
            )
        encoded = json.dumps(name.encode("utf-8", "replace").decode())  # no store takes a lone surrogate
        if len(self._names) < _KNOWN_NAMES:
            self._names[title, series] = encoded
        return encoded


def _as_number(name: str, given: Any) -> float:
    try:
        value, sem = spool.read_value(given)
        if sem is not None or isinstance(given, (tuple, list)):
            raise ValueError
    except ValueError:
        raise InputError(f"The scalar {name} got {given!r:.60}.", fix="Its value is one number.") from None
    return value


def _as_step(given: Any) -> int:
    try:
        return spool.read_step(given)
    except ValueError as error:
        raise InputError(f"A report got {error}.") from None
