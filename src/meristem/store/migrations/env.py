"""Runs migrations on the connection that `meristem.store.schema` hands over, inside its transaction."""

from alembic import context

from meristem.store.dataset_tables import all_tables

context.configure(connection=context.config.attributes["connection"], target_metadata=all_tables)
context.run_migrations()
