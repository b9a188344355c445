"""DICE evidence."""
