"""The log that proves what was decided (RFC 6962): leaves now, tiles and checkpoints to come."""
