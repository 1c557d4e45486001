"""Datasets: versions, what made them and read them, the packs in which their objects lie."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "dataset_epoch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("write_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "dataset_events",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("xact", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sqlite_autoincrement=True,
    )
    op.create_index("dataset_events_by_dataset", "dataset_events", ["dataset", "position"], unique=False)
    op.create_index("dataset_events_by_xact", "dataset_events", ["xact", "position"], unique=False)
    op.create_table(
        "dataset_packs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.Column("draft", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("condemned_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("dataset_packs_by_serial", "dataset_packs", ["serial"], unique=True)
    op.create_index("dataset_packs_by_state", "dataset_packs", ["state", "serial"], unique=False)
    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("datasets_by_name", "datasets", ["project", "name"], unique=True)
    op.create_table(
        "dataset_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("precedence", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("write_id", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), server_default="{}", nullable=False),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("finalized_at", sa.Double(), nullable=True),
        sa.Column("published_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "dataset_drafts",
        "dataset_versions",
        ["dataset_id"],
        unique=False,
        sqlite_where=sa.text("status = 'draft'"),
        postgresql_where=sa.text("status = 'draft'"),
    )
    op.create_index("dataset_versions_by_change", "dataset_versions", ["changed"], unique=False)
    op.create_index("dataset_versions_by_dataset", "dataset_versions", ["dataset_id", "id"], unique=False)
    op.create_index(
        "dataset_versions_by_number",
        "dataset_versions",
        ["dataset_id", "number"],
        unique=True,
        sqlite_where=sa.text("status <> 'draft'"),
        postgresql_where=sa.text("status <> 'draft'"),
    )
    op.create_index("dataset_versions_by_precedence", "dataset_versions", ["dataset_id", "precedence"], unique=False)
    op.create_table(
        "dataset_logs",
        sa.Column("version_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["dataset_versions.id"],
        ),
        sa.PrimaryKeyConstraint("version_id", "title", "series", "kind"),
    )
    op.create_table(
        "dataset_pack_drafts",
        sa.Column("draft", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["draft"],
            ["dataset_versions.id"],
        ),
        sa.ForeignKeyConstraint(
            ["pack"],
            ["dataset_packs.name"],
        ),
        sa.PrimaryKeyConstraint("draft", "pack"),
        sqlite_with_rowid=False,
    )
    op.create_index("dataset_drafts_by_pack", "dataset_pack_drafts", ["pack"], unique=False)
    op.create_table(
        "dataset_parents",
        sa.Column("version_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parent_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["dataset_versions.id"],
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["dataset_versions.id"],
        ),
        sa.PrimaryKeyConstraint("version_id", "parent_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("dataset_children", "dataset_parents", ["parent_id"], unique=False)
    op.create_table(
        "dataset_readers",
        sa.Column("version_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["dataset_versions.id"],
        ),
        sa.PrimaryKeyConstraint("version_id", "kind", "reader"),
        sqlite_with_rowid=False,
    )
    op.create_index("dataset_versions_by_reader", "dataset_readers", ["kind", "reader"], unique=False)
    op.create_table(
        "dataset_tags",
        sa.Column("version_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["dataset_versions.id"],
        ),
        sa.PrimaryKeyConstraint("version_id", "tag"),
        sqlite_with_rowid=False,
    )
    op.create_index("dataset_versions_by_tag", "dataset_tags", ["tag", "version_id"], unique=False)
