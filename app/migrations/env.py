"""Alembic's entry: runs the revisions on the engine that `app.migrations` hands over."""

from alembic import context

from app.migrations.tables import metadata

engine = context.config.attributes["engine"]
# On SQLite the write lock is taken at once, so that two processes that start together do not both migrate.
with engine.connect().execution_options(rung_begin="IMMEDIATE") as connection:
    context.configure(connection=connection, target_metadata=metadata(), render_as_batch=False)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
