"""In what tasks differ: code, environment, parameters, metrics, artifacts, and how they went (pure)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SECTIONS = ("task", "code", "packages", "parameters", "metrics", "artifacts")
_DIFF_LINES = 2000
_HASH, _HASH_SHOWN = re.compile("[0-9a-f]{64}"), 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What is compared of a task.

    Attributes:
        about: Project, name, status, duration in seconds …
        packages: Versions by name.
        metrics: Last, lowest and highest value by `title/series`.
        artifacts: Content hash, or URL, by role and name.
        diff: The uncommitted changes of its code, as text; "" where there were none.
    """

    label: str
    about: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    diff: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing, as each task has it. `values` are in the order of the tasks; None: it has none."""

    section: str
    name: str
    values: tuple[Any, ...]
    differs: bool

    @property
    def shown(self) -> tuple[Any, ...]:
        """The values as people read them: of a content hash the first digits."""
        return tuple(_shown_hash(value) for value in self.values) if self.section == "artifacts" else self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Tasks beside each other.

    Attributes:
        labels: What the tasks are called.
        rows: By section, in the order of `SECTIONS`, then by name.
        diffs: Of each task after the first: how its uncommitted changes differ from those of the first, as a unified
            diff of the two; "" where they are the same.
    """

    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    diffs: tuple[str, ...]

    def section(self, name: str) -> list[Row]:
        return [row for row in self.rows if row.section == name]

    def __str__(self) -> str:
        """Plain text: a line for each row, with the values of the tasks in their order, then the diffs."""
        lines = [" | ".join(self.labels)]
        for name in SECTIONS:
            rows = self.section(name)
            lines += [f"{name}:"] if rows else []
            lines += [f"  {row.name}: {' | '.join('-' if v is None else str(v) for v in row.shown)}" for row in rows]
        return "\n".join([*lines, *(diff for diff in self.diffs if diff)])

    def to_json(self) -> dict[str, Any]:
        sections = {
            name: {row.name: list(row.values) for row in rows} for name in SECTIONS if (rows := self.section(name))
        }
        return {"tasks": list(self.labels), "differences": sections, "diffs": list(self.diffs)}


def compare(tasks: Sequence[TaskFacts], *, everything: bool = False) -> Comparison:
    """Puts tasks beside each other: only that in which they differ, unless `everything`."""
    columns: Mapping[str, Callable[[TaskFacts], Mapping[str, Any]]] = {
        "task": lambda task: task.about,
        "code": _code,
        "packages": lambda task: task.packages,
        "parameters": lambda task: task.parameters,
        "metrics": _metrics,
        "artifacts": lambda task: task.artifacts,
    }
    rows = [row for section in SECTIONS for row in _rows(section, [columns[section](task) for task in tasks])]
    return Comparison(
        labels=tuple(task.label for task in tasks),
        rows=tuple(row for row in rows if everything or row.differs),
        diffs=tuple(_diff_of_diffs(tasks[0], task) for task in tasks[1:]),
    )


def _rows(section: str, columns: Sequence[Mapping[str, Any]]) -> list[Row]:
    names = dict.fromkeys(name for column in columns for name in column)
    found = []
    for name in names if section in ("task", "code") else sorted(names):
        values = tuple(column.get(name) for column in columns)
        there = [name in column for column in columns]
        differs = len(set(there)) > 1 or any(not _same(value, values[0]) for value in values)
        found.append(Row(section=section, name=name, values=values, differs=differs))
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(one == other) or (one != one and other != other)  # what is not a number is like another such


def _code(task: TaskFacts) -> dict[str, Any]:
    shown = ("repository", "branch", "commit", "working_dir", "entry", "entry_point", "arguments")
    code = {name: task.source[name] for name in shown if task.source.get(name) is not None}
    if any(name.startswith("Args/") for name in task.parameters):
        code.pop("arguments", None)  # the parameters go before them, and are compared themselves
    if task.diff:
        code["uncommitted changes"] = f"{len(task.diff.splitlines())} lines"
    for name in ("diff", "script"):  # different contents of as many lines differ still
        if isinstance(task.source.get(name), Mapping):
            code[name] = str(task.source[name].get("blob", ""))[:12]
    return code


def _shown_hash(value: Any) -> Any:
    return value[:_HASH_SHOWN] if isinstance(value, str) and _HASH.fullmatch(value) else value


def _metrics(task: TaskFacts) -> dict[str, Any]:
    return {
        f"{name} ({kind})": values.get(kind)
        for name, values in task.metrics.items()
        for kind in ("last", "min", "max")
        if not name.startswith(":")  # of the machine, not of the model
    }


def _diff_of_diffs(first: TaskFacts, other: TaskFacts) -> str:
    if first.diff == other.diff:
        return ""
    lines = difflib.unified_diff(
        first.diff.splitlines()[:_DIFF_LINES], other.diff.splitlines()[:_DIFF_LINES],
        f"uncommitted changes of {first.label}", f"uncommitted changes of {other.label}", lineterm="",
    )  # fmt: skip
    return "\n".join(lines)
