"""Policies put in force."""
