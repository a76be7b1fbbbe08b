"""Alembic's entry: runs the migrations on the connection that `schema.upgrade` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from pulsemon.db.tables.base import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    # The transaction is the caller's: either the whole upgrade is there or nothing of it.
    transactional_ddl=False,
    transaction_per_migration=False,
)
context.run_migrations()
