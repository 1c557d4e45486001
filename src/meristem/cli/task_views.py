"""Tasks and queues as they are shown: as JSON, as names and values, as cells of a table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meristem.cli.durations import shown_duration
from meristem.cli.output import iso, shown
from meristem.cli.versions_read import shown_versions
from meristem.needs import Needs, shown_bytes
from meristem.statuses import TaskStatus

if TYPE_CHECKING:
    from meristem.store.output_rows import Artifact, MetricSummary
    from meristem.store.task_rows import QueueRow, TaskRow, WorkerRow
    from meristem.tasks.attempt_story import TaskAttempt

_SHORT_ID = 8
_PACKAGES_SHOWN = 12


def task_view(row: TaskRow, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A task as JSON. `names`: of workers by session."""
    worker = None if row.worker is None else {"id": row.worker, "name": (names or {}).get(row.worker)}
    return {
        "number": row.number,
        "id": row.id,
        "project": row.project,
        "name": row.name,
        "kind": row.kind,
        "status": row.status.value,
        "cause": row.cause and row.cause.value,
        "message": row.message,
        "published": row.published_at is not None,
        "comment": row.comment,
        "tags": list(row.tags),
        "queue": row.queue,
        "priority": row.priority,
        "not_before": iso(row.not_before),
        "attempt": row.attempt,
        "max_attempts": row.max_attempts,
        "worker": worker,
        "parent": row.parent,
        "progress": row.progress,
        "abort_message": row.abort_message,
        "needs": row.needs.to_json(),
        "parameters": dict(row.parameters),
        "result": row.result,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "enqueued_at": iso(row.enqueued_at),
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at),
        "seconds": seconds_of(row),
    }


def seconds_of(row: TaskRow) -> float | None:
    """How long its present or last attempt ran; None where none did."""
    if row.started_at is None or row.status in (TaskStatus.CREATED, TaskStatus.QUEUED):
        return None
    return max(0.0, (row.ended_at or time.time()) - row.started_at)


def shown_status(row: TaskRow, story: str | None = None) -> str:
    """Where it stands, why, and what its earlier attempts came to."""
    status = row.status.value
    if row.cause is not None and row.status not in (TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.ABORTED):
        status += f": {str(row.cause).replace('_', ' ')}"
    if row.abort_message is not None:
        status += ", asked to end"
    elif row.status is TaskStatus.RUNNING and row.progress is not None:
        status += f" {row.progress:.0%}"
    marks = [story, "published" if row.published_at is not None else None]
    said = ", ".join(mark for mark in marks if mark)
    return f"{status} ({said})" if said else status


def shown_needs(needs: Needs) -> str | None:
    """What it needs of its machine, in words; None where it runs anywhere."""
    parts = [
        f"{needs.cpus:g} CPUs" if needs.cpus else "",
        f"{needs.gpus} GPU{'s' if needs.gpus > 1 else ''}" if needs.gpus else "",
        f"{shown_bytes(needs.memory_bytes)} of memory" if needs.memory_bytes else "",
        *sorted(needs.labels),
    ]
    return ", ".join(part for part in parts if part) or None


def list_cells(row: TaskRow, story: str | None, names: Mapping[str, str]) -> dict[str, Any]:
    """Cells of a table of tasks by column."""
    running_or_ended = row.status not in (TaskStatus.CREATED, TaskStatus.QUEUED)
    waits = row.status is TaskStatus.QUEUED and row.enqueued_at is not None
    return {
        "task": row.number,
        "id": row.id[:_SHORT_ID],
        "project": row.project,
        "name": row.name,
        "status": shown_status(row, story),
        "queue": row.queue,
        "attempt": row.attempt or None,
        "worker": names.get(row.worker, row.worker) if row.worker and running_or_ended else None,
        "age": shown_duration(time.time() - row.created_at, short=True),
        "took": shown_duration(seconds_of(row))
        if not waits
        else f"waits {shown_duration(time.time() - (row.enqueued_at or 0), short=True)}",
        "tags": " ".join(row.tags) or None,
    }


def about_pairs(view: Mapping[str, Any], row: TaskRow, story: str | None) -> list[tuple[str, Any]]:
    """Names and values of what a task is and how it stands."""
    waiting = view["why_waiting"]
    worker = view["worker"]
    runs = row.status not in (TaskStatus.CREATED, TaskStatus.QUEUED)
    message = row.message if row.status not in (TaskStatus.COMPLETED, TaskStatus.QUEUED) else None
    return [
        ("task", f"{row.number} ({row.id})"),
        ("project", row.project),
        ("name", row.name),
        ("status", shown_status(row, story)),
        ("why", message),
        ("waits", "; ".join(waiting) or None),
        ("comment", row.comment or None),
        ("tags", " ".join(row.tags) or None),
        ("a copy of", row.parent),
        ("queue", row.queue and (f"{row.queue}, priority {row.priority}" if row.priority else row.queue)),
        ("worker", (worker and runs and (worker["name"] or worker["id"])) or None),
        ("needs", shown_needs(row.needs)),
        ("attempt", f"{row.attempt} (at most {row.max_attempts} where machines are lost)" if row.attempt else None),
        ("created", view["created_at"]),
        ("enqueued", view["enqueued_at"]),
        ("started", view["started_at"] if runs else None),
        ("ended", view["ended_at"]),
        ("took", shown_duration(view["seconds"])),
        ("datasets read", shown_versions(view["datasets"])),
        ("result", row.result),
    ]


