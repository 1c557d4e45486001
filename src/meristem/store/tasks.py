"""The repository of tasks: made, found, edited while they are drafts, reset, published, deleted.

What queues do with them is in `queues` and `claims`, what their trainings report in `task_outputs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from meristem.errors import InputError, TaskNotFound, TaskRefused
from meristem.events import TaskEventKind
from meristem.naming import check_attempts, naming_problems
from meristem.needs import Needs
from meristem.statuses import TASK_ENDED, TaskStatus
from meristem.store.commits import clean, to_text
from meristem.store.database import Database
from meristem.store.lease import database_now
from meristem.store.tables import (
    needs,
    queues,
    task_artifacts,
    task_console,
    task_definitions,
    task_events,
    task_metrics,
    task_points,
    task_reports,
    task_spools,
    task_tags,
    tasks,
)
from meristem.store.task_log import TaskTeller
from meristem.store.task_reading import QUERY, find_number, rows_of
from meristem.store.task_rows import NewTask, TaskFilter, TaskRow

_BULK = 1000
_OF_DRAFTS = ("parameters", "remove", "source", "environment", "needs", "max_attempts")


class Tasks:
    """Makes, finds, edits and deletes tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now = database_now(database)
        self._teller = TaskTeller(database)

    def create(self, new: NewTask) -> TaskRow:
        """Makes a task. May be repeated: with an id that is known, the task that has it is meant."""
        return self.get(self.create_many([new])[0])

    def create_many(self, news: Sequence[NewTask]) -> list[int]:
        """Makes tasks, all or none, and returns their numbers. May be repeated, as `create`."""
        for new in news:
            _check(new)
        return self._database.write(lambda connection: self._create(connection, news))

    def find(self, ref: int | str) -> TaskRow | None:
        """The task of this number or id, or whose id alone begins so."""

        def work(connection: Connection) -> TaskRow | None:
            number = find_number(connection, ref, self._database.shown_url)
            found = rows_of(connection, QUERY.where(tasks.c.number == number)) if number is not None else []
            return found[0] if found else None

        return self._database.read(work)

    def get(self, ref: int | str) -> TaskRow:
        """As `find`.

        Raises:
            TaskNotFound: There is none, or several.
        """
        if row := self.find(ref):
            return row
        raise TaskNotFound(str(ref), self._database.shown_url)

    def get_many(self, numbers: Sequence[int]) -> list[TaskRow]:
        """The tasks of these numbers that there are, in order of their numbers."""
        query = QUERY.where(tasks.c.number.in_(numbers)).order_by(tasks.c.number)
        return self._database.read(lambda connection: rows_of(connection, query)) if numbers else []

    def counts(self, which: TaskFilter | None = None) -> dict[str, int]:
        """How many tasks there are, by status."""
        query = select(tasks.c.status, func.count()).join(task_definitions, task_definitions.c.number == tasks.c.number)
        query = query.join(queues, queues.c.id == tasks.c.queue, isouter=True)
        query = _filtered(query, which or TaskFilter()).group_by(tasks.c.status)
        return {row[0]: row[1] for row in self._database.read(lambda c: c.execute(query).all())}

    def edit(
        self,
        number: int,
        *,
        parameters: Mapping[str, Any] | None = None,
        remove: Sequence[str] = (),
        source: Mapping[str, Any] | None = None,
        environment: Mapping[str, Any] | None = None,
        needs: Needs | None = None,
        max_attempts: int | None = None,
        add_tags: Sequence[str] = (),
        remove_tags: Sequence[str] = (),
        name: str | None = None,
        project: str | None = None,
        comment: str | None = None,
        kind: str | None = None,
    ) -> TaskRow:
        """Changes a task; mappings are merged into what it has. All or nothing.

        Args:
            remove: Names of parameters to take away.

        Raises:
            InputError: A name that cannot be one.
            TaskRefused: It is published; or what it runs by shall change and it is no draft any more.
            TaskNotFound: There is none.
        """
        asked = {
            "parameters": parameters, "remove": remove, "source": source, "environment": environment,
            "needs": needs, "max_attempts": max_attempts,
        }  # fmt: skip
        texts = {"name": name, "project": project, "comment": comment, "kind": kind}
        names = {what: given for what, given in texts.items() if given is not None and what != "comment"}
        if problems := naming_problems(tags=add_tags, **names):
            raise InputError(f"Task {number} cannot be called so", problems)
        if max_attempts is not None:
            check_attempts(max_attempts)
        drafts_only = any(asked[name] not in (None, (), []) for name in _OF_DRAFTS)

        def work(connection: Connection) -> None:
            row = self._locked(connection, number)
            _require_unpublished(row, "edited")
            if drafts_only and row.status is not TaskStatus.CREATED:
                _refuse(row, "edited")
            described: dict[str, Any] = {column: clean(text) for column, text in texts.items() if text is not None}
            if parameters is not None or remove:
                kept = {name: value for name, value in row.parameters.items() if name not in set(remove)}
                described["parameters"] = to_text({**kept, **(parameters or {})})
            if source is not None:
                merged = {**row.source, **source}
                described["source"] = to_text({name: value for name, value in merged.items() if value is not None})
            if environment is not None:
                described["environment"] = to_text({**row.environment, **environment})
            self._describe(connection, number, described)
            self._tag(connection, number, add_tags, remove_tags)
            hot: dict[str, Any] = {} if max_attempts is None else {"max_attempts": max_attempts}
            if needs is not None:
                hot["needs"] = needs_id(connection, needs)
            if hot:
                connection.execute(update(tasks).where(tasks.c.number == number).values(hot))
            changed = [*described, *hot, *(["tags"] if add_tags or remove_tags else [])]
            payload: dict[str, Any] = {"changed": sorted(changed)}
            if parameters:
                payload["parameters"] = dict(parameters)
            self._teller.tell(connection, TaskEventKind.TASK_EDITED, {number: payload})

        self._database.write(work)
        return self.get(number)

    def reset(self, number: int) -> TaskRow:
        """Makes an ended task a draft again; what it reported is deleted.

        Raises:
            TaskRefused: It waits, runs or is published.
        """

        def work(connection: Connection) -> None:
            row = self._locked(connection, number)
            _require_unpublished(row, "reset")
            if row.status not in TASK_ENDED and row.status is not TaskStatus.CREATED:
                _refuse(row, "reset")
            _delete_outputs(connection, number)
            values = {
                "status": TaskStatus.CREATED.value, "queue": None, "attempt": 0, "charged": 0,
                "fence": tasks.c.fence + 1, "worker": None, "abort_message": None, "enqueued_at": None,
                "started_at": None, "ended_at": None, "cause": None, "message": None, "result": None,
            }  # fmt: skip
            connection.execute(update(tasks).where(tasks.c.number == number).values(values))
            self._describe(connection, number, {"progress": None})
            self._teller.tell(connection, TaskEventKind.TASK_RESET, {number: {"was": row.status.value}})

        self._database.write(work)
        return self.get(number)

    def publish(self, number: int) -> TaskRow:
        """Makes an ended task read-only, for good. May be repeated.

        Raises:
            TaskRefused: It has not ended.
        """

        def work(connection: Connection) -> None:
            row = self._locked(connection, number)
            if row.published_at is not None:
                return
            if row.status not in TASK_ENDED:
                _refuse(row, "published")
            self._describe(connection, number, {"published_at": self._now})
            self._teller.tell(connection, TaskEventKind.TASK_PUBLISHED, {number: {}})

        self._database.write(work)
        return self.get(number)

    def clone(self, number: int, *, id: str, name: str | None = None, **fields: Any) -> TaskRow:
        """Makes a draft like task `number`: its source, environment, parameters, tags and needs.

        Args:
            id: The id of the new one.
            fields: Fields of `NewTask` to be different; `parameters` are merged.
        """
        of = self.get(number)
        parameters = {**of.parameters, **fields.pop("parameters", {})}
        same = {
            name: getattr(of, name)
            for name in ("project", "kind", "comment", "tags", "source", "environment", "needs", "max_attempts")
        }
        new = NewTask(
            **{"id": id, "name": name or of.name, **same, "parameters": parameters, "parent": of.number, **fields}
        )
        return self.create(new)

    def delete(self, number: int) -> None:
        """Removes a task with all that belongs to it. Its blobs stay: others may have them too.

        Raises:
            TaskRefused: It waits, runs or is published.
        """

        def work(connection: Connection) -> None:
            row = self._locked(connection, number)
            _require_unpublished(row, "deleted")
            if row.status in (TaskStatus.RUNNING, TaskStatus.QUEUED):
                _refuse(row, "deleted")
            _delete_outputs(connection, number)
            for table in (task_tags, task_events):
                connection.execute(delete(table).where(table.c.task == number))
            connection.execute(delete(task_definitions).where(task_definitions.c.number == number))
            connection.execute(delete(tasks).where(tasks.c.number == number))

        self._database.write(work)

    def start_by_hand(self, number: int, session: str) -> int:
        """Counts a draft as running, by a script that was started by hand; returns the fence of this attempt.

        May be repeated by the same session.

        Raises:
            TaskRefused: It is no draft.
        """

        def work(connection: Connection) -> int:
            row = self._locked(connection, number)
            if row.status is TaskStatus.RUNNING and row.worker == session:
                return row.fence
            if row.status is not TaskStatus.CREATED:
                _refuse(row, "started")
            values = {
                "status": TaskStatus.RUNNING.value, "worker": session, "attempt": tasks.c.attempt + 1,
                "fence": tasks.c.fence + 1, "started_at": self._now,
            }  # fmt: skip
            connection.execute(update(tasks).where(tasks.c.number == number).values(values))
            payload = {"attempt": row.attempt + 1, "worker": session, "by_hand": True}
            self._teller.tell(connection, TaskEventKind.TASK_STARTED, {number: payload})
            return row.fence + 1

        return self._database.write(work)

    def _create(self, connection: Connection, news: Sequence[NewTask]) -> list[int]:
        known = _numbers_by_id(connection, [new.id for new in news])
        fresh = list({new.id: new for new in news if new.id not in known}.values())
        for start in range(0, len(fresh), _BULK):
            part = fresh[start : start + _BULK]
            ids = {key: needs_id(connection, new.needs) for key, new in {n.needs.key: n for n in part}.items()}
            rows = [
                {"status": TaskStatus.CREATED.value, "needs": ids[n.needs.key], "max_attempts": n.max_attempts}
                for n in part
            ]
            made = connection.execute(insert(tasks).returning(tasks.c.number, sort_by_parameter_order=True), rows)
            numbers = list(made.scalars())
            self._insert_definitions(connection, part, numbers)
            known |= {new.id: number for new, number in zip(part, numbers, strict=True)}
        return [known[new.id] for new in news]

    def _insert_definitions(self, connection: Connection, news: Sequence[NewTask], numbers: Sequence[int]) -> None:
        statement = insert(task_definitions).values(created_at=self._now, updated_at=self._now)
        rows = [
            {
                "number": number, "id": new.id, "project": clean(new.project), "name": clean(new.name),
                "kind": new.kind, "comment": clean(new.comment), "source": to_text(new.source),
                "environment": to_text(new.environment), "parameters": to_text(new.parameters), "parent": new.parent,
            }
            for new, number in zip(news, numbers, strict=True)
        ]  # fmt: skip
        connection.execute(statement, rows)
        tags = [{"task": n, "tag": clean(t)} for new, n in zip(news, numbers, strict=True) for t in set(new.tags)]
        if tags:
            connection.execute(insert(task_tags), tags)
        told = {
            number: {"project": new.project, "name": new.name, "parent": new.parent}
            for new, number in zip(news, numbers, strict=True)
        }
        self._teller.tell(connection, TaskEventKind.TASK_CREATED, told)

    def _locked(self, connection: Connection, number: int) -> TaskRow:
        query = QUERY.where(tasks.c.number == number)
        if not self._database.is_sqlite:
            query = query.with_for_update(of=tasks)
        found = rows_of(connection, query)
        if not found:
            raise TaskNotFound(str(number), self._database.shown_url)
        return found[0]

    def _describe(self, connection: Connection, number: int, values: Mapping[str, Any]) -> None:
        statement = update(task_definitions).where(task_definitions.c.number == number)
        connection.execute(statement.values(updated_at=self._now, **values))

    @staticmethod
    def _tag(connection: Connection, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        gone = {clean(tag) for tag in (*add, *remove)}
        if gone:
            connection.execute(delete(task_tags).where(task_tags.c.task == number, task_tags.c.tag.in_(gone)))
        if add:
            connection.execute(insert(task_tags), [{"task": number, "tag": clean(tag)} for tag in set(add)])

    # Last in the class: below it, `list` is no longer the type.
    def list(self, which: TaskFilter | None = None, *, limit: int = 100, before: int | None = None) -> list[TaskRow]:
        """Tasks, newest first; `before` reads on below a number."""
        query = _filtered(QUERY, which or TaskFilter()).order_by(tasks.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(tasks.c.number < before)
        return self._database.read(lambda connection: rows_of(connection, query))


def _check(new: NewTask) -> None:
    if problems := naming_problems(project=new.project, name=new.name, kind=new.kind, tags=new.tags):
        raise InputError("A task cannot be called so", problems)
    check_attempts(new.max_attempts)


def needs_id(connection: Connection, wanted: Needs) -> int:
    """The number of these needs in the store, given now if they have none."""
    query = select(needs.c.id).where(needs.c.key == wanted.key)
    if (found := connection.execute(query).scalar()) is not None:
        return int(found)
    connection.exec_driver_sql(
        "INSERT INTO needs (key) VALUES (?) ON CONFLICT DO NOTHING"
        if connection.dialect.name == "sqlite"
        else "INSERT INTO needs (key) VALUES (%s) ON CONFLICT DO NOTHING",
        (wanted.key,),
    )
    return int(connection.execute(query).scalar_one())


def _numbers_by_id(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(ids), _BULK):
        part = task_definitions.c.id.in_(ids[start : start + _BULK])
        query = select(task_definitions.c.id, task_definitions.c.number).where(part)
        found |= {row.id: row.number for row in connection.execute(query)}
    return found


def _filtered(query: Select[Any], which: TaskFilter) -> Select[Any]:
    definition = task_definitions.c
    conditions: list[ColumnElement[bool]] = []
    for column, wanted in (
        (definition.project, which.project), (definition.kind, which.kind), (definition.parent, which.parent),
        (queues.c.name, which.queue), (tasks.c.worker, which.worker),
    ):  # fmt: skip
        if wanted is not None:
            conditions.append(column == wanted)
    if which.name is not None:
        conditions.append(definition.name.icontains(which.name, autoescape=True))
    if which.statuses:
        conditions.append(tasks.c.status.in_([str(TaskStatus(status)) for status in which.statuses]))
    conditions += [exists().where(task_tags.c.task == tasks.c.number, task_tags.c.tag == tag) for tag in which.tags]
    return query.where(*conditions)


def _delete_outputs(connection: Connection, number: int) -> None:
    of_task = select(task_metrics.c.id).where(task_metrics.c.task == number)
    connection.execute(delete(task_points).where(task_points.c.metric.in_(of_task)))
    for table in (task_metrics, task_console, task_reports, task_artifacts, task_spools):
        connection.execute(delete(table).where(table.c.task == number))


def _require_unpublished(row: TaskRow, wanted: str) -> None:
    if row.published_at is not None:
        fix = f"A published task is read-only. Work with a copy of it: meristem task clone {row.number}."
        raise TaskRefused(row.number, "published", wanted, fix)


def _refuse(row: TaskRow, wanted: str) -> None:
    ways = {
        TaskStatus.CREATED: f"Run it first: meristem task enqueue {row.number} --queue NAME.",
        TaskStatus.QUEUED: f"Take it out of its queue first: meristem task abort {row.number}, or dequeue it.",
        TaskStatus.RUNNING: f"Wait for it, or end it: meristem task abort {row.number}.",
    }
    fix = ways.get(
        row.status, f"Work with a copy (meristem task clone {row.number}) or reset it (meristem task reset)."
    )
    raise TaskRefused(row.number, row.status.value, wanted, fix)
