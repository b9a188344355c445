"""How a bundle's values grow: fields that older bundles do not have."""

from __future__ import annotations

LATER = {"later": True}  # marks a field that older bundles do not have: None there, and not written where it is None
