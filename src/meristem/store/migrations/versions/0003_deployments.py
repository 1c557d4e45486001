"""Trials that run in a system outside keep by what they are found there."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("trials", sa.Column("deployment", sa.Text))
