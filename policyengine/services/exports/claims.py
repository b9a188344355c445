"""What records claim of the log: that it has a leaf which is named as they are and says what they say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.decision.facts_json import quick_canonical

Key = tuple[str, ...]

# What names a record among those of its kind; kinds that are not here are claimed by none.
NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "decision": ("decision",),
    "certificate": ("issuer", "serial"),
    "reservation": ("issuer", "serial"),
}
_UNCLAIMED = {"decision": "tier"}  # what a person's restriction decides beside the decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A leaf that must be there: its kind, name and digest, its index unless None, and the record that says so."""

    key: Key
    digest: bytes
    leaf: int | None
    member: str
    number: int

    @property
    def kind(self) -> str:
        """The kind of the leaf."""
        return self.key[0]


def claim(kind: str, record: Mapping[str, object], *, leaf: int | None, member: str, number: int) -> Claim:
    """Return the claim that the log has `record` in a leaf of `kind`. Raises KeyError for one without its name."""
    return Claim(key=key_of(kind, record), digest=digest_of(kind, record), leaf=leaf, member=member, number=number)


def key_of(kind: str, record: Mapping[str, object]) -> Key:
    """Return the kind and name of a record. Raises KeyError for one without its name."""
    return (kind, *(str(record[name]) for name in NAMED_BY[kind]))


def digest_of(kind: str, record: Mapping[str, object]) -> bytes:
    """Return the digest of what a record of the log says, as far as records of the export say it too."""
    said = dict(record)
    said.pop(_UNCLAIMED.get(kind, ""), None)
    return hashlib.sha256(quick_canonical(said)).digest()
