"""Use cases and their ports: load, decide, record."""
