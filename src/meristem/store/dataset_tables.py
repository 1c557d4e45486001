"""The tables of datasets. A change here needs a numbered migration beside it (`migrations/versions`).

What versions hold is not here: a version names the root of its manifest, an object in a pack (see `meristem.packs`).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from meristem.store.tables import metadata

all_tables = metadata  # those of `tables`, and those that are made here

datasets = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("created_at", Double, nullable=False),
    Index("datasets_by_name", "project", "name", unique=True),
    sqlite_autoincrement=True,
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset_id", Integer, ForeignKey("datasets.id"), nullable=False),
    Column("number", Text),  # of a draft: the one that is wished for, if any
    Column("precedence", LargeBinary),  # of the number: its order as bytes, the same in every database; none: a draft
    Column("status", Text, nullable=False),
    Column("root", Text, nullable=False),
    Column("revision", Integer, nullable=False, server_default="0"),  # how often the draft was written
    Column("changed", BigInteger, nullable=False),  # number of the last change of objects that it needs (dataset_epoch)
    Column("write_id", Text, nullable=False),  # who wrote it last: tells whether an unsure write arrived
    Column("message", Text, nullable=False, server_default=""),
    Column("made_by", Text, nullable=False),  # JSON
    Column("metadata", Text, nullable=False),  # JSON
    Column("summary", Text, nullable=False, server_default="{}"),  # JSON
    Column("preview", Text),  # an object
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("finalized_at", Double),
    Column("published_at", Double),
    Index("dataset_versions_by_dataset", "dataset_id", "id"),
    Index("dataset_versions_by_precedence", "dataset_id", "precedence"),
    Index("dataset_versions_by_change", "changed"),
    sqlite_autoincrement=True,
)
# A draft's number is a wish that others may have, too. One that was given is never given again.
_NUMBERED = text("status <> 'draft'")
Index(
    "dataset_versions_by_number", dataset_versions.c.dataset_id, dataset_versions.c.number, unique=True,
    sqlite_where=_NUMBERED,
)  # fmt: skip
IS_DRAFT = text("status = 'draft'")
Index("dataset_drafts", dataset_versions.c.dataset_id, sqlite_where=IS_DRAFT)

dataset_parents = Table(
    "dataset_parents",
    metadata,
    Column("version_id", Integer, ForeignKey("dataset_versions.id"), primary_key=True, autoincrement=False),
    Column("parent_id", Integer, ForeignKey("dataset_versions.id"), primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),
    Index("dataset_children", "parent_id"),
    sqlite_with_rowid=False,
)

dataset_tags = Table(
    "dataset_tags",
    metadata,
    Column("version_id", Integer, ForeignKey("dataset_versions.id"), primary_key=True, autoincrement=False),
    Column("tag", Text, primary_key=True),
    Index("dataset_versions_by_tag", "tag", "version_id"),
    sqlite_with_rowid=False,
)

dataset_logs = Table(
    "dataset_logs",
    metadata,
    Column("version_id", Integer, ForeignKey("dataset_versions.id"), primary_key=True, autoincrement=False),
    Column("title", Text, primary_key=True),
    Column("series", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # plot, table, image …
    Column("object", Text, nullable=False),
    Column("at", Double, nullable=False),
)

dataset_readers = Table(
    "dataset_readers",
    metadata,
    Column("version_id", Integer, ForeignKey("dataset_versions.id"), primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),  # task, trial, study
    Column("reader", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Index("dataset_versions_by_reader", "kind", "reader"),
    sqlite_with_rowid=False,
)

dataset_packs = Table(
    "dataset_packs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("serial", BigInteger),  # the order in which packs became live
    Column("size", BigInteger, nullable=False),
    Column("objects", Integer, nullable=False),
    Column("draft", Integer),  # the version for which it was made first; none: made by gc
    Column("state", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("condemned_at", Double),
    Index("dataset_packs_by_serial", "serial", unique=True),
    Index("dataset_packs_by_state", "state", "serial"),
)

# Who makes a pack: two drafts that store the same bytes at the same time make the same one.
dataset_pack_drafts = Table(
    "dataset_pack_drafts",
    metadata,
    Column("draft", Integer, ForeignKey("dataset_versions.id"), primary_key=True, autoincrement=False),
    Column("pack", Text, ForeignKey("dataset_packs.name"), primary_key=True),
    Index("dataset_drafts_by_pack", "pack"),
    sqlite_with_rowid=False,
)

# One row. Whoever changes which objects are needed, or where they lie, writes it first: they take turns.
dataset_epoch = Table(
    "dataset_epoch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),  # how often packs were condemned
    Column("changes", BigInteger, nullable=False),  # numbers changes of roots and packs that became live
    Column("write_id", Text, nullable=False),  # of who condemned last
)

dataset_events = Table(
    "dataset_events",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("xact", BigInteger, nullable=False, server_default="0"),  # as in task_events
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("dataset", Integer),
    Column("version", Integer),
    Column("payload", Text, nullable=False),  # JSON
    Index("dataset_events_by_dataset", "dataset", "position"),
    Index("dataset_events_by_xact", "xact", "position"),
    sqlite_autoincrement=True,
)
