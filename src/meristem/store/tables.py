"""The tables of the store. A change here needs a numbered migration beside it (`migrations/versions`)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex

metadata = MetaData()


@compiles(CreateIndex, "postgresql")
def _create_index(create: CreateIndex, compiler: Any, **options: Any) -> str:
    """Indexes of only some rows are told for SQLite alone (`sqlite_where`), and mean it for PostgreSQL too: to name
    PostgreSQL's options would load the modules of all its drivers at each start of a command."""
    told = create.element.dialect_options
    if told["postgresql"]["where"] is None:
        told["postgresql"]["where"] = told["sqlite"]["where"]
    return str(compiler.visit_create_index(create, **options))


# The step of a final value, which has none: below any step that a training reports.
NO_STEP = -(2**63)

studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("folder_key", Text, nullable=False, server_default=""),  # tells its folder from a namesake's
    Column("definition", Text, nullable=False),  # JSON: what makes the study this study
    Column("setup", Text, nullable=False),  # JSON: how it was last run (executor, handlers, budget …)
    Column("status", Text, nullable=False),
    Column("message", Text),  # why it ended
    Column("stop_message", Text),  # set: somebody asks the running engine to stop
    Column("suspended_slots", Text, nullable=False, server_default="{}"),  # JSON: since when, by slot
    Column("run", Integer, nullable=False, default=0),  # how often it was started
    Column("trials_created", Integer, nullable=False, default=0),
    Column("last_event", BigInteger, nullable=False, default=0),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("lease_owner", Text),
    Column("lease_token", BigInteger, nullable=False, default=0),
    Column("lease_expires_at", Double),
)

