"""Certificates: issued after a decision, listed, revoked, rolled over."""
