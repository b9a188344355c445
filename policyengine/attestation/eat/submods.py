"""The submodules of a token (RFC 9711 section 4.2.18): claims of the same signer, other tokens, and digests.

Claims of a submodule are as good as the token's own, whose signature covers them. A token inside a token is believed
only by its own signature, as any evidence; what no trusted key signed gives no fact and does no harm. A digest stands
for claims kept elsewhere and says nothing until they are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import Any

from policyengine.attestation.checks import Check, Requirement, failures
from policyengine.attestation.eat import claims as eat_claims
from policyengine.attestation.eat import json as eat_json
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.jose import json_value
from policyengine.attestation.plain_text import is_plain_text
from policyengine.model.base64url import from_base64url

MAX_SUBMODS = 64  # submodules of one token with all inside them; the RFC's largest example has four
MAX_LEVELS = 4  # of submodules in submodules; each level of tokens costs a signature

SUBMODS = Requirement(
    id="eat.submods",
    clause="RFC 9711 section 4.2.18",
    expected=f"1 to {MAX_SUBMODS} submodules, at most {MAX_LEVELS} deep, each with sound claims, a token or a digest",
)
# Hashes by COSE algorithm (RFC 9054) and by the names that they have elsewhere.
HASHES: Mapping[object, Callable[[bytes], Any]] = {
    name: new
    for names, new in (
        ((-16, "sha-256", "SHA-256", "sha256"), hashlib.sha256),
        ((-43, "sha-384", "SHA-384", "sha384"), hashlib.sha384),
        ((-44, "sha-512", "SHA-512", "sha512"), hashlib.sha512),
    )
    for name in names
}
_DIGEST_SIZES: Mapping[object, int] = {name: new(b"").digest_size for name, new in HASHES.items()}


class Kind(Enum):
    """What stands in a submodule."""

    CLAIMS = "claims"
    CWT = "cwt"
    JWT = "jwt"
    BUNDLE = "bundle"
    DIGEST = "digest"


_TOKENS = frozenset({Kind.CWT, Kind.JWT, Kind.BUNDLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodule:
    """A submodule by its path of names; `content` is claims in CBOR form, a token's bytes, or a digest's parts."""

    path: str
    kind: Kind
    content: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodules:
    """The check, and every submodule found, the outer before the inner; none if the check failed."""

    check: Check
    found: tuple[Submodule, ...]


class UnsoundError(Exception):
    """A submodule that is none, and why."""


def submodules(claims: eat_claims.Claims, encoding: Encoding, now: datetime) -> Submodules:
    """Return the submodules of `claims`, which are in CBOR form and came in `encoding`, as they hold at `now`."""
    if eat_claims.SUBMODS not in claims:
        return Submodules(check=SUBMODS.absent, found=())
    try:
        walked = _walk(claims[eat_claims.SUBMODS], encoding, now, path="", level=1)
        found = tuple(islice(walked, MAX_SUBMODS + 1))  # one too many is enough to know
    except UnsoundError as unsound:
        return Submodules(check=SUBMODS.failed(str(unsound)), found=())
    if len(found) > MAX_SUBMODS:
        return Submodules(check=SUBMODS.failed(f"more than {MAX_SUBMODS} submodules"), found=())
    return Submodules(check=SUBMODS.passed, found=found)


def _walk(value: object, encoding: Encoding, now: datetime, *, path: str, level: int) -> Iterator[Submodule]:
    if not isinstance(value, Mapping) or not 0 < len(value) <= MAX_SUBMODS:
        raise UnsoundError(f"{path or 'the claim'} holds no submodules")
    if level > MAX_LEVELS:
        raise UnsoundError(f"{path} is too deep")
    for name, each in value.items():
        if not is_plain_text(name):
            raise UnsoundError("a name is no plain text")
        inner = f"{path}/{name}" if path else name
        kind, content = _cbor(each) if encoding is Encoding.CBOR else _json(each)
        if kind is None:
            raise UnsoundError(f"{inner} is neither claims nor a token nor a digest")
        yield from within(Submodule(path=inner, kind=kind, content=content), encoding, now, level=level)


def within(submodule: Submodule, encoding: Encoding, now: datetime, *, level: int = 1) -> Iterator[Submodule]:
    """Yield `submodule` and, of claims, the submodules inside; raises UnsoundError for claims that do not hold."""
    yield submodule
    if submodule.kind is Kind.CLAIMS:
        claims = submodule.content
        _demand_sound(claims, submodule.path, now)
        if eat_claims.SUBMODS in claims:
            yield from _walk(claims[eat_claims.SUBMODS], encoding, now, path=submodule.path, level=level + 1)


def digest_in(claims: eat_claims.Claims, name: str, encoding: Encoding) -> tuple[int | str, bytes] | None:
    """Return algorithm and digest of the submodule `name` of sound claims, or None where that is no digest."""
    stated = claims.get(eat_claims.SUBMODS)
    if not isinstance(stated, Mapping) or name not in stated:
        return None
    kind, content = _cbor(stated[name]) if encoding is Encoding.CBOR else _json(stated[name])
    return content if kind is Kind.DIGEST else None


def _demand_sound(claims: eat_claims.Claims, path: str, now: datetime) -> None:
    failed = failures((*eat_claims.check_times(claims, now), *eat_claims.check_optional(claims)))
    if failed:
        raise UnsoundError(f"{path}: {failed[0].id} is {failed[0].seen}")


def _cbor(value: object) -> tuple[Kind | None, Any]:
    if isinstance(value, Mapping):
        return Kind.CLAIMS, value
    if type(value) is bytes:
        return Kind.CWT, value
    return selected_token(value) if type(value) is str else _digest(value)


def selected_token(text: str) -> tuple[Kind | None, Any]:
    """Return what a JSON-encoded selector in CBOR stands for: a token, since a digest there MUST NOT be in text."""
    try:
        selector = json_value(text.encode(), "a selector")
    except MalformedEvidenceError:
        return None, None
    kind, content = _json(selector)
    return (kind, content) if kind in _TOKENS else (None, None)


def _json(value: object) -> tuple[Kind | None, Any]:
    if isinstance(value, dict):
        return Kind.CLAIMS, eat_json.canonical(value)
    if not isinstance(value, list) or len(value) != 2:
        return None, None
    selector, content = value
    if selector == "JWT" and isinstance(content, str):
        return Kind.JWT, content.encode("utf-8", "surrogatepass")
    if selector == "CBOR" and isinstance(content, str):
        decoded = from_base64url(content.rstrip("="))
        return (Kind.CWT, decoded) if decoded is not None else (None, None)
    if selector == "BUNDLE" and isinstance(content, list):
        return Kind.BUNDLE, content
    return _json_digest(content) if selector == "DIGEST" else (None, None)


def _json_digest(value: object) -> tuple[Kind | None, Any]:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], str):
        return None, None
    return _digest([value[0], from_base64url(value[1].rstrip("="))])


def _digest(value: object) -> tuple[Kind | None, Any]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None, None
    algorithm, digest = value
    if type(algorithm) not in {int, str} or type(digest) is not bytes or not 32 <= len(digest) <= 64:
        return None, None
    if len(digest) != _DIGEST_SIZES.get(algorithm, len(digest)):
        return None, None
    return Kind.DIGEST, (algorithm, digest)


class Encoding(Enum):
    """How a token's claims are encoded."""

    CBOR = "cbor"
    JSON = "json"
