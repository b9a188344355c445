"""Whose feeds are believed, and for how long, as the operator's document says, strict JSON:

{"publishers": [{"name": "security-team", "ed25519": "base64..."}], "max_age": {"osv": "7d", "kev": "3d"}}
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policyengine.errors import PolicyEngineError, quoted
from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.model.times import InvalidTimeError, parse_duration
from policyengine.services.settings_document import Reading
from policyengine.supply.pack import FEEDS

MAX_BYTES = 64 * 1024
MAX_PUBLISHERS = 16
DEFAULT_AGE = timedelta(days=7)  # a fleet whose packs are carried over by hand once a week; KEV changes about as often

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


class FeedTermsError(PolicyEngineError):
    """The document of feeds cannot be used."""

    code = "settings.feeds"


_READING = Reading(FeedTermsError)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTerms:
    """Keys of publishers by name, and how old each feed may become before what it says is unknown."""

    publishers: Mapping[str, Ed25519PublicKey]
    max_age: Mapping[str, timedelta] = field(default_factory=lambda: dict.fromkeys(FEEDS, DEFAULT_AGE))


NO_FEEDS = FeedTerms(publishers={})


def read_feed_terms(content: bytes) -> FeedTerms:
    """Return the operator's document; raises FeedTermsError for anything it does not understand."""
    try:
        document = read_json(content, max_bytes=MAX_BYTES)
    except InvalidJsonError as cause:
        raise FeedTermsError(f"not one strict JSON document: {cause.message}") from cause
    given = _READING.members(document, frozenset({"publishers", "max_age"}), "the document")
    listed = _READING.listed(given, "publishers")
    if len(listed) > MAX_PUBLISHERS:
        raise FeedTermsError(f"`publishers` are at most {MAX_PUBLISHERS}")
    found = dict(map(_publisher, listed))
    if len(found) != len(listed):
        raise FeedTermsError("a publisher's name stands there twice")
    ages = _READING.members(given.get("max_age", {}), frozenset(FEEDS), "`max_age`")
    return FeedTerms(publishers=found, max_age={name: _age(ages, name) for name in FEEDS})


def _publisher(document: Any) -> tuple[str, Ed25519PublicKey]:
    given = _READING.members(document, frozenset({"name", "ed25519"}), "a publisher")
    name, text = _READING.text(given, "name"), _READING.text(given, "ed25519")
    if not _NAME.fullmatch(name):
        raise FeedTermsError(f"{quoted(name)} is no name of lowercase letters, digits and `-`")
    try:
        return name, Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as cause:
        raise FeedTermsError(f"`ed25519` of `{name}` is no public key of 32 bytes in base64") from cause


def _age(ages: Mapping[str, Any], name: str) -> timedelta:
    if name not in ages:
        return DEFAULT_AGE
    try:
        found = parse_duration(_READING.text(ages, name))
    except InvalidTimeError as cause:
        raise FeedTermsError(f"`max_age` of `{name}`: {cause.message}") from cause
    if found <= timedelta(0):
        raise FeedTermsError(f"`max_age` of `{name}` is not more than nothing")
    return found
