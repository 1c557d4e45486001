"""Failed attempts of a trial are counted: interrupted ones use up no retry."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("trials", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
