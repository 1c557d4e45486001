"""`FileMetric`: fetches a metric from what a training reported in its folder, for any runner that gives trials one."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from meristem.errors import InputError, did_you_mean
from meristem.executors.call_result import storable
from meristem.executors.command_outcome import completed_or_failed
from meristem.executors.launch import EXIT_CODE_FILE, read_number
from meristem.executors.runner_protocol import Metadata, Value
from meristem.spool import REPORT_FILE, Measurement, SpoolReader, measurements_of


class FileMetric:
    """One metric of the JSON lines that trainings append to `$MERISTEM_REPORT`, or of the result that they print.

    Args:
        name: As trainings report it, and as objectives and limits name it.
        file: Of the JSON lines, in the trial's folder, which the runner's metadata name as `folder`.
    """

    def __init__(self, name: str, *, file: str = REPORT_FILE) -> None:
        if not isinstance(name, str) or not name:
            raise InputError(f"A metric's name is text, not {name!r:.60}.")
        self.name = name
        self._file = file
        self._curves: dict[Path, _Curve] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"FileMetric({self.name!r})"

    def fetch(self, number: int, metadata: Metadata) -> tuple[float, Value]:
        """The step and the value reported last: a final one, else that of the highest step.

        A final value, which has no step, comes with the highest step that the trial reported, else 0.

        Raises:
            LookupError: The trial has not reported this metric (yet).
        """
        folder = Path(metadata["folder"])
        with self._lock:
            curve = self._curves.setdefault(folder, _Curve(folder / self._file))
            curve.read()
            if curve.ended:  # read whole: it need not be kept
                del self._curves[folder]
        found = curve.latest.get(self.name) or (_printed(folder).get(self.name) if not curve.latest else None)
        if found is None:
            known = curve.what_there_is(self.name)
            raise LookupError(
                f"trial {number} has not reported {self.name!r} {'at all' if curve.ended else 'yet'}.{known}"
            )
        step = curve.highest_step if found.step is None else found.step
        return float(step), found.value if found.sem is None else (found.value, found.sem)


class _Curve:
    """What one trial reported so far: the latest measurement of each metric."""

    def __init__(self, path: Path) -> None:
        self.latest: dict[str, Measurement] = {}
        self.highest_step = 0
        self.ended = False
        self._reader = SpoolReader(path)

    def read(self) -> None:
        # Asked before reading: what is written after it is read at the next fetch.
        self.ended = read_number(self._reader.path.parent / EXIT_CODE_FILE) is not None
        for new in self._reader.read(final=self.ended):
            before = self.latest.get(new.metric)
            if before is None or _order(new) >= _order(before):
                self.latest[new.metric] = new
            self.highest_step = max(self.highest_step, new.step or 0)

    def what_there_is(self, wanted: str) -> str:
        others = sorted(self.latest)
        known = f" {did_you_mean(wanted, others)}It reported: {', '.join(others[:10])}." if others else ""
        faults = self._reader.faults
        return known + (f" Lines that cannot be read, the first: {storable(faults[0])}" if faults else "")


def _order(measurement: Measurement) -> tuple[bool, int]:
    return measurement.step is None, measurement.step or 0


def _printed(folder: Path) -> dict[Any, Measurement]:
    """The result on the last line of the output of a training that ended well and reported nothing."""
    if read_number(folder / EXIT_CODE_FILE) != 0:
        return {}
    score = completed_or_failed(folder, 0, reported=False, faults=()).score
    try:  # a lone number does not say of which metric it is: no object, no value
        return {found.metric: found for found in measurements_of(score)}
    except (ValueError, TypeError):
        return {}
