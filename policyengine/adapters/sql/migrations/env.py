"""Runs migrations on the connection that policyengine.adapters.sql.migration hands over."""

from __future__ import annotations

from alembic import context

from policyengine.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
