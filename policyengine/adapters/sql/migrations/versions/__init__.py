"""The Alembic chain; one linear history for SQLite and PostgreSQL."""
