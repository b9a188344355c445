"""The claims of a JWT in the form a CWT has them: CBOR keys, bytes for base64url, integers for words (RFC 9711 7.2.4).

What cannot be brought into that form stays as it is, and is refused by the type of its claim. The nonce has exactly
one spelling, base64url without padding; identifiers may be padded, as the RFC's own example has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from policyengine.attestation.eat import claims as eat_claims
from policyengine.attestation.eat.measurements import COSWID_FORMAT
from policyengine.model.base64url import from_base64url

_DEBUG_STATES = {
    "enabled": 0,
    "disabled": 1,
    "disabled-since-boot": 2,
    "disabled-permanently": 3,
    "disabled-fully-and-permanently": 4,
}
_USES = {"generic": 1, "registration": 2, "provisioning": 3, "csr": 4, "pop": 5}
_PLACES = {
    "latitude": 1,
    "longitude": 2,
    "altitude": 3,
    "accuracy": 4,
    "altitude-accuracy": 5,
    "heading": 6,
    "speed": 7,
    "timestamp": 8,
    "age": 9,
}


def _nonce(value: Any) -> Any:
    return [_exact(each) for each in value] if isinstance(value, list) else _exact(value)


def _exact(value: Any) -> Any:
    content = from_base64url(value) if isinstance(value, str) else None
    return value if content is None else content


def _padded(value: Any) -> Any:
    """Return the bytes of base64url text, which may be padded to a multiple of four."""
    if isinstance(value, str) and value.endswith("=") and len(value) % 4 == 0:
        bare = value.removesuffix("=").removesuffix("=")
        return _exact(bare) if type(_exact(bare)) is bytes else value
    return _exact(value)


def _word(words: Mapping[str, int]) -> Callable[[Any], Any]:
    # In JSON only the words are defined: an integer becomes something that no requirement accepts.
    return lambda value: words.get(value, value) if isinstance(value, str) else str(value)


def _bytes_by_name(value: Any) -> Any:
    return {name: _padded(each) for name, each in value.items()} if isinstance(value, dict) else value


def _location(value: Any) -> Any:
    return {_PLACES.get(name, name): each for name, each in value.items()} if isinstance(value, dict) else value


def _measured(value: Any) -> Any:
    """Return pairs of content type and content, a CoSWID's in the bytes that its base64url is of."""
    return [_pair(each) for each in value] if isinstance(value, list) else value


def _pair(value: Any) -> Any:
    is_coswid = isinstance(value, list) and len(value) == 2 and value[0] == COSWID_FORMAT
    return [value[0], _padded(value[1])] if is_coswid else value


_CONVERSIONS: Mapping[int, Callable[[Any], Any]] = {
    eat_claims.NONCE: _nonce,
    eat_claims.UEID: _padded,
    eat_claims.SUEIDS: _bytes_by_name,
    eat_claims.OEMID: _padded,
    eat_claims.HWMODEL: _padded,
    eat_claims.BOOTSEED: _padded,
    eat_claims.DBGSTAT: _word(_DEBUG_STATES),
    eat_claims.INTUSE: _word(_USES),
    eat_claims.LOCATION: _location,
    eat_claims.MEASUREMENTS: _measured,
}
_KEYS = {name: key for key, name in eat_claims.NAMES.items() if key != eat_claims.CTI} | {"jti": eat_claims.CTI}


def canonical(claims: Mapping[str, Any]) -> dict[int, Any]:
    """Return the claims that RFC 9711 knows in the form `claims` judges."""
    known = {_KEYS[name]: value for name, value in claims.items() if name in _KEYS}
    return {key: _CONVERSIONS[key](value) if key in _CONVERSIONS else value for key, value in known.items()}
