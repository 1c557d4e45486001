"""Tasks of a store, from Python: found, cloned, edited, put into queues, awaited, read.

`Task.get`, `Task.list`, `Task.create` and their like in `tasks.task` lead here; a training that only reports never
loads this.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from meristem.errors import InputError, TaskRefused, did_you_mean
from meristem.events import TaskEvent
from meristem.needs import Needs, read_needs
from meristem.statuses import TASK_ENDED, TaskStatus
from meristem.store.opening import open_store
from meristem.store.output_rows import MetricSummary, Point
from meristem.store.store import Store
from meristem.store.task_rows import TaskFilter, TaskRow
from meristem.tasks.artifacts import StoredArtifact
from meristem.tasks.compare import Comparison, TaskFacts, compare
from meristem.tasks.console_text import shown_lines
from meristem.tasks.drafts import edited_parameters, edited_source, new_draft
from meristem.tasks.spool_folder import new_task_id, scalar_name
from meristem.tasks.stored_reports import StoredReport

_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 0.05, 1.0
_CHUNKS_AT_ONCE = 200
_REPORTS_AT_MOST = 1_000_000
_DIFF_SHOWN_BYTES = 4 << 20


class StoredTask:
    """A task as the store has it. What it says is asked of the store each time; `row` gives all of it at once.

    Attributes:
        number: What people call it by in its store.
        id: 16 hex digits, the first a letter: what it is called everywhere.
    """

    def __init__(self, store: Store, row: TaskRow) -> None:
        self.number, self.id = row.number, row.id
        self._store = store
        self._row = row

    @classmethod
    def get(cls, ref: int | str, *, store: Store | str | None = None) -> StoredTask:
        """The task of this number, id, or beginning of an id.

        Raises:
            TaskNotFound: There is none, or several.
            InputError: There is no such store.
        """
        opened = open_store(store)
        return cls(opened, opened.tasks.get(ref))

    @classmethod
    def list(
        cls,
        *,
        project: str | None = None,
        name: str | None = None,
        status: str | Sequence[str] = (),
        tags: str | Sequence[str] = (),
        queue: str | None = None,
        limit: int = 100,
        store: Store | str | None = None,
    ) -> builtins.list[StoredTask]:
        """Tasks, newest first; all that is given must hold. `name` is a part of the name; of `tags` all are needed."""
        opened = open_store(store)
        statuses = _statuses(_several(status))
        which = TaskFilter(project=project, name=name, statuses=statuses, tags=_several(tags), queue=queue)
        return [cls(opened, row) for row in opened.tasks.list(which, limit=limit)]

    @classmethod
    def create(cls, project: str, name: str, *, store: Store | str | None = None, **draft: Any) -> StoredTask:
        """Makes a draft without running anything; `enqueue` it then.

        Args:
            draft: What it runs and with what: see `tasks.drafts.new_draft`.

        Raises:
            InputError: Not exactly one of `function`, `script` and `module`, or a value that cannot be used.
        """
        new = new_draft(project, name, **draft)
        opened = open_store(store, make=True)
        return cls(opened, opened.tasks.create(new))

    @property
    def row(self) -> TaskRow:
        """All that the store says of it now."""
        self._row = self._store.tasks.get(self.number)
        return self._row

    @property
    def project(self) -> str:
        return self.row.project

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def status(self) -> TaskStatus:
        return self.row.status

    @property
    def message(self) -> str | None:
        """Why it ended otherwise than well."""
        return self.row.message

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.row.parameters)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.row.tags

    @property
    def comment(self) -> str:
        return self.row.comment

    @property
    def result(self) -> Any:
        """What its function returned, or it set itself; None as long as there is nothing."""
        return self.row.result

    @property
    def history(self) -> builtins.list[TaskEvent]:
        """All that happened to it, in order."""
        return self._store.task_log.of(self.number)

    def clone(
        self,
        name: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        project: str | None = None,
        tags: Sequence[str] | None = None,
        comment: str | None = None,
        needs: Needs | Mapping[str, Any] | None = None,
        new: bool = False,
    ) -> StoredTask:
        """A draft like this one, with other parameters where given.

        Args:
            new: `parameters` may hold names that the task has not.

        Raises:
            InputError: A parameter that the task has not.
        """
        row = self.row
        others = {"project": project, "tags": tags, "comment": comment}
        fields: dict[str, Any] = {key: value for key, value in others.items() if value is not None}
        if needs is not None:
            fields["needs"] = read_needs(needs)
        fields["parameters"] = edited_parameters(row, parameters or {}, new=new)
        return StoredTask(self._store, self._store.tasks.clone(row.number, id=new_task_id(), name=name, **fields))

    def set_parameters(self, values: Mapping[str, Any], *, new: bool = False) -> StoredTask:
        """Changes parameters of a draft, by `Section/name`; a name without a section is of the section General.

        Args:
            new: There may be names that the task has not.

        Raises:
            InputError: A name that the task has not: most often a slip, which would silently change nothing.
            TaskRefused: It is no draft.
        """
        self._row = self._store.tasks.edit(self.number, parameters=edited_parameters(self.row, values, new=new))
        return self

    def set_parameter(self, name: str, value: Any, *, new: bool = False) -> StoredTask:
        """As `set_parameters`, of one."""
        return self.set_parameters({name: value}, new=new)

    def set_source(
        self,
        *,
        repository: str | Path | None = None,
        branch: str | None = None,
        commit: str | None = None,
        entry_point: str | None = None,
        working_dir: str | None = None,
        arguments: Sequence[str] | None = None,
        diff: str | bytes | None = None,
    ) -> StoredTask:
        """Changes what code a draft runs.

        Args:
            branch: Without `commit`: its head at this moment.
            diff: Uncommitted changes, as `git diff --binary` gives them; "" for none; None leaves them as they are,
                except where the commit changes: what was changed against another commit is dropped.

        Raises:
            InputError: There is no such branch or commit.
            TaskRefused: It is no draft.
        """
        given = {"entry_point": entry_point, "working_dir": working_dir}
        source: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        source |= edited_source(self.row.source, repository=repository, branch=branch, commit=commit)
        if arguments is not None:
            source["arguments"] = [str(one) for one in arguments]
        if diff is not None:
            data = diff.encode() if isinstance(diff, str) else diff
            source["diff"] = {"blob": self._store.blobs.put(data), "bytes": len(data)} if data else None
        self._row = self._store.tasks.edit(self.number, source=source)
        return self

    def set_needs(self, needs: Needs | Mapping[str, Any]) -> StoredTask:
        """Changes what a draft needs of its machine, such as `{"gpus": 1, "memory": "16GB"}`."""
        self._row = self._store.tasks.edit(self.number, needs=read_needs(needs))
        return self

    def enqueue(
        self,
        queue: str,
        *,
        priority: int = 0,
        delay: timedelta | float | None = None,
        needs: Needs | Mapping[str, Any] | None = None,
    ) -> StoredTask:
        """Puts a draft into a queue.

        Args:
            priority: Higher ones start first.
            delay: It does not start before that has passed; a number means seconds.

        Raises:
            QueueNotFound, QueueRefused: The queue does not exist, or takes no tasks now.
            TaskRefused: It is no draft: `clone()` or `reset()` it.
        """
        if needs is not None:
            self.set_needs(needs)
        later = delay if delay is None or isinstance(delay, timedelta) else timedelta(seconds=delay)
        self._store.queues.enqueue([self.number], queue, priority=priority, delay=later)
        return self

    def dequeue(self) -> StoredTask:
        """Takes it out of its queue: it is a draft again."""
        self._store.queues.dequeue(self.number)
        return self

    def abort(self, message: str = "aborted by hand") -> TaskStatus:
        """Asks for its end. One that waits is aborted at once; one that runs hears of it within seconds: `wait()`."""
        return self._store.claims.request_abort(self.number, message)

    def reset(self) -> StoredTask:
        """Makes it a draft again; what it reported is deleted."""
        self._row = self._store.tasks.reset(self.number)
        return self

    def publish(self) -> StoredTask:
        """Makes it read-only, for good."""
        self._row = self._store.tasks.publish(self.number)
        return self

    def delete(self) -> None:
        """Removes it with all that it reported."""
        self._store.tasks.delete(self.number)

    def add_tags(self, *tags: str) -> StoredTask:
        self._row = self._store.tasks.edit(self.number, add_tags=tags)
        return self

    def remove_tags(self, *tags: str) -> StoredTask:
        self._row = self._store.tasks.edit(self.number, remove_tags=tags)
        return self

    def set_comment(self, text: str) -> StoredTask:
        self._row = self._store.tasks.edit(self.number, comment=text)
        return self

    def rename(self, name: str) -> StoredTask:
        self._row = self._store.tasks.edit(self.number, name=name)
        return self

    def wait(self, timeout: timedelta | float | None = None) -> TaskStatus:
        """Waits until it has ended, or `timeout` (seconds) is over; returns where it stands then.

        Raises:
            TaskRefused: It is a draft: it would be waited for in vain.
        """
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        deadline = None if seconds is None else time.monotonic() + seconds
        pause = _LOOK_SECONDS
        while (status := self.status) not in TASK_ENDED:
            if status is TaskStatus.CREATED:
                raise TaskRefused(self.number, status, "awaited", "Enqueue it first: task.enqueue(queue).")
            if deadline is not None and time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
            if pause >= _LONGEST_LOOK_SECONDS:
                self._store.workers.sweep()  # all workers may have died
            pause = min(1.2 * pause, _LONGEST_LOOK_SECONDS)
        return status

    @property
    def metrics(self) -> dict[str, MetricSummary]:
        """Last, lowest and highest value of each scalar, by `title/series`."""
        return {scalar_name(m.title, m.series): m for m in self._store.task_outputs.metrics(self.number)}

    def scalars(self, title: str, series: str | None = None, *, max_points: int | None = None) -> builtins.list[Point]:
        """The points of a scalar, by step. With `max_points`, of a long curve so many, no spike among them lost."""
        name = title if series is None else series
        return self._store.task_outputs.points(self.number, title, name, max_points=max_points)

    def console(self, *, attempt: int | None = None, raw: bool = False) -> str:
        """What it printed: as a terminal shows it, or `raw`."""
        if raw:
            return "".join(self._console(attempt))
        return "\n".join(shown_lines(self._console(attempt)))

    def _console(self, attempt: int | None) -> Iterator[str]:
        after = 0
        while chunks := self._store.task_outputs.console(self.number, attempt, after=after, limit=_CHUNKS_AT_ONCE):
            yield from (chunk.text for chunk in chunks)
            after = chunks[-1].number

    @property
    def reports(self) -> builtins.list[StoredReport]:
        """Plots, tables, images and texts: each with `.read()` and `.save(path)`."""
        found = self._store.task_outputs.reports(self.number, limit=_REPORTS_AT_MOST)
        return [StoredReport(one, self._store.blobs) for one in found]

    @property
    def artifacts(self) -> dict[str, StoredArtifact]:
        """What it kept, by name."""
        return self._of_role("artifact")

    @property
    def input_models(self) -> dict[str, StoredArtifact]:
        return self._of_role("input_model")

    @property
    def output_models(self) -> dict[str, StoredArtifact]:
        return self._of_role("output_model")

    def _of_role(self, role: str) -> dict[str, StoredArtifact]:
        found = self._store.task_outputs.artifacts(self.number)
        return {a.name: StoredArtifact(a, self._store.blobs) for a in found if a.role == role}

    def facts(self) -> TaskFacts:
        """What is compared of it."""
        row = self.row
        seconds = (row.ended_at or time.time()) - row.started_at if row.started_at else None
        about = {
            "project": row.project, "name": row.name, "status": str(row.status), "message": row.message,
            "seconds": None if seconds is None else round(seconds, 3), "tags": list(row.tags),
            "python": row.environment.get("python"),
        }  # fmt: skip
        return TaskFacts(
            label=f"{row.number} {row.name}",
            about={key: value for key, value in about.items() if value is not None},
            source=row.source,
            packages=_versions(row.environment.get("packages") or ()),
            parameters=row.parameters,
            metrics={name: {"last": m.last, "min": m.min, "max": m.max} for name, m in self.metrics.items()},
            artifacts={
                f"{a.role} {a.name}": str(a.blob or a.url) for a in self._store.task_outputs.artifacts(row.number)
            },
            diff=self._diff(row),
        )

    def _diff(self, row: TaskRow) -> str:
        stored = row.source.get("diff")
        if not isinstance(stored, Mapping) or "blob" not in stored or stored.get("bytes", 0) > _DIFF_SHOWN_BYTES:
            return ""
        return self._store.blobs.get(str(stored["blob"])).decode(errors="replace")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredTask) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        row = self._row
        return f"StoredTask({row.number}, {row.project!r}, {row.name!r}, {row.status})"


def compare_tasks(
    tasks: Sequence[StoredTask | int | str], *, everything: bool = False, store: Store | str | None = None
) -> Comparison:
    """In what tasks differ (see `tasks.compare`); they are given themselves, or by number or id."""
    if len(tasks) < 2:
        raise InputError("A comparison takes at least two tasks.", fix="Name them: Task.compare([12, 13]).")
    found = [one if isinstance(one, StoredTask) else StoredTask.get(one, store=store) for one in tasks]
    return compare([one.facts() for one in found], everything=everything)


def _several(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _statuses(statuses: Sequence[str]) -> Sequence[str]:
    names = [str(status) for status in TaskStatus]
    problems = [f"{one!r} is no status. {did_you_mean(one, names)}" for one in statuses if one not in names]
    if problems:
        raise InputError("Tasks cannot be listed so", problems, f"Known: {', '.join(names)}.")
    return [str(TaskStatus(one)) for one in statuses]


def _versions(packages: Sequence[str]) -> dict[str, str]:
    return {name: version for name, _, version in (one.partition("==") for one in packages)}
