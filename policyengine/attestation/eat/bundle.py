"""Detached EAT bundles (RFC 9711 section 5): a main token, and beside it the claims that its digests stand for.

The main token is evidence as any other, and its signature covers the digests. A claims set beside it is believed
because its bytes have the digest in the main token's submodule of the same name, and for nothing else. A set that no
digest is for was put there by somebody on the way: the whole bundle is refused. A digest without claims says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import cbor2

from policyengine.attestation import cbor
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.eat.envelope import Token, cbor_claims, json_claims, read_cwt, read_jwt
from policyengine.attestation.eat.submods import (
    HASHES,
    MAX_SUBMODS,
    Encoding,
    Kind,
    Submodule,
    UnsoundError,
    digest_in,
    selected_token,
    within,
)
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.jose import json_value
from policyengine.attestation.plain_text import is_plain_text
from policyengine.model.base64url import from_base64url

CBOR, JSON = "application/eat-bun+cbor", "application/eat-bun+json"
TAG = 602

DETACHED = Requirement(
    id="eat.detached",
    clause="RFC 9711 section 5",
    expected="sound claims sets, each with the digest that the main token's submodule of its name holds",
)
_read = cbor.reader(TAG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle read: its main token as bytes, and the encoded claims sets by name. Nothing of it is believed."""

    kind: Kind
    main: bytes
    sets: Mapping[str, bytes]
    encoding: Encoding

    def token(self, anchors: TrustAnchors) -> Token:
        """Return the main token, its envelope judged; raises MalformedEvidenceError."""
        return read_cwt(self.main, anchors) if self.kind is Kind.CWT else read_jwt(self.main, anchors)

    def claims(self, name: str) -> Mapping[Any, Any]:
        """Return the claims set `name`, not compared with any digest; raises MalformedEvidenceError."""
        content = self.sets[name]
        return cbor_claims(content) if self.encoding is Encoding.CBOR else json_claims(content)


def read_bundle(evidence: bytes, essence: str) -> Bundle:
    """Return the bundle of media type `essence`; raises MalformedEvidenceError `eat.bundle`, `cbor.*` or `jose.*`."""
    return _of_cbor(_read(evidence)) if essence == CBOR else _of_json(json_value(evidence, "the bundle"))


def _of_cbor(item: Any) -> Bundle:
    main, sets = _parts(item.value if type(item) is cbor2.CBORTag else item)
    kind, content = (Kind.CWT, main) if type(main) is bytes else _selected(main)
    if any(type(each) is not bytes for each in sets.values()):
        raise _refused("a claims set is not wrapped in bytes")
    return Bundle(kind=kind, main=content, sets=sets, encoding=Encoding.CBOR)


def _selected(main: Any) -> tuple[Kind, bytes]:
    kind, content = selected_token(main) if type(main) is str else (None, b"")
    if kind is not Kind.CWT and kind is not Kind.JWT:
        raise _refused("the main token is neither a CWT in bytes nor a CWT or JWT in a selector in text")
    return kind, content


def _of_json(item: Any) -> Bundle:
    main, sets = _parts(item)
    if not isinstance(main, list) or len(main) != 2 or not isinstance(main[1], str):
        raise _refused("the main token is not a pair of type and token")
    selector, text = main
    if selector != "JWT" and selector != "CBOR":  # noqa: PLR1714 - JSON has values that no set can be asked for
        raise _refused("the main token is neither a CWT nor a JWT")
    content = text.encode("utf-8", "surrogatepass") if selector == "JWT" else _bytes(text)
    decoded = {name: _bytes(each) for name, each in sets.items()}
    return Bundle(kind=Kind.JWT if selector == "JWT" else Kind.CWT, main=content, sets=decoded, encoding=Encoding.JSON)


def _bytes(text: object) -> bytes:
    content = from_base64url(text.rstrip("=")) if isinstance(text, str) else None
    if content is None:
        raise _refused("a part is not base64url")
    return content


def _parts(item: Any) -> tuple[Any, Mapping[str, Any]]:
    if not isinstance(item, list | tuple) or len(item) != 2 or not isinstance(item[1], Mapping):
        raise _refused("not a main token and a map of claims sets")
    if not 0 < len(item[1]) <= MAX_SUBMODS or not all(is_plain_text(name) for name in item[1]):
        raise _refused(f"not 1 to {MAX_SUBMODS} claims sets under names in plain text")
    return item[0], item[1]


def _refused(reason: str) -> MalformedEvidenceError:
    return MalformedEvidenceError("eat.bundle", reason)


def attached(bundle: Bundle | None, main: Token, now: datetime) -> tuple[Check, tuple[Submodule, ...]]:
    """Return check `eat.detached`, and as submodules the claims that belong to digests of the `main` token."""
    if bundle is None:
        return DETACHED.absent, ()
    try:
        return DETACHED.passed, tuple(each for name in bundle.sets for each in _of_set(bundle, name, main, now))
    except UnsoundError as unsound:
        return DETACHED.failed(str(unsound)), ()


def _of_set(bundle: Bundle, name: str, main: Token, now: datetime) -> Iterator[Submodule]:
    stated = digest_in(main.claims, name, main.encoding)
    if stated is None:
        raise UnsoundError(f"no digest in the main token is for {name}")
    algorithm, digest = stated
    new = HASHES.get(algorithm)
    if new is None:
        raise UnsoundError(f"the digest for {name} is by {described(algorithm)}")
    if new(bundle.sets[name]).digest() != digest:
        raise UnsoundError(f"the claims of {name} have another digest")
    try:
        claims = bundle.claims(name)
    except MalformedEvidenceError as error:
        raise UnsoundError(f"the claims of {name}: {error.code}") from error
    yield from within(Submodule(path=name, kind=Kind.CLAIMS, content=claims), bundle.encoding, now)
