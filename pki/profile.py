"""What a certificate looks like: profiles as compiled from the policy repository, and the few that are built in.

`Profile` is what the parties wrote (one document, one digest, a variant per tier). `Terms` is what one certificate is
made and linted from: everything decided, only the subject's fields, the key, the serial and the moment are open.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from pki import names
from pki.errors import ProfileError, TierIssuesNothingError
from pki.keys import KeyType

MIN_LIFETIME, MAX_LIFETIME = timedelta(minutes=1), timedelta(days=7305)  # twenty years: a root's life, nobody's excuse
MAX_DEVICE_LIFETIME = timedelta(days=1096)  # three years; a longer life is a revocation problem, not a convenience
MAX_BACKDATE = timedelta(hours=1)  # device clocks run late; an hour covers drift and cannot hide a past certificate
BACKDATE = timedelta(minutes=5)
MAX_LATE_RENEWAL = timedelta(days=366)  # a season in a warehouse and a year's shutdown; longer, and it enrols anew


class Use(Enum):
    """An extended key usage; the value is its name in profiles. OCSP signing is for the built-in responder only."""

    CLIENT_AUTH = "client-auth"
    SERVER_AUTH = "server-auth"
    OCSP_SIGNING = "ocsp-signing"

    @property
    def oid(self) -> str:
        """The KeyPurposeId (RFC 5280 section 4.2.1.12)."""
        return _USES[self]


_USES = {
    Use.CLIENT_AUTH: "1.3.6.1.5.5.7.3.2",
    Use.SERVER_AUTH: "1.3.6.1.5.5.7.3.1",
    Use.OCSP_SIGNING: "1.3.6.1.5.5.7.3.9",
}
_FOR_DEVICES = frozenset({Use.CLIENT_AUTH, Use.SERVER_AUTH})


class KeyUsageBit(Enum):
    """A bit of keyUsage (RFC 5280 section 4.2.1.3); the value is its position."""

    DIGITAL_SIGNATURE = 0
    KEY_CERT_SIGN = 5
    CRL_SIGN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CaTerms:
    """What makes a certificate a CA's: how many CAs may follow, and which names its leaves may carry.

    No permitted address means none at all. `dns` None means unconstrained, which only a root is.
    """

    path_length: int
    dns: tuple[str, ...] | None
    addresses: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Everything about one certificate but its subject's fields, key, serial and moment."""

    profile: str
    digest: str
    keys: frozenset[KeyType]
    lifetime: timedelta
    renew_at: float
    subject: names.SubjectTemplate
    dns: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    key_usage: frozenset[KeyUsageBit] = frozenset({KeyUsageBit.DIGITAL_SIGNATURE})
    uses: tuple[Use, ...] = ()
    ca: CaTerms | None = None
    backdate: timedelta = BACKDATE


class TierSource(Protocol):
    """One tier's differences, as the policy compiler gives them; None: as the profile says."""

    @property
    def lifetime(self) -> timedelta | None:
        """How long a certificate lives."""
        ...

    @property
    def eku(self) -> tuple[str, ...] | None:
        """Extended key usages by name."""
        ...


class ProfileSource(Protocol):
    """A CertificateProfile document, as the policy compiler gives it."""

    @property
    def name(self) -> str:
        """The document's name."""
        ...

    @property
    def key(self) -> tuple[str, ...]:
        """Key types allowed, by name."""
        ...

    @property
    def lifetime(self) -> timedelta:
        """How long a certificate lives."""
        ...

    @property
    def renew_at(self) -> float:
        """The share of the lifetime after which to renew."""
        ...

    @property
    def subject(self) -> str:
        """The subject template."""
        ...

    @property
    def san_dns(self) -> tuple[str, ...]:
        """dNSName templates."""
        ...

    @property
    def san_uri(self) -> tuple[str, ...]:
        """URI templates."""
        ...

    @property
    def eku(self) -> tuple[str, ...]:
        """Extended key usages by name."""
        ...

    @property
    def late_renewal(self) -> timedelta | None:
        """How long after its end a certificate still renews by its key; None: not at all."""
        ...

    @property
    def tiers(self) -> Mapping[str, TierSource]:
        """Differences per tier that issues."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A compiled CertificateProfile: its digest, and the terms of every tier that issues anything.

    `late_renewal` is how long after its end a certificate still renews by its key; None: not at all.
    """

    name: str
    digest: str
    tiers: Mapping[str, Terms]
    late_renewal: timedelta | None = None

    def for_tier(self, tier: str) -> Terms:
        """Return the terms for `tier`; raises TierIssuesNothingError if the profile does not name it."""
        try:
            return self.tiers[tier]
        except KeyError as cause:
            raise TierIssuesNothingError(f"profile `{self.name}` issues nothing in tier `{tier}`") from cause


