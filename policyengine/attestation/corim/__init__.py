"""Signed CoRIM: endorsements and reference values."""
