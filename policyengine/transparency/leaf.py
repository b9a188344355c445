"""Log leaves: salted commitments to private records, hashed as RFC 6962 does.

A record names devices and digests and stays private. The log shows only an entry: when, of what kind, and a commitment
to the record under a salt of its own. Records and salts leave in authorised exports, where anyone can compare them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring

from policyengine.model.canonical import MAX_INTEGER, NotCanonicalError, canonical

_LEAF = b"\x00"  # RFC 6962 section 2.1: a leaf can never be taken for a node


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One leaf: its place, the private record and salt, and the hash that the tree is built of."""

    index: int
    at_us: int
    kind: str
    record: bytes
    salt: bytes
    leaf_hash: bytes


def make_leaf(*, index: int, at_us: int, kind: str, record: Mapping[str, object], seed: bytes) -> Leaf:
    """Return the leaf for `record`; its salt is drawn from the secret `seed`, the index and the record."""
    body = canonical(dict(record))
    salt = hashlib.sha256(b"policyengine leaf salt v1" + seed + index.to_bytes(8, "big") + body).digest()
    hashed = leaf_hash(entry(at_us=at_us, kind=kind, record=body, salt=salt))
    return Leaf(index=index, at_us=at_us, kind=kind, record=body, salt=salt, leaf_hash=hashed)


def entry(*, at_us: int, kind: str, record: bytes, salt: bytes) -> bytes:
    """Return the public bytes of a leaf: canonical JSON of time (microseconds), kind and commitment."""
    commitment = hashlib.sha256(salt + record).hexdigest()
    if type(at_us) is not int or abs(at_us) > MAX_INTEGER:
        raise NotCanonicalError(f"`{at_us}` is no time in microseconds")
    # Written straight, in canonical form: there is one for each leaf that is made or verified.
    return f'{{"at":{at_us},"commitment":"sha256:{commitment}","kind":{encode_basestring(kind)},"v":1}}'.encode()


def leaf_hash(content: bytes) -> bytes:
    """Return SHA-256(0x00 || content) (RFC 6962 section 2.1)."""
    return hashlib.sha256(_LEAF + content).digest()
