"""Slots of a study may be suspended, and the trial in one aborted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("studies", sa.Column("suspended_slots", sa.Text, nullable=False, server_default="{}"))
    op.add_column("trials", sa.Column("abort_message", sa.Text))
