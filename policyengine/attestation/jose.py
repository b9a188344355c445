"""The one door for JOSE: a compact JWS (RFC 7515 section 7.1), one signature, the algorithm under the signature.

`read_jws` turns bytes into a message or raises; `check_jws` judges it. In order:

1. `jose.typ`: the type is absent or one that the format lists (RFC 8725 section 3.11), so that no other JWT passes.
2. `jose.crit`: there is no `crit`, because we understand none of the extensions it could demand (section 4.1.11).
3. `jose.alg`: the algorithm is on the format's list (RFC 8725 section 3.1); never `none`, never an HMAC.
4. `jose.key-type`: a trusted key is of the one type and curve of that algorithm.
5. `jose.signature`: one of those keys made the signature.

A key or certificate in the header (`jwk`, `jku`, `x5c`, `x5u`) and its `kid` are never read: trusted keys are tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policyengine.attestation.anchors import TrustedKey
from policyengine.attestation.cbor_scan import MAX_BYTES
from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.signatures import Algorithm, Signed, signer_of
from policyengine.model.base64url import from_base64url
from policyengine.model.strict_json import InvalidJsonError, read_json

TYP = Requirement(id="jose.typ", clause="RFC 8725 section 3.11", expected="no type, or one of this format")
CRIT = Requirement(id="jose.crit", clause="RFC 7515 section 4.1.11", expected="no crit")
ALG = Requirement(id="jose.alg", clause="RFC 8725 section 3.1", expected="an allowed algorithm")
KEY_TYPE = Requirement(
    id="jose.key-type", clause="RFC 7518 section 3.1", expected="a trusted key of the type and curve of the algorithm"
)
SIGNATURE = Requirement(id="jose.signature", clause="RFC 7515 section 5.2", expected="a signature by a trusted key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Jws:
    """A compact JWS whose parts have their types; nothing of it is believed yet. The signature covers `signed`."""

    header: Mapping[str, Any]
    payload: bytes
    signature: bytes
    signed: bytes


def read_jws(evidence: bytes) -> Jws:
    """Return the message in `evidence`; raises MalformedEvidenceError `jose.size`, `.structure`, `.base64url`, `.json`.

    Every part must be the one base64url form of its bytes, and no white space surrounds the message.
    """
    if len(evidence) > MAX_BYTES:
        raise MalformedEvidenceError("jose.size", f"{len(evidence)} bytes, the limit is {MAX_BYTES}")
    parts = evidence.split(b".")
    if len(parts) != 3:
        raise MalformedEvidenceError("jose.structure", f"a compact JWS has three parts, this has {len(parts)}")
    header, payload, signature = (_decoded(part) for part in parts)
    return Jws(
        header=json_object(header, "the header"),
        payload=payload,
        signature=signature,
        signed=evidence[: evidence.rindex(b".")],
    )


def json_value(content: bytes, what: str) -> Any:
    """Return the strict JSON value that `content` is; raises MalformedEvidenceError `jose.json`."""
    try:
        return read_json(content, max_bytes=MAX_BYTES)
    except InvalidJsonError as cause:
        raise MalformedEvidenceError("jose.json", f"{what}: {cause.message}") from cause


def json_object(content: bytes, what: str) -> Mapping[str, Any]:
    """Return the strict JSON object that `content` is; raises MalformedEvidenceError `jose.json`."""
    value = json_value(content, what)
    if not isinstance(value, dict):
        raise MalformedEvidenceError("jose.json", f"{what} is no JSON object")
    return value


def _decoded(part: bytes) -> bytes:
    content = from_base64url(part.decode("latin-1"))
    if content is None:
        raise MalformedEvidenceError("jose.base64url", "a part is not base64url without padding (RFC 7515 section 2)")
    return content


def check_jws(
    message: Jws,
    *,
    signers: Mapping[str, tuple[TrustedKey, ...]],
    algorithms: Mapping[str, Algorithm],
    types: frozenset[str],
) -> Signed:
    """Return the outcome of steps 1 to 5; `types` are in lowercase, without `application/` (RFC 7515 section 4.1.9)."""
    algorithm = _algorithm(message, algorithms)
    candidates = signers.get(algorithm.kind, ()) if algorithm else ()
    signer = signer_of(message.signature, message.signed, algorithm, candidates) if algorithm and candidates else None
    checks = (
        _typ(message, types),
        CRIT.failed(described(message.header["crit"])) if "crit" in message.header else CRIT.passed,
        ALG.passed if algorithm else ALG.failed(described(message.header.get("alg"))),
        *_key_and_signature(algorithm, candidates, signer, signers),
    )
    return Signed(checks=checks, signer=signer, algorithm=algorithm)


def _algorithm(message: Jws, algorithms: Mapping[str, Algorithm]) -> Algorithm | None:
    label = message.header.get("alg")
    return algorithms.get(label) if type(label) is str else None


def _typ(message: Jws, types: frozenset[str]) -> Check:
    if "typ" not in message.header:
        return TYP.absent
    value = message.header["typ"]
    known = type(value) is str and value.lower().removeprefix("application/") in types
    return TYP.passed if known else TYP.failed(described(value))


def _key_and_signature(
    algorithm: Algorithm | None,
    candidates: tuple[TrustedKey, ...],
    signer: TrustedKey | None,
    signers: Mapping[str, tuple[TrustedKey, ...]],
) -> tuple[Check, Check]:
    if algorithm is None:
        return KEY_TYPE.unreached, SIGNATURE.unreached
    if not candidates:
        seen = f"{algorithm.name}, and trusted keys: {', '.join(sorted(signers)) or 'none'}"
        return KEY_TYPE.failed(seen), SIGNATURE.unreached
    if signer is None:
        return KEY_TYPE.passed, SIGNATURE.failed(f"no trusted key made this signature ({len(candidates)} tried)")
    return KEY_TYPE.passed, SIGNATURE.passed
