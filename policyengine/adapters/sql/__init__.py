"""Storage in SQLite or PostgreSQL: one metadata, one migration chain, one writer per process."""