trials = Table(
    "trials",
    metadata,
    Column("study_id", Integer, ForeignKey("studies.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),  # failed attempts so far
    Column("run_by", Text, nullable=False),  # "engine", or "caller" for ask and tell
    Column("slot", Integer),
    Column("parameters", Text, nullable=False),  # JSON
    Column("origin", Text, nullable=False),  # JSON
    Column("deployment", Text),  # JSON: by what a running trial is found in the system that it was deployed to
    Column("metrics", Text),  # JSON, final values
    Column("sems", Text),  # JSON, standard errors of final values
    Column("score", Text),  # JSON
    Column("loss", Double),  # finite, lower is better
    Column("error", Text),
    Column("traceback", Text),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("abort_message", Text),  # set: somebody asks the engine to give it up
    Column("end_event", BigInteger),  # number of the event that told of its end: the order of ending
    Index("trials_by_status", "study_id", "status"),
    Index("trials_by_loss", "study_id", "loss", "number"),
    Index("trials_by_end", "study_id", "end_event"),
)

measurements = Table(
    "measurements",
    metadata,
    Column("study_id", Integer, ForeignKey("studies.id"), primary_key=True),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("metric", Text, primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double),  # NULL: not a number
    Column("sem", Double),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("study_id", Integer, ForeignKey("studies.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("trial", Integer),
    Column("payload", Text, nullable=False),  # JSON
    Column("write_id", Text, nullable=False),  # which commit wrote it: tells whether an unsure one arrived
    sqlite_with_rowid=False,
)

# Tasks. What changes at each claim and end stands in `tasks`, a narrow row; what describes a task stands beside it.

queues = Table(
    "queues",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("created_at", Double, nullable=False),
)

needs = Table(
    "needs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # canonical JSON
)

tasks = Table(
    "tasks",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("queue", Integer),  # where it waits, or came from; none: started by hand
    Column("needs", Integer, nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),  # higher first
    Column("position", Double, nullable=False, server_default="0"),  # within a priority, lower first
    Column("not_before", Double),  # set: it waits for this moment
    Column("attempt", Integer, nullable=False, server_default="0"),  # since it was made or reset
    Column("charged", Integer, nullable=False, server_default="0"),  # attempts that count against max_attempts
    Column("max_attempts", Integer, nullable=False, server_default="3"),
    Column("fence", Integer, nullable=False, server_default="0"),  # grows with each claim, end and reset, for ever
    Column("worker", Text),
    Column("abort_message", Text),  # set: somebody asks for its end
    Column("enqueued_at", Double),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("cause", Text),
    Column("message", Text),
    Column("result", Text),  # JSON
    sqlite_autoincrement=True,
)
_WAITING = text("status = 'queued' AND not_before IS NULL")
Index(
    "tasks_ready", tasks.c.queue, tasks.c.needs, tasks.c.priority.desc(), tasks.c.position, tasks.c.number,
    sqlite_where=_WAITING,
)  # fmt: skip
_DELAYED = text("status = 'queued' AND not_before IS NOT NULL")
Index("tasks_delayed", tasks.c.not_before, sqlite_where=_DELAYED)
_RUNNING = text("status = 'running'")
Index("tasks_running", tasks.c.worker, sqlite_where=_RUNNING)

task_definitions = Table(
    "task_definitions",
    metadata,
    Column("number", Integer, ForeignKey("tasks.number"), primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("project", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("comment", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False),  # JSON
    Column("environment", Text, nullable=False),  # JSON
    Column("parameters", Text, nullable=False),  # JSON
    Column("parent", Integer),  # number of the task that it was cloned from
    Column("progress", Double),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("published_at", Double),
    Index("tasks_by_project", "project", "number"),
)

task_tags = Table(
    "task_tags",
    metadata,
    Column("task", Integer, ForeignKey("tasks.number"), primary_key=True, autoincrement=False),
    Column("tag", Text, primary_key=True),
    Index("tasks_by_tag", "tag", "task"),
    sqlite_with_rowid=False,
)

task_events = Table(
    "task_events",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    # PostgreSQL: the transaction that wrote it, by which readers know what may still come before it.
    Column("xact", BigInteger, nullable=False, server_default="0"),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("task", Integer, nullable=False),
    Column("payload", Text, nullable=False),  # JSON
    Index("task_events_by_task", "task", "position"),
    Index("task_events_by_xact", "xact", "position"),
    sqlite_autoincrement=True,
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),  # of one process, never used again
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("queues", Text, nullable=False),  # JSON: names, in order of preference
    Column("offer", Text, nullable=False),  # JSON
    Column("facts", Text, nullable=False),  # JSON: host, pid, versions
    Column("usage", Text, nullable=False, server_default="{}"),  # JSON: how busy its machine was at the last heartbeat
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("lease_expires_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("message", Text),
)
_LIVING = text("status IN ('active', 'draining')")
Index("workers_living", workers.c.id, sqlite_where=_LIVING)

task_spools = Table(
    "task_spools",
    metadata,
    Column("task", Integer, ForeignKey("tasks.number"), primary_key=True, autoincrement=False),
    Column("fence", Integer, nullable=False),
    Column("report_bytes", BigInteger, nullable=False),  # how much of the attempt's spool is in the store
    Column("console_bytes", BigInteger, nullable=False),
)

task_metrics = Table(
    "task_metrics",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task", Integer, ForeignKey("tasks.number"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("last", Double),  # NULL: not a number
    Column("last_step", BigInteger, nullable=False),
    Column("min", Double),
    Column("max", Double),
    Index("task_metrics_by_name", "task", "attempt", "title", "series", unique=True),
)

task_points = Table(
    "task_points",
    metadata,
    Column("metric", Integer, primary_key=True, autoincrement=False),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double),  # NULL: not a number
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)

task_console = Table(
    "task_console",
    metadata,
    Column("task", Integer, ForeignKey("tasks.number"), primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("text", Text, nullable=False),
    sqlite_with_rowid=False,
)

task_reports = Table(
    "task_reports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task", Integer, ForeignKey("tasks.number"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # plot, table, image, text
    Column("title", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("format", Text, nullable=False),
    Column("text", Text),
    Column("blob", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    Index("task_reports_by_task", "task", "attempt", "kind", "title", "series", "step"),
)

task_artifacts = Table(
    "task_artifacts",
    metadata,
    Column("task", Integer, ForeignKey("tasks.number"), primary_key=True, autoincrement=False),
    Column("role", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("format", Text, nullable=False),
    Column("blob", Text),
    Column("url", Text),
    Column("size_bytes", BigInteger),
    Column("preview", Text),
    Column("metadata", Text, nullable=False),  # JSON
    Column("at", Double, nullable=False),
)

stored_blobs = Table(
    "stored_blobs",
    metadata,
    Column("name", Text, primary_key=True),  # blake3 of the whole
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)
