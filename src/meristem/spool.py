"""The spool: where a training writes what it reports, and from where it is read.

A training appends JSON lines to `report.jsonl` in its own folder and never waits for the store;
whoever started it reads on from a position. The format, for programs in any language:

    {"step": 3, "accuracy": 0.91}                 one or several metrics at a step
    {"step": 3, "loss": {"value": 0.2, "sem": 0.01}}   with its standard error; also "loss": [0.2, 0.01]
    {"accuracy": 0.93}                            without a step: a final value

A file named `stop` in the folder asks the training to stop. Only the standard library is imported
here: this file is loaded into every training.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meristem.errors import InputError, StopTrial

REPORT_FILE, STOP_FILE, PARAMETERS_FILE = "report.jsonl", "stop", "parameters.json"
REPORT_VARIABLE, PARAMETERS_VARIABLE = "MERISTEM_REPORT", "MERISTEM_PARAMETERS"
STORE_VARIABLE = "MERISTEM_STORE"  # the store that is meant where none is named
RECORD = "meristem"  # the key that makes a line a record of a task, naming its kind, and no report of metrics
_LINE_LIMIT_BYTES = 1 << 20
_READ_BYTES = 16 << 20  # at a time
LONGEST_NAME = 500  # of a metric
_FAULTS_KEPT = 100  # a training may write nonsense for days


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One reported value of one metric.

    Attributes:
        step: Where in the training, such as the epoch; None for a final value.
        value: May be NaN or infinite: it is stored and shown, and never reaches a model.
        sem: Standard error of the mean of `value`, 0 or above, where it is known.
        at: Seconds since the epoch, on the clock of the training.
    """

    metric: str
    value: float
    step: int | None = None
    sem: float | None = None
    at: float = 0.0


class LastValues:
    """The last value of each metric: a final one (without a step) where there is one, else that of the highest step.

    Attributes:
        values, sems: By metric; `sems` where standard errors are known.
    """

    def __init__(self, measurements: Iterable[Measurement] = ()) -> None:
        self.values: dict[str, float] = {}
        self.sems: dict[str, float] = {}
        self._steps: dict[str, float] = {}
        self.take(measurements)

    def take(self, measurements: Iterable[Measurement]) -> None:
        for m in measurements:
            step = math.inf if m.step is None else m.step
            if step < self._steps.get(m.metric, -math.inf):
                continue
            self._steps[m.metric] = step
            self.values[m.metric] = m.value
            self.sems.pop(m.metric, None)
            if m.sem is not None:
                self.sems[m.metric] = m.sem


def line_of(step: int | None, metrics: Mapping[str, Any]) -> str:
    """One spool line for `metrics` at `step`.

    Raises:
        InputError: No metrics, a step that is not a whole number, a value that is not a number,
            a standard error below 0, a metric named `at`.
    """
    if not metrics:
        raise InputError("report() got no metrics.", fix="Name at least one: report(step=3, accuracy=0.9).")
    if "at" in metrics:
        raise InputError("report() got a metric named 'at'.", fix="'at' is the time of a report: rename it.")
    fields: dict[str, Any] = {"at": time.time()}
    if step is not None:
        try:
            fields["step"] = read_step(step)
        except ValueError:
            problem = f"report() got step={step!r:.60}."
            raise InputError(problem, fix="A step is a whole number: report(step=3, …).") from None
    for metric, value in metrics.items():
        if len(metric) > LONGEST_NAME:
            raise InputError(f"report() got a metric whose name has more than {LONGEST_NAME} characters.")
        fields[metric] = _plain(metric, value)
    return json.dumps(fields) + "\n"


def _plain(metric: str, value: Any) -> Any:
    try:
        mean, sem = read_value(value)
    except ValueError as error:
        raise InputError(
            f"report() got {metric}={value!r:.60}: {error}.",
            fix="A metric is a number, or a pair (mean, standard error).",
        ) from None
    return mean if sem is None else {"value": mean, "sem": sem}


def read_value(given: Any) -> tuple[float, float | None]:
    """A number, or a pair of a mean and its standard error, of which None and NaN say that it is not known.

    Raises:
        ValueError: It is neither.
    """
    mean, sem = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, None)
    value, error = _number(mean), None if sem is None else _number(sem)
    if error is not None and error < 0:
        raise ValueError("a standard error is 0 or above")
    return value, None if error is None or math.isnan(error) else error


def read_step(given: Any) -> int:
    """A whole number that every store can hold. Raises ValueError where it is none."""
    try:
        if not isinstance(given, bool) and int(given) == given and abs(given) < 1 << 63:
            return int(given)
    except (TypeError, ValueError, OverflowError):
        pass  # no number at all, told as any other
    raise ValueError(f"the step {given!r:.60} is not a whole number")


def _number(given: Any) -> float:
    if hasattr(given, "item") and getattr(given, "size", None) != 0:  # an array or a tensor of one element
        with suppress(TypeError, ValueError, RuntimeError):  # of several: told below
            given = given.item()
    try:
        if isinstance(given, (str, bytes, bool)):
            raise TypeError
        return as_float(given)
    except (TypeError, ValueError):
        raise ValueError(f"{given!r:.60} is not a number") from None


