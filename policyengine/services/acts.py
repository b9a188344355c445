"""What changes of what is stored are made of: the act of somebody, and content by its digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policyengine.model.ids import Digest

SALT_SIZE = 16  # bytes of entropy in every change that becomes a log leaf, so that nobody can guess what it hides


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Content that its digest names: shared facts, priors, bundles."""

    digest: Digest
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """The author and subject of an administrative change; becomes an audit event and a log leaf."""

    actor: str
    at: datetime
    action: str
    subject: str
    detail: Mapping[str, object]
    salt: bytes
