"""Arm CCA tokens."""
