"""Understands the records of a spool: what is no scalar becomes parts of a shipment. Files are handed to `keep`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meristem.spool import LONGEST_NAME, read_step
from meristem.statuses import TaskStatus
from meristem.store.output_rows import Artifact, Report
from meristem.tasks.report_lines import KIND, Faults

REPORT_KINDS = ("plot", "table", "image", "text")
ROLES = ("artifact", "input_model", "output_model", "configuration")
_ENDS = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.ABORTED)
Keep = Callable[[str], tuple[str, int]]  # stores a file of the spool: the name of its blob, and its size in bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the training said that it ended.

    Attributes:
        at_exit: Told as the process ended, whose exit status may still say otherwise.
        at: Seconds since the epoch, on the training's clock.
    """

    status: TaskStatus
    message: str | None = None
    traceback: str | None = None
    at_exit: bool = False
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """The script ended so that a worker runs it."""

    queue: str
    priority: int = 0


@dataclass(slots=True, kw_only=True)
class Harvest:
    """What the records of a batch come to."""

    reports: list[Report] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    checked_out: dict[str, str] = field(default_factory=dict)  # the commit, where the task named none
    tags: dict[str, bool] = field(default_factory=dict)  # whether each is there in the end
    comment: str | None = None
    progress: float | None = None
    result: Any = None
    has_result: bool = False
    ended: Ended | None = None
    remote: Remote | None = None

    def take(self, record: Mapping[str, Any], keep: Keep, faults: Faults) -> None:
        """Adds one record; one that cannot be understood, or whose file is not there, is told in `faults`.

        Raises:
            StoreError: The blob store cannot be written just now.
        """
        kind = record.get(KIND)
        try:
            if kind in REPORT_KINDS:
                self.reports.append(_report(str(kind), record, keep))
            elif kind == "artifact":
                self.artifacts.append(_artifact(record, keep))
            elif kind == "source":
                self.source.update(stored_files(_values(record), keep))
            elif isinstance(kind, str) and (reader := _READERS.get(kind)):
                reader(self, record)
            else:
                raise ValueError("no record of that kind is known")
        except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError, OSError) as error:
            faults.add(f"record {kind!r:.40}: {error}")

    def _parameters(self, record: Mapping[str, Any]) -> None:
        self.parameters.update(_values(record))

    def _environment(self, record: Mapping[str, Any]) -> None:
        self.environment.update(_values(record))

    def _checked_out(self, record: Mapping[str, Any]) -> None:
        self.checked_out = {"commit": _name(record.get("commit"))}

    def _tags(self, record: Mapping[str, Any]) -> None:
        self.tags.update({_name(tag): True for tag in record.get("add") or ()})
        self.tags.update({_name(tag): False for tag in record.get("remove") or ()})

    def _comment(self, record: Mapping[str, Any]) -> None:
        self.comment = str(record.get("text", ""))

    def _progress(self, record: Mapping[str, Any]) -> None:
        value = float(record["value"])
        if not math.isfinite(value):
            raise ValueError("progress is a number from 0 to 1")
        self.progress = min(1.0, max(0.0, value))

    def _result(self, record: Mapping[str, Any]) -> None:
        self.result, self.has_result = record.get("value"), True

    def _ended(self, record: Mapping[str, Any]) -> None:
        self.ended = read_ended(record)

    def _enqueue(self, record: Mapping[str, Any]) -> None:
        self.remote = read_remote(record)


_READERS: Mapping[str, Callable[[Harvest, Mapping[str, Any]], None]] = {
    "parameters": Harvest._parameters,
    "environment": Harvest._environment,
    "checked_out": Harvest._checked_out,
    "tags": Harvest._tags,
    "comment": Harvest._comment,
    "progress": Harvest._progress,
    "result": Harvest._result,
    "ended": Harvest._ended,
    "enqueue": Harvest._enqueue,
}


def read_ended(record: Mapping[str, Any]) -> Ended:
    """Raises ValueError where it names no status in which a task ends."""
    status = TaskStatus(str(record.get("status")))
    if status not in _ENDS:
        raise ValueError(f"a task does not end as {status}")
    return Ended(
        status=status,
        message=_text(record.get("message")),
        traceback=_text(record.get("traceback")),
        at_exit=record.get("at_exit") is True,
        at=_at(record),
    )


def read_remote(record: Mapping[str, Any]) -> Remote:
    """Raises ValueError where it names no queue."""
    return Remote(queue=_name(record.get("queue")), priority=int(record.get("priority") or 0))


def stored_files(source: Any, keep: Keep) -> Any:
    """A source whose files are in the blob store: `{"blob": name, "bytes": n}` in place of each `{"file": path}`.

    A file that is not there is left out; that it is missing shows when the task is prepared.
    """
    if not isinstance(source, dict):
        return source
    if isinstance(source.get("file"), str) and len(source) == 1:
        try:
            blob, size = keep(source["file"])
        except (ValueError, OSError):
            return None
        return {"blob": blob, "bytes": size}
    stored = {name: stored_files(value, keep) for name, value in source.items()}
    return {name: value for name, value in stored.items() if value is not None or source[name] is None}


def _values(record: Mapping[str, Any]) -> dict[str, Any]:
    values = record.get("values")
    if not isinstance(values, dict):
        raise ValueError("it needs values by name")
    return values


def _report(kind: str, record: Mapping[str, Any], keep: Keep) -> Report:
    text = _text(record.get("text"))
    blob, size = keep(str(record["file"])) if record.get("file") else (None, len((text or "").encode()))
    if blob is None and text is None:
        raise ValueError("it names neither a file nor a text")
    step = record.get("step")
    drawn = record.get("vector")
    vector = keep(str(drawn["file"]))[0] if blob and isinstance(drawn, Mapping) and drawn.get("file") else None
    return Report(
        kind=kind,
        title=_name(record.get("title")),
        series=_name(record.get("series") or record.get("title")),
        step=None if step is None else read_step(step),
        format=_name(record.get("format") or "text"),
        text=None if blob else text,
        blob=blob,
        vector=vector,
        size_bytes=size,
        at=_at(record),
    )


def _artifact(record: Mapping[str, Any], keep: Keep) -> Artifact:
    role = str(record.get("role") or "artifact")
    if role not in ROLES:
        raise ValueError(f"the role {role!r:.40} is none of {', '.join(ROLES)}")
    url = _text(record.get("url"))
    if not record.get("file") and not url:
        raise ValueError("it names neither a file nor a url")
    blob, size = keep(str(record["file"])) if record.get("file") else (None, None)
    metadata = record.get("metadata")
    return Artifact(
        role=role,
        name=_name(record.get("name")),
        format=_name(record.get("format") or "file"),
        blob=blob,
        url=None if blob else url,
        size_bytes=size,
        preview=_text(record.get("preview")),
        metadata=metadata if isinstance(metadata, dict) else {},
        at=_at(record),
    )


def _name(given: Any) -> str:
    if not isinstance(given, str) or not given or len(given) > LONGEST_NAME:
        raise ValueError(f"{given!r:.60} is no name of 1 to {LONGEST_NAME} characters")
    return given


def _text(given: Any) -> str | None:
    return None if given is None else str(given)


def _at(record: Mapping[str, Any]) -> float:
    at = record.get("at")
    return float(at) if isinstance(at, (int, float)) and 0 <= at < 1e12 else time.time()