def _domain(template: str) -> str:
    _, brace, tail = template.rpartition("}")
    return tail.partition(".")[2] if brace else template


def compile_profile(source: ProfileSource) -> Profile:
    """Return the profile that `source` says; raises ProfileError or NameRefusedError for what cannot be issued."""
    digest = _digest(source)
    base = Terms(
        profile=source.name,
        digest=digest,
        keys=frozenset(_key_type(key) for key in source.key),
        lifetime=_device_lifetime(source.lifetime),
        renew_at=_fraction(source.renew_at),
        subject=names.subject_template(source.subject),
        dns=tuple(constrained_dns(dns) for dns in source.san_dns),
        uri=tuple(names.uri_template(uri) for uri in source.san_uri),
        uses=_uses(source.eku),
    )
    if not base.keys:
        raise ProfileError(f"profile `{source.name}` allows no key", code="profile.key")
    return Profile(
        name=source.name,
        digest=digest,
        tiers={tier: _for_tier(base, change) for tier, change in source.tiers.items()},
        late_renewal=_late(source.late_renewal),
    )


def _for_tier(base: Terms, change: TierSource) -> Terms:
    return Terms(
        profile=base.profile,
        digest=base.digest,
        keys=base.keys,
        lifetime=base.lifetime if change.lifetime is None else _device_lifetime(change.lifetime),
        renew_at=base.renew_at,
        subject=base.subject,
        dns=base.dns,
        uri=base.uri,
        uses=base.uses if change.eku is None else _uses(change.eku),
    )


def constrained_dns(dns: str) -> str:
    """Return the dNSName template; raises ProfileError, NameRefusedError.

    A dNSName that is all placeholder could name anything, and no CA constraint could bound it."""
    if "." not in _domain(names.dns_template(dns)):
        raise ProfileError(f"dNSName `{dns}` does not end in a constant domain of two labels", code="profile.san")
    return dns


def _key_type(name: str) -> KeyType:
    try:
        return KeyType(name)
    except ValueError as cause:
        raise ProfileError(f"key type `{name}` is not known", code="profile.key") from cause


def _uses(eku: tuple[str, ...]) -> tuple[Use, ...]:
    try:
        uses = tuple(Use(name) for name in eku)
    except ValueError as cause:
        raise ProfileError(f"extended key usage of `{', '.join(eku)}` is not allowed", code="profile.eku") from cause
    if not _FOR_DEVICES.issuperset(uses):
        raise ProfileError("a device does not answer for its CA: `ocsp-signing` is not allowed", code="profile.eku")
    if not uses:
        raise ProfileError("a device certificate names at least one extended key usage", code="profile.eku")
    return uses


def _device_lifetime(lifetime: timedelta) -> timedelta:
    if not MIN_LIFETIME <= lifetime <= MAX_DEVICE_LIFETIME:
        raise ProfileError(f"lifetime of {lifetime} is not between one minute and three years", code="profile.lifetime")
    return lifetime


def _late(window: timedelta | None) -> timedelta | None:
    if window is not None and not timedelta(0) < window <= MAX_LATE_RENEWAL:
        raise ProfileError(f"late_renewal of {window} is not between 0 and 366 days", code="profile.late-renewal")
    return window


def _fraction(renew_at: float) -> float:
    if not 0 < renew_at < 1:
        raise ProfileError(f"renew_at {renew_at} is not between 0 and 1", code="profile.renew-at")
    return renew_at


def _digest(source: ProfileSource) -> str:
    plain = {
        "name": source.name,
        "key": sorted(source.key),
        "lifetime": _microseconds(source.lifetime),
        "renew_at": source.renew_at,
        "subject": source.subject,
        "san_dns": list(source.san_dns),
        "san_uri": list(source.san_uri),
        "eku": list(source.eku),
        "tiers": {
            tier: [_microseconds(change.lifetime), None if change.eku is None else list(change.eku)]
            for tier, change in source.tiers.items()
        },
    }
    if source.late_renewal is not None:  # absent, it leaves the digest that stands with certificates as it was
        plain["late_renewal"] = _microseconds(source.late_renewal)
    return digest_of(plain)


def digest_of(plain: Mapping[str, object]) -> str:
    """Return the name of a profile: `sha256:` over its sorted JSON."""
    encoded = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + hashlib.sha256(encoded.encode()).hexdigest()


def _microseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(microseconds=1)
