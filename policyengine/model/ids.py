"""Names and digests: plain strings that only a parse function makes, so that a name is never confused with text."""

from __future__ import annotations

import hashlib
import re
from typing import NewType

from policyengine.errors import PolicyEngineError

DeviceId = NewType("DeviceId", str)
PartyName = NewType("PartyName", str)
PolicyName = NewType("PolicyName", str)  # owner/policy
BindingName = NewType("BindingName", str)  # owner/binding
RuleName = NewType("RuleName", str)  # owner/policy#rule
Digest = NewType("Digest", str)  # sha256:<64 lowercase hex>

MAX_DEVICE_ID = 128  # fits a dNSName label path and a subject CN many times over; longer ids are an attack or a mistake

_DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class InvalidNameError(PolicyEngineError):
    """A name or digest that does not have the form its kind demands."""

    code = "name.invalid"


def device_id(text: str) -> DeviceId:
    """Return `text` as a device id; raises InvalidNameError unless 1 to 128 of `A-Za-z0-9._-`, first alphanumeric."""
    if not _DEVICE_ID.fullmatch(text):
        raise InvalidNameError("device id is not 1 to 128 letters, digits, `.`, `_` or `-`", field="device_id")
    return DeviceId(text)


def folded(name: DeviceId) -> str:
    """Return what is equal for ids that differ in case only, as dNSNames are compared (RFC 9525 section 6.3)."""
    return name.lower()


def digest(text: str) -> Digest:
    """Return `text` as a digest; raises InvalidNameError unless it is `sha256:` and 64 lowercase hex digits."""
    if not _DIGEST.fullmatch(text):
        raise InvalidNameError("digest is not `sha256:` followed by 64 lowercase hex digits", field="digest")
    return Digest(text)


_SHA256 = hashlib.sha256()  # to copy one takes a third less than OpenSSL takes to look one up by name


def digest_of(content: bytes) -> Digest:
    """Return the SHA-256 name of `content`."""
    sha256 = _SHA256.copy()
    sha256.update(content)
    return Digest("sha256:" + sha256.hexdigest())


def rule_name(policy: PolicyName, rule_id: str) -> RuleName:
    """Return `owner/policy#rule`."""
    return RuleName(f"{policy}#{rule_id}")
