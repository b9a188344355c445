"""Certificates follow from decisions: prepared, reserved, signed, and kept only together with the decision.

This is the only place that holds the issuing authority, and it asks for a decision's tier before anything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.authority import Authority, Order
from pki.certificates import name_text
from pki.errors import IssuanceError, LintError
from pki.keys import described
from pki.lint import Linted
from pki.profile import Profile
from pki.request import ProvenRequest
from pki.reservation import Reservation, Reserved
from pki.tbs import SERIAL_ENTROPY, Plan
from policyengine.errors import PolicyEngineError, quoted
from policyengine.model.decision import Tier
from policyengine.model.ids import Digest
from policyengine.services.certificate_ledger import CertificateLedger
from policyengine.services.changes import SALT_SIZE, StatusChange
from policyengine.services.errors import RefusedError, UnavailableError
from policyengine.services.ports import Entropy
from policyengine.services.records import HELD_BY_TIER, CertificateRecord, CertificateStatus, Device, DeviceView
from policyengine.services.turns import turn

RENEWAL_JITTER = 0.1  # a fourteen-day certificate renewed at half life: spread over seventeen hours
SIGNER_RETRY_SECONDS = 30  # a token that was reset is opened again by then; a person needs longer anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A decision that allows a certificate: for whom, in which tier, and on whose request."""

    view: DeviceView
    request: ProvenRequest
    profile: Profile
    tier: Tier
    decision_id: Digest
    fleet: str
    now: datetime
    follows: str | None = None  # the serial number of another CA's certificate that the lineage begins with


class Issuance:
    """The issuing CA behind decisions."""

    def __init__(
        self, authority: Authority, ledger: CertificateLedger, entropy: Entropy, *, chain: tuple[x509.Certificate, ...]
    ) -> None:
        self._authority = authority
        self._ledger = ledger
        self._entropy = entropy
        issuing = chain[0]
        key_type, key_bits = described(issuing.public_key())
        self.facts: Mapping[str, object] = {
            "subject": name_text(issuing.subject),
            "not_after": issuing.not_valid_after_utc,
            "key_type": key_type,
            **({} if key_bits is None else {"key_bits": key_bits}),
        }
        self.chain = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)

    async def issue(self, grant: Grant) -> CertificateRecord:
        """Return a signed certificate whose reservation is durable; it is not issued until the decision commits.

        Raises KeyRefusedError, NameRefusedError, IssuanceError, UnavailableError (`issue.profile` where this CA may not
        sign what the profile says); RefusedError `csr.ca` or `csr.names` when the request asks to be a CA, or for a
        name that is not the device's.
        """
        await turn()
        device, now = grant.view.device, grant.now
        order = Order(
            terms=grant.profile.for_tier(tier_name(grant.tier)),
            key=grant.request,
            fields=_fields(device, grant.fleet),
            authorization=grant.decision_id,
        )
        linted = self._prepared(order, now)
        _demand_modest(grant.request, linted.plan)
        reservation = linted.reservation
        reserved = await self._ledger.reserve(
            reservation, device_id=device.id, decision_id=grant.decision_id, at=now, salt=self._entropy.draw(SALT_SIZE)
        )
        return _record(await self._signed(linted, reserved, now=now), reservation, grant)

    def _prepared(self, order: Order, now: datetime) -> Linted:
        try:
            return self._authority.prepare(order, now=now, entropy=self._entropy.draw(SERIAL_ENTROPY))
        except LintError as cause:
            message = f"this CA may not sign what profile `{order.terms.profile}` says: {cause.violations[0][2]}"
            raise UnavailableError(message, code="issue.profile", retry_after=SIGNER_RETRY_SECONDS) from cause

    async def _signed(self, linted: Linted, reserved: Reserved, *, now: datetime) -> bytes:
        """Return the certificate; a key that does not sign now closes the reservation and is a matter of time."""
        try:
            return self._authority.sign(linted, reserved).der
        except (PolicyEngineError, IssuanceError) as cause:
            reservation = reserved.reservation
            await self._abort(reservation.issuer, reservation.serial, reason=cause.code, now=now)
            message = "the CA's key cannot be used now"
            raise UnavailableError(message, code=cause.code, retry_after=SIGNER_RETRY_SECONDS) from cause

    async def abandon(self, record: CertificateRecord, *, reason: str, now: datetime) -> None:
        """Close the reservation of a certificate that its decision did not survive to deliver."""
        await self._abort(record.issuer, record.serial, reason=reason, now=now)

    async def _abort(self, issuer: str, serial: str, *, reason: str, now: datetime) -> None:
        await self._ledger.abort(issuer, serial, reason=reason, at=now, salt=self._entropy.draw(SALT_SIZE))