class SpoolWriter:
    """Appends reports to a folder's spool; makes the folder and the file at the first report."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def write(self, step: int | None, metrics: Mapping[str, Any]) -> None:
        line = line_of(step, metrics).encode()
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(self._file, line)

    def stop_asked(self) -> bool:
        return os.path.exists(self.path.with_name(STOP_FILE))

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class SpoolReader:
    """Reads a spool on from where it stopped; an unfinished last line waits for its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position_bytes = 0
        self.faults: list[str] = []

    def read(self, *, final: bool = False) -> list[Measurement]:
        """New measurements since the last call; with `final`, an unfinished last line counts too.

        Lines that cannot be understood are skipped and the first of them told in `faults`.
        """
        data = self._unread()
        more = len(data) == _READ_BYTES
        end = len(data) if final and not more else data.rfind(b"\n") + 1
        if not end and len(data) > _LINE_LIMIT_BYTES:  # no line is that long: it is passed over
            end = len(data)
        self.position_bytes += end
        measurements: list[Measurement] = []
        for line in data[:end].splitlines():
            if line.strip():
                measurements += self._measurements(line)
        if final and more:
            measurements += self.read(final=True)
        return measurements

    def _unread(self) -> bytes:
        try:
            if os.stat(self.path).st_size <= self.position_bytes:
                return b""
            with open(self.path, "rb") as file:
                file.seek(self.position_bytes)
                return file.read(_READ_BYTES)
        except FileNotFoundError:
            return b""
        except OSError as error:  # a training may have put a folder there
            if not self.faults:
                self.faults.append(f"{self.path.name} cannot be read: {error}")
            return b""

    def _measurements(self, line: bytes) -> list[Measurement]:
        try:
            if len(line) > _LINE_LIMIT_BYTES:
                raise ValueError(f"longer than {_LINE_LIMIT_BYTES} bytes")
            return measurements_of(json.loads(line))
        except (ValueError, TypeError, RecursionError) as error:
            if len(self.faults) < _FAULTS_KEPT:
                self.faults.append(f"{line[:80]!r}: {error}")
            return []


def measurements_of(fields: Any) -> list[Measurement]:
    """The measurements of one spool line, parsed from JSON.

    Raises:
        ValueError: The line is no object of numbers.
    """
    if not isinstance(fields, dict):
        raise ValueError('a report is a JSON object such as {"step": 1, "accuracy": 0.9}')
    if isinstance(fields.get(RECORD), str):
        return []  # a task's record: a plot, an artifact; whoever ships tasks reads it
    fields = dict(fields)
    step = fields.pop("step", None)
    at = fields.pop("at", None)
    if step is not None:
        step = read_step(step)
    found = []
    for metric, given in fields.items():
        metric.encode()  # a lone surrogate, which no store takes, raises here
        if len(metric) > LONGEST_NAME:
            raise ValueError(f"the metric name {metric[:40]!r}… has more than {LONGEST_NAME} characters")
        if "\0" in metric:
            raise ValueError(f"the metric name {metric!r:.60} contains NUL")
        pair = (given.get("value"), given.get("sem")) if isinstance(given, dict) else given
        try:
            value, sem = read_value(pair)
        except ValueError as error:
            raise ValueError(f"{metric}: {error}") from None
        found.append(
            Measurement(
                metric=metric,
                value=value,
                step=step,
                sem=sem,
                at=as_float(at) if isinstance(at, (int, float)) and 0 <= at < 1e12 else time.time(),
            )
        )
    return found


def measurements_of_line(line: str) -> list[Measurement]:
    """The measurements of one spool line. Raises ValueError as `measurements_of`."""
    return measurements_of(json.loads(line))


def as_float(value: Any) -> float:
    """A number as a float; infinity where it is too large for one."""
    try:
        return float(value)
    except OverflowError:  # an integer of a thousand digits
        return math.inf if value > 0 else -math.inf


_writer: SpoolWriter | None = None
_task: Callable[[int | None, Mapping[str, Any]], None] | None = None


def send_reports_to(task: Callable[[int | None, Mapping[str, Any]], None] | None) -> None:
    """Has `report` call `task` with step and metrics: this process runs a task. None ends that."""
    global _task
    _task = task


def report(*, step: int | None = None, **metrics: Any) -> None:
    """Reports metrics of this training to the study that started it.

    Works in a program that the `command` executor started (it finds its spool in
    `MERISTEM_REPORT`), and in one that is a task (`Task.init`); else, started by hand, it does nothing.

    Args:
        step: Where in the training, such as the epoch; leave it out for final values.
        metrics: Numbers, or pairs (mean, standard error).

    Raises:
        StopTrial: The study asked this trial to stop.
        InputError: A value is not a number.
    """
    global _writer
    if _task is not None:
        _task(step, metrics)
        return
    path = os.environ.get(REPORT_VARIABLE)
    if path is None:
        line_of(step, metrics)  # the same mistakes are found when run by hand
        return
    if _writer is None or str(_writer.path) != path:
        if _writer is not None:  # a warm worker went on to its next trial
            _writer.close()
        _writer = SpoolWriter(Path(path))
    _writer.write(step, metrics)
    if _writer.stop_asked():
        raise StopTrial("The study asked this trial to stop.")


def parameters() -> dict[str, Any]:
    """The parameters of the trial that this program runs, as the `command` executor wrote them.

    Raises:
        InputError: The program was not started by a study.
    """
    path = os.environ.get(PARAMETERS_VARIABLE)
    if path is None:
        raise InputError(
            "There are no trial parameters here: this program was not started by a study.",
            fix=f"Start it with the command executor, or set {PARAMETERS_VARIABLE} to a JSON file.",
        )
    loaded: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return loaded
