"""Runs migrations on the connection that `meristem.store.schema` hands over, inside its transaction."""

from alembic import context

from meristem.store.dataset_tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
