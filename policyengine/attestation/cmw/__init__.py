"""Conceptual message wrappers."""
