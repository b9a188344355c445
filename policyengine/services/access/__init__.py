"""Identities that others vouch for: people and pipelines by OpenID Connect."""
