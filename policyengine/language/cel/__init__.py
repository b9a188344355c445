"""Conditions: CEL text to checked, typed expressions."""
