"""Policies on a workstation: tested, covered, mutated, explained."""