def _demand_modest(request: ProvenRequest, plan: Plan) -> None:
    """A request may ask for no names, or for some of those that the certificate gets; to ignore more would mislead."""
    if request.ca:
        message = "the request asks to be a CA (CA:TRUE), which no device is: ask without it"
        raise RefusedError(message, code="csr.ca", check="csr.ca")
    own = (
        *(f"dns:{name}" for name in plan.dns),
        *(f"uri:{name}" for name in plan.uri),
        *(f"ip:{name}" for name in plan.addresses),
    )
    known = {name.lower() for name in own}
    foreign = next((name for name in request.san if name.lower() not in known), None)
    if foreign is not None:
        message = f"the request asks for {quoted(foreign)}, and this device's names are `{', '.join(own) or 'none'}`"
        raise RefusedError(f"{message}: ask for those or for none", code="csr.names", check="csr.names")


def tier_name(tier: Tier) -> str:
    """Return the tier as profiles name it."""
    return tier.name.lower()


def issues(profile: Profile | None, tier: Tier) -> bool:
    """Tell whether a device of this profile holds a certificate in `tier`."""
    return profile is not None and tier_name(tier) in profile.tiers


def renew_at(certificate: CertificateRecord, profile: Profile | None) -> datetime | None:
    """Return when the holder should renew: at the profile's share of its life, or up to a tenth of that share earlier.

    Its own for each certificate, and the same whenever asked: a fleet that was enrolled in one night does not renew in
    one. None where the certificate is not good or its profile is gone.
    """
    terms = None if profile is None else profile.tiers.get(tier_name(certificate.tier))
    if terms is None or certificate.status is not CertificateStatus.GOOD:
        return None
    drawn = int.from_bytes(hashlib.sha256(certificate.serial.encode()).digest()[:4], "big") / 0xFFFFFFFF
    life = (certificate.not_after - certificate.not_before).total_seconds()
    return certificate.not_before + timedelta(seconds=int(life * terms.renew_at * (1 - RENEWAL_JITTER * drawn)))


def status_after(view: DeviceView, profile: Profile | None, tier: Tier, *, now: datetime) -> StatusChange | None:
    """Return how `tier` changes the current certificate: on hold where it issues nothing, back where it does.

    A hold that a person made is theirs to end.
    """
    current = view.certificate
    if current is None:
        return None
    good = current.status is CertificateStatus.GOOD
    held_by_tier = current.status is CertificateStatus.HOLD and current.status_reason == HELD_BY_TIER
    allowed = issues(profile, tier)
    if not (good and not allowed) and not (held_by_tier and allowed):
        return None
    return StatusChange(
        issuer=current.issuer,
        serial=current.serial,
        expected=current.status,
        status=CertificateStatus.GOOD if allowed else CertificateStatus.HOLD,
        reason=HELD_BY_TIER,
        at=now,
    )


def _fields(device: Device, fleet: str) -> dict[str, str]:
    fields = {
        "device.id": device.id,
        "device.serial": device.serial,
        "device.model": device.model,
        "device.vendor": device.vendor,
        "device.class": device.device_class,
        "device.site": device.site,
        "device.zone": device.zone,
        "device.hw_version": device.hw_version,
        "fleet.name": fleet,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _record(certificate: bytes, reservation: Reservation, grant: Grant) -> CertificateRecord:
    current = grant.view.certificate
    lineage, replaces = (1 if grant.follows is None else 2), grant.follows
    if current is not None:
        lineage, replaces = current.lineage + 1, current.serial
    return CertificateRecord(
        issuer=reservation.issuer,
        serial=reservation.serial,
        device_id=grant.view.device.id,
        decision_id=grant.decision_id,
        profile=reservation.profile,
        tier=grant.tier,
        lineage=lineage,
        replaces=replaces,
        key_thumbprint=reservation.key,
        not_before=reservation.not_before,
        not_after=reservation.not_after,
        certificate=certificate,
        status=CertificateStatus.GOOD,
        status_reason=None,
        status_at=grant.now,
    )
