"""COSE_Sign1 (RFC 9052) as evidence needs it: one message, one signature, the algorithm under the signature.

`read_sign1` turns bytes into a message or raises; `check_sign1` judges it. In order:

1. `cose.tag`: the message is tagged 18 (section 4.2).
2. `cose.headers`: no label stands in both headers (section 3), so that nothing unprotected overrides what is signed.
3. `cose.crit`: a `crit` list is protected, sound, and lists only labels we understand (section 3.1).
4. `cose.alg`: the algorithm is in the *protected* header and on the profile's list (section 3.1; RFC 9053 section 2).
5. `cose.key-type`: a trusted key is of the one type and curve of that algorithm (RFC 9053 section 2).
6. `cose.signature`: one of those keys made the signature, of exactly the length of that algorithm.

A key identifier is never read: it could only choose among keys that are all tried anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import cbor2

from policyengine.attestation import cbor
from policyengine.attestation.anchors import TrustedKey
from policyengine.attestation.cbor_scan import MAX_BYTES
from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.signatures import ALL, ES256, Algorithm, Signed, signer_of

SIGN1 = 18
# CBOR tags of RFC 9052 table 1, RFC 8392, RFC 9781 and RFC 9711: named when they stand where 18 should.
_ENVELOPES = {
    16: "COSE_Encrypt0",
    17: "COSE_Mac0",
    61: "CWT",
    96: "COSE_Encrypt",
    97: "COSE_Mac",
    98: "COSE_Sign",
    601: "UCCS, unsigned claims",
    602: "detached EAT bundle",
}
_ALG, _CRIT, _X5CHAIN = 1, 2, 33
_UNDERSTOOD = frozenset({_ALG, _CRIT, 3, 4, _X5CHAIN})  # content type and kid: understood as hints that decide nothing
MAX_CHAIN = 8  # pyca/cryptography's default depth; a deeper chain is refused, not followed

TAG = Requirement(id="cose.tag", clause="RFC 9052 section 4.2", expected="tag 18 (COSE_Sign1)")
HEADERS = Requirement(id="cose.headers", clause="RFC 9052 section 3", expected="no label in both headers")
CRIT = Requirement(
    id="cose.crit", clause="RFC 9052 section 3.1", expected="protected crit with labels that are present and understood"
)
ALG = Requirement(id="cose.alg", clause="RFC 9052 section 3.1", expected="an allowed algorithm in the protected header")
KEY_TYPE = Requirement(
    id="cose.key-type", clause="RFC 9053 section 2", expected="a trusted key of the type and curve of the algorithm"
)
SIGNATURE = Requirement(id="cose.signature", clause="RFC 9052 section 4.4", expected="a signature by a trusted key")


_ES256_HEADER = bytes.fromhex("a10126")
# Tag 18, an array of four: {1: -7}, no unprotected header, then a payload whose length has two bytes.
_USUAL_START = bytes.fromhex("d28443a10126a059")
_USUAL_BEGINNING = len(_USUAL_START)
_USUAL_PAYLOAD = _USUAL_BEGINNING + 2
_ES256_SIGNATURE = b"\x58\x40"
_ES256_ENDING = len(_ES256_SIGNATURE) + 64
# Tag 18, an array of four, then a protected header whose length has two bytes; after it no unprotected header, and a
# payload of 32 bytes.
_CHAIN_START, _CHALLENGE = bytes.fromhex("d28459"), bytes.fromhex("a05820")
_CHAIN_SIZE = len(_CHAIN_START)
_PROTECTED = _CHAIN_SIZE + 2
# {1: -7, 33: [...]}, and in it byte strings whose length has two bytes.
_CHAIN_HEADER, _CERTIFICATE = bytes.fromhex("a201261821"), b"\x59"
_CHALLENGED_ENDING = len(_CHALLENGE) + 32 + _ES256_ENDING


class Sign1(NamedTuple):
    """A COSE_Sign1 message whose parts have their types; nothing of it is believed yet."""

    tag: int | None
    protected: bytes
    headers: Mapping[Any, Any]
    unprotected: Mapping[Any, Any]
    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignEnvelope:
    """Another tagged message where a COSE_Sign1 should be, and what it holds, undecided."""

    tag: int
    content: object = None


_read_envelope = cbor.reader(SIGN1, *_ENVELOPES, 0, 1, 32, 37, 111)  # the last for claims under tag 601
_read_header = cbor.reader()
# What nearly every device sends, decoded once: only an algorithm, or nothing, which is no bytes (section 3).
_KNOWN_HEADERS: Mapping[bytes, Mapping[Any, Any]] = {
    b"": MappingProxyType({}),
    **{cbor2.dumps({_ALG: each.id}): MappingProxyType({_ALG: each.id}) for each in ALL},
}
_ES256_HEADERS, _NO_HEADERS = _KNOWN_HEADERS[_ES256_HEADER], _KNOWN_HEADERS[b""]


def read_sign1(evidence: bytes) -> Sign1 | ForeignEnvelope:
    """Return the message in `evidence`, tagged or not; raises MalformedEvidenceError `cbor.*` or `cose.structure`."""
    usual = _usual(evidence) or _challenged(evidence)
    if usual:
        return usual
    item = _read_envelope(evidence)
    tag = None
    if type(item) is cbor2.CBORTag:
        tag, item = item.tag, item.value
        if tag != SIGN1:
            return ForeignEnvelope(tag=tag, content=item)
    return message_of(item, tag)


def message_of(item: object, tag: int | None) -> Sign1:
    """Return the message whose four parts `item` should be; raises MalformedEvidenceError `cose.structure`."""
    if not isinstance(item, list | tuple) or len(item) != 4:
        raise _structure("a COSE_Sign1 is an array of four")
    protected, unprotected, payload, signature = item
    if not (type(protected) is type(payload) is type(signature) is bytes) or not _is_map(unprotected):
        raise _structure("the four are bytes, a map, attached bytes and bytes")
    return Sign1(
        tag=tag,
        protected=protected,
        headers=_protected_map(protected),
        unprotected=unprotected,
        payload=payload,
        signature=signature,
    )


def _usual(evidence: bytes) -> Sign1 | None:
    """Return what the general way would, at a quarter of its cost, for the form that nearly all devices send."""
    if not evidence.startswith(_USUAL_START) or not _USUAL_PAYLOAD + _ES256_ENDING <= len(evidence) <= MAX_BYTES:
        return None
    payload_end = len(evidence) - _ES256_ENDING
    if evidence[_USUAL_BEGINNING:_USUAL_PAYLOAD] != (payload_end - _USUAL_PAYLOAD).to_bytes(2, "big"):
        return None
    if not evidence.startswith(_ES256_SIGNATURE, payload_end):
        return None
    payload, signature = evidence[_USUAL_PAYLOAD:payload_end], evidence[payload_end + len(_ES256_SIGNATURE) :]
    return Sign1(SIGN1, _ES256_HEADER, _ES256_HEADERS, _NO_HEADERS, payload, signature)


def _challenged(evidence: bytes) -> Sign1 | None:
    """Return the same of the other usual form: a challenge of 32 bytes signed with a chain in the protected header."""
    end = _PROTECTED + int.from_bytes(evidence[_CHAIN_SIZE:_PROTECTED], "big")
    if len(evidence) != end + _CHALLENGED_ENDING or len(evidence) > MAX_BYTES:
        return None
    if not (evidence.startswith(_CHAIN_START) and evidence.startswith(_CHALLENGE, end)):
        return None
    payload_end = len(evidence) - _ES256_ENDING
    if not evidence.startswith(_ES256_SIGNATURE, payload_end):
        return None
    protected, payload = evidence[_PROTECTED:end], evidence[end + len(_CHALLENGE) : payload_end]
    return Sign1(SIGN1, protected, _protected_map(protected), _NO_HEADERS, payload, evidence[-64:])


def _protected_map(protected: bytes) -> Mapping[Any, Any]:
    known = _KNOWN_HEADERS.get(protected)
    if known is not None:
        return known
    headers: Mapping[Any, Any] = _usual_chain(protected) or _read_header(protected)
    if not _is_map(headers):
        raise _structure("the protected header is a map")
    return headers


def _usual_chain(protected: bytes) -> Mapping[Any, Any] | None:
    """Return what the door would read in a header of ES256 and a chain of large certificates, None for others."""
    at = len(_CHAIN_HEADER) + 1
    if (
        len(protected) < at
        or not protected.startswith(_CHAIN_HEADER)
        or not 0x82 <= protected[at - 1] <= 0x80 + MAX_CHAIN
    ):
        return None
    found = []
    for _ in range(protected[at - 1] - 0x80):
        start = at + len(_CERTIFICATE) + 2
        if not protected.startswith(_CERTIFICATE, at) or start > len(protected):
            return None
        at = start + int.from_bytes(protected[start - 2 : start], "big")
        found.append(protected[start:at])
    return {_ALG: ES256.id, _X5CHAIN: found} if at == len(protected) else None


def _is_map(value: object) -> bool:
    return type(value) is dict or type(value) is cbor2.frozendict


def _structure(reason: str) -> MalformedEvidenceError:
    return MalformedEvidenceError("cose.structure", reason)


def check_sign1(
    message: Sign1 | ForeignEnvelope,
    *,
    signers: Mapping[str, tuple[TrustedKey, ...]],
    algorithms: Mapping[int, Algorithm],
    signature: Requirement = SIGNATURE,
    external: bytes = b"",
) -> Signed:
    """Return the outcome of steps 1 to 6; `algorithms` is the profile's allow-list by COSE id, `signers` is by kind.

    `external` is the externally supplied data that the signature also covers (RFC 9052 section 4.3).
    """
    if isinstance(message, ForeignEnvelope):
        seen = f"tag {message.tag} ({_ENVELOPES.get(message.tag, 'no COSE message')})"
        rest = (HEADERS, CRIT, ALG, KEY_TYPE, signature)
        checks = (TAG.failed(seen), *(requirement.unreached for requirement in rest))
        return Signed(checks=checks, signer=None, algorithm=None)
    algorithm = _algorithm(message, algorithms)
    candidates = signers.get(algorithm.kind, ()) if algorithm else ()
    signer = _signer(message, algorithm, external, candidates) if algorithm and candidates else None
    if signer and message.tag == SIGN1 and len(message.headers) == 1 and not message.unprotected:
        return Signed((*_ONLY_ALG_PASSED, signature.passed), signer, algorithm)
    checks = (
        TAG.passed if message.tag == SIGN1 else TAG.failed("no tag"),
        _headers(message),
        _crit(message),
        ALG.passed if algorithm else ALG.failed(_alg_seen(message)),
        _key_type(algorithm, candidates, signers),
        _signature(message, algorithm, candidates, signer, signature),
    )
    return Signed(checks=checks, signer=signer, algorithm=algorithm)


# Of a message by a trusted key with one header: the algorithm was found, so that one is it.
_ONLY_ALG_PASSED = (TAG.passed, HEADERS.passed, CRIT.absent, ALG.passed, KEY_TYPE.passed)


def _algorithm(message: Sign1, algorithms: Mapping[int, Algorithm]) -> Algorithm | None:
    label = message.headers.get(_ALG)
    return algorithms.get(label) if type(label) is int else None


def _alg_seen(message: Sign1) -> str:
    if _ALG in message.headers:
        return described(message.headers[_ALG])
    return "only an unprotected algorithm" if _ALG in message.unprotected else "absent"


def check_headers(message: Sign1) -> tuple[Check, Check]:
    """Return the outcome of steps 2 and 3."""
    return _headers(message), _crit(message)


def _headers(message: Sign1) -> Check:
    if not message.unprotected:
        return HEADERS.passed
    twice = message.headers.keys() & message.unprotected.keys()
    return HEADERS.failed(f"label {described(next(iter(twice)))} in both") if twice else HEADERS.passed


def _crit(message: Sign1) -> Check:
    if _CRIT in message.unprotected:
        return CRIT.failed("crit in the unprotected header")
    if _CRIT not in message.headers:
        return CRIT.absent
    labels = message.headers[_CRIT]
    if not isinstance(labels, list | tuple) or not labels:
        return CRIT.failed(described(labels))
    for label in labels:
        if type(label) not in {int, str} or label not in message.headers or label not in _UNDERSTOOD:
            return CRIT.failed(f"label {described(label)}")
    return CRIT.passed


def _key_type(
    algorithm: Algorithm | None, candidates: tuple[TrustedKey, ...], signers: Mapping[str, tuple[TrustedKey, ...]]
) -> Check:
    if algorithm is None:
        return KEY_TYPE.unreached
    if candidates:
        return KEY_TYPE.passed
    return KEY_TYPE.failed(f"{algorithm.name}, and trusted keys: {', '.join(sorted(signers)) or 'none'}")


def _signature(
    message: Sign1,
    algorithm: Algorithm | None,
    candidates: tuple[TrustedKey, ...],
    signer: TrustedKey | None,
    requirement: Requirement,
) -> Check:
    if signer:
        return requirement.passed
    if algorithm is None or not candidates:
        return requirement.unreached
    if algorithm.size is not None and len(message.signature) != algorithm.size:
        return requirement.failed(f"{len(message.signature)} bytes, {algorithm.name} has {algorithm.size}")
    return requirement.failed(f"no trusted key made this signature ({len(candidates)} tried)")


def _signer(
    message: Sign1, algorithm: Algorithm, external: bytes, candidates: tuple[TrustedKey, ...]
) -> TrustedKey | None:
    """Return the candidate whose signature this is (RFC 9052 section 4.4), or None."""
    signed = signature_input(message.protected if message.headers else b"", message.payload, external)
    return signer_of(message.signature, signed, algorithm, candidates)


_SIGNED = b"\x84\x6aSignature1"
_ES256_SIGNED = _SIGNED + b"\x43" + _ES256_HEADER + b"\x40"


def signature_input(protected: bytes, payload: bytes, external: bytes = b"") -> bytes:
    """Return the Sig_structure of RFC 9052 section 4.4 in deterministic encoding."""
    if protected == _ES256_HEADER and not external:  # what nearly every device sends
        return _ES256_SIGNED + byte_string(payload)
    return _SIGNED + byte_string(protected) + byte_string(external) + byte_string(payload)


def byte_string(content: bytes) -> bytes:
    """Return `content` as the shortest CBOR byte string (RFC 8949 section 4.2.1); messages are below 64 KiB."""
    size = len(content)
    if size < 24:
        return bytes((0x40 + size,)) + content
    if size < 256:
        return bytes((0x58, size)) + content
    return b"\x59" + size.to_bytes(2, "big") + content


def x5chain(message: Sign1) -> tuple[bytes, ...]:
    """Return the certificates of the protected x5chain header, leaf first, in DER (RFC 9360 section 2); () without one.

    One certificate stands alone, several in an array of two or more. Raises MalformedEvidenceError `cose.x5chain` for
    another form, or for more than MAX_CHAIN certificates.
    """
    value = message.headers.get(_X5CHAIN)
    if value is None:
        return ()
    if type(value) is bytes:
        return (value,)
    if (
        not isinstance(value, list | tuple)
        or not 2 <= len(value) <= MAX_CHAIN
        or {type(each) for each in value} != {bytes}
    ):
        raise MalformedEvidenceError("cose.x5chain", f"x5chain is neither one certificate nor 2 to {MAX_CHAIN}")
    return tuple(value)
