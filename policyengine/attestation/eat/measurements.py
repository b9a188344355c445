"""Measured software in an EAT: CoSWID tags with evidence inside the measurements claim (RFC 9711 section 4.2.16).

A pair of content format 258 (application/swid+cbor, RFC 9393 section 8.4) and bytes, whose `evidence` names files with
a digest. The signer of the token says what it measured: a payload, which is what a maker says should be there, is no
measurement. What cannot be read stays opaque and gives nothing: a fact that is absent passes no rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from cbor2 import CBORTag

from policyengine.attestation import cbor
from policyengine.attestation.corim import comid
from policyengine.attestation.corim.grammar import Walk
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.plain_text import is_plain_text
from policyengine.model.schema import MAX_SOFTWARE

COSWID_FORMAT = 258  # CoAP content format of application/swid+cbor
_EVIDENCE, _FILE, _NAME, _HASH, _VERSION = 3, 17, 24, 7, 13  # RFC 9393 sections 2.3 and 2.9
_HASHES = {1: ("sha-256", 32), 7: ("sha-384", 48), 8: ("sha-512", 64)}  # IANA Named Information Hash Algorithms

_read = cbor.reader(comid.COSWID_TAG)


class Measurement(NamedTuple):
    """One measured file: its name, the digest in hex and its algorithm, the version of the software it belongs to."""

    name: str
    digest: str
    algorithm: str
    version: str | None


def measurements(claim: Sequence[Any]) -> tuple[Measurement, ...]:
    """Return what a sound measurements claim measures, in order; at most MAX_SOFTWARE."""
    tags = [content for kind, content in claim if kind == COSWID_FORMAT and type(content) is bytes]
    return tuple([each for tag in tags for each in _of_tag(tag)])[:MAX_SOFTWARE]


@lru_cache(maxsize=1024)  # devices with the same firmware say the same
def _of_tag(content: bytes) -> tuple[Measurement, ...]:
    try:
        item = _read(content)
        tag = item.value if type(item) is CBORTag else item
        comid.COSWID(tag, "measurements", Walk())
    except MalformedEvidenceError:
        return ()
    version = tag.get(_VERSION)
    return tuple(_files(tag.get(_EVIDENCE), version if is_plain_text(version) else None))


def _files(evidence: Any, version: str | None) -> Iterator[Measurement]:
    found = evidence.get(_FILE, ()) if isinstance(evidence, Mapping) else ()
    for file in (found,) if isinstance(found, Mapping) else found if isinstance(found, list | tuple) else ():
        name, digest = (file.get(_NAME), file.get(_HASH)) if isinstance(file, Mapping) else (None, None)
        if (
            not isinstance(name, str)
            or not is_plain_text(name)
            or not isinstance(digest, list | tuple)
            or len(digest) != 2
        ):
            continue
        algorithm, size = _HASHES.get(digest[0], ("", 0)) if type(digest[0]) is int else ("", 0)
        if type(digest[1]) is bytes and size and len(digest[1]) == size:
            yield Measurement(name, digest[1].hex(), algorithm, version)