def source_pairs(
    source: Mapping[str, Any], environment: Mapping[str, Any], parameters: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """Names and values of what a task runs and in what.

    Args:
        parameters: Those of Args/ go before the arguments that were captured, which are then told apart.
    """
    commit, branch = source.get("commit"), source.get("branch")
    arguments = " ".join(map(str, source.get("arguments") or ()))
    entry = {"script": "script", "module": "module", "function": "function"}.get(source.get("entry", ""), "entry")
    packages = environment.get("packages") or []
    more = f" and {len(packages) - _PACKAGES_SHOWN} more" if len(packages) > _PACKAGES_SHOWN else ""
    working_dir = source.get("working_dir")
    parameters_win = bool(arguments) and any(name.startswith("Args/") for name in parameters)
    called = "" if parameters_win else f" {arguments}"
    return [
        ("repository", source.get("repository") or source.get("root")),
        ("commit", commit and (f"{commit} ({branch})" if branch else commit)),
        ("branch", branch if not commit else None),
        ("uncommitted changes", _diff_size(source.get("diff"))),
        ("untracked files", ", ".join(source.get("untracked") or ()) or None),
        ("in folder", working_dir if working_dir not in (None, ".") else None),
        (entry, source.get("entry_point") and f"{source['entry_point']}{called}".rstrip()),
        ("arguments as captured", f"{arguments} (parameters win)" if parameters_win else None),
        ("Python", environment.get("python")),
        ("container", environment.get("container")),
        ("packages", ", ".join(packages[:_PACKAGES_SHOWN]) + more if packages else None),
        ("notes", " ".join(source.get("notes") or ()) or None),
    ]


def attempt_view(attempt: TaskAttempt) -> dict[str, Any]:
    seconds = None if attempt.ended_at is None else attempt.ended_at - attempt.started_at
    return {
        "attempt": attempt.number,
        "worker": attempt.worker,
        "by_hand": attempt.by_hand,
        "started_at": iso(attempt.started_at),
        "ended_at": iso(attempt.ended_at),
        "seconds": seconds,
        "ended": attempt.ended,
        "cause": attempt.cause and attempt.cause.value,
        "message": attempt.message,
        "before_reset": attempt.before_reset,
    }


def attempt_cells(view: Mapping[str, Any]) -> list[Any]:
    ended = view["ended"] + (f": {view['cause'].replace('_', ' ')}" if view["cause"] else "")
    again = ended.replace("requeued", "given up, enqueued again")
    reset = ", reset since" if view["before_reset"] and view["ended"] != "left to workers" else ""
    worker = "by hand" if view["by_hand"] else view["worker"]
    return [
        view["attempt"],
        worker,
        view["started_at"],
        shown_duration(view["seconds"]),
        again + reset,
        view["message"],
    ]


def metric_view(metric: MetricSummary) -> dict[str, Any]:
    return {
        "title": metric.title,
        "series": metric.series,
        "name": metric_name(metric),
        "count": metric.count,
        "last": metric.last,
        "last_step": metric.last_step,
        "min": metric.min,
        "max": metric.max,
    }


def metric_name(metric: MetricSummary) -> str:
    return metric.title if metric.title == metric.series else f"{metric.title}/{metric.series}"


def metric_cells(view: Mapping[str, Any]) -> list[Any]:
    return [view["name"], view["last"], view["min"], view["max"], view["last_step"], view["count"]]


def artifact_view(artifact: Artifact) -> dict[str, Any]:
    return {
        "name": artifact.name,
        "role": artifact.role,
        "format": artifact.format,
        "size_bytes": artifact.size_bytes,
        "blob": artifact.blob,
        "url": artifact.url,
        "preview": artifact.preview,
        "metadata": dict(artifact.metadata),
        "attempt": artifact.attempt,
        "at": iso(artifact.at),
    }


def artifact_cells(view: Mapping[str, Any]) -> list[Any]:
    size = None if view["size_bytes"] is None else shown_bytes(view["size_bytes"])
    preview = view["url"] or (view["preview"] or "").strip().partition("\n")[0]
    return [view["name"], view["role"].replace("_", " "), view["format"], size, shown(preview, 60) or None]


def queue_view(row: QueueRow, workers: Sequence[WorkerRow]) -> dict[str, Any]:
    """A queue as JSON; `workers`: those that serve it."""
    return {
        "name": row.name,
        "status": row.status.value,
        "description": row.description,
        "waiting": row.waiting,
        "delayed": row.delayed,
        "running": row.running,
        "oldest_seconds": row.oldest_seconds,
        "workers": [worker.name for worker in workers],
        "created_at": iso(row.created_at),
    }


def _diff_size(diff: Any) -> str | None:
    if not diff:
        return None
    size = diff.get("bytes") if isinstance(diff, Mapping) else None
    return "yes" if size is None else f"{shown_bytes(size)} (meristem task show --diff shows them)"
