"""The tables of the store. A change here needs a numbered migration beside it (`migrations/versions`)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, MetaData, Table, Text

metadata = MetaData()

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
