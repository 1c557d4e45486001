"""Failed attempts are counted, standard errors kept; folders are told apart by a key of the study."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("studies", sa.Column("folder_key", sa.Text, nullable=False, server_default=""))
    op.add_column("trials", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
    op.add_column("trials", sa.Column("sems", sa.Text))
    op.execute("UPDATE trials SET end_event = NULL WHERE status IN ('waiting', 'running')")
