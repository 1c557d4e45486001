"""Understands the lines of a spool's report file: scalars as curves, records as they are (no I/O).

Most lines are scalars, many thousands a second: they are parsed together, and what is plain takes the short way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from meristem.spool import LONGEST_NAME, as_float, read_step, read_value
from meristem.store.output_rows import Curve
from meristem.store.tables import NO_STEP
from meristem.tasks.spool_folder import title_and_series

LINE_LIMIT_BYTES = 1 << 20
KIND = "meristem"  # the key that marks a record
_FAULTS_KEPT = 100  # a training may write nonsense for days


class Lines:
    """What a batch of lines held.

    Attributes:
        records: Everything that is no scalar, in order.
        points: How many scalar values there were.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.records: list[dict[str, Any]] = []
        self.points = 0
        self._curves: dict[tuple[str, str], _Building] = {}
        self._by_name: dict[str, _Building] = {}

    def curves(self) -> list[Curve]:
        """The scalars, by the order in which each first came."""
        return [building.curve() for building in self._curves.values()]

    def take(self, lines: Sequence[bytes]) -> None:
        """Reads whole lines, without their ends."""
        for fields in _parsed(lines, self.faults):
            if KIND in fields:
                self.records.append(fields)
                continue
            try:
                self._scalars(fields)
            except ValueError as error:
                self.faults.add(str(error))

    def _scalars(self, fields: dict[str, Any]) -> None:
        step = fields.pop("step", None)
        at = fields.pop("at", None)
        if step is None:
            step = NO_STEP
        elif type(step) is not int or not NO_STEP < step < -NO_STEP:
            step = read_step(step)
        if type(at) is not float or not 0 <= at < 1e12:
            at = as_float(at) if isinstance(at, (int, float)) and 0 <= at < 1e12 else time.time()
        by_name = self._by_name
        for name, value in fields.items():
            if type(value) is not float:
                value = self._value(name, value)
                if value is None:
                    continue
            building = by_name.get(name) or self._building(name)
            if building is None:
                continue
            building.points[step] = (value, at)
            building.count += 1
            self.points += 1

    def _value(self, name: str, given: Any) -> float | None:
        if type(given) is int:
            return as_float(given)
        try:
            pair = (given.get("value"), given.get("sem")) if isinstance(given, dict) else given
            return read_value(pair)[0]
        except ValueError as error:
            self.faults.add(f"{name:.60}: {error}")
            return None

    def _building(self, name: str) -> _Building | None:
        if not 0 < len(name) <= LONGEST_NAME:
            self.faults.add(f"the name {name[:40]!r}… has not 1 to {LONGEST_NAME} characters")
            return None
        key = title_and_series(name)
        building = self._curves.get(key)
        if building is None:
            building = self._curves[key] = _Building(key)
        self._by_name[name] = building
        return building


class Faults:
    """What could not be understood: how often, and the first of them in words."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[str] = []

    def add(self, fault: str) -> None:
        self.count += 1
        if len(self.kept) < _FAULTS_KEPT:
            self.kept.append(fault[:500])

    def take(self, others: Faults) -> None:
        self.count += others.count
        self.kept += others.kept[: _FAULTS_KEPT - len(self.kept)]


class _Building:
    """A curve that grows: the last value of each step."""

    __slots__ = ("count", "name", "points")

    def __init__(self, name: tuple[str, str]) -> None:
        self.name = name
        self.points: dict[int, tuple[float, float]] = {}
        self.count = 0

    def curve(self) -> Curve:
        values, at = zip(*self.points.values(), strict=True)
        return Curve(
            title=self.name[0], series=self.name[1], steps=list(self.points), values=values, at=at, count=self.count
        )


def _parsed(lines: Sequence[bytes], faults: Faults) -> list[dict[str, Any]]:
    whole = [line for line in lines if line[:1] == b"{" and line[-1:] == b"}" and len(line) <= LINE_LIMIT_BYTES]
    if len(whole) == len(lines):
        try:
            parsed: list[Any] = json.loads(b"[" + b",".join(whole) + b"]")
        except (ValueError, RecursionError):
            parsed = []  # one of them is broken: each by itself, below
        if len(parsed) == len(lines) and set(map(type, parsed)) <= {dict}:
            return parsed
    found = []
    for line in lines:
        try:
            if line.strip():
                found.append(_one(line))
        except (ValueError, RecursionError) as error:
            faults.add(f"{line[:80]!r}: {error}")
    return found


def _one(line: bytes) -> dict[str, Any]:
    if len(line) > LINE_LIMIT_BYTES:
        raise ValueError(f"longer than {LINE_LIMIT_BYTES} bytes")
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError('a report is a JSON object such as {"step": 1, "accuracy": 0.9}')
    return fields
