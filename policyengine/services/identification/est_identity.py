"""Who asks for a certificate over EST: by a vendor's or our certificate in TLS, or by a one-time token (RFC 7030 3.3).

A handshake proves possession of a key. Whether the certificate is still good, and whose it is, is asked here each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from pki.certificates import load_certificate, raw_certificate
from pki.chain import validate_path
from pki.errors import PathError
from pki.keys import thumbprint
from pki.request import ProvenRequest
from policyengine.model.ids import DeviceId
from policyengine.services.errors import ConflictError, UnauthenticatedError
from policyengine.services.identification.claimants import Claimant, refused
from policyengine.services.identification.enrolment_tokens import demand_key, device_of_token, token_digest
from policyengine.services.identification.idevid_identity import device_of_idevid
from policyengine.services.identification.legacy_identity import by_legacy
from policyengine.services.policies import Policies
from policyengine.services.ports import Store
from policyengine.services.records import CertificateRecord, CertificateStatus, DeviceView, Lifecycle


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What came with a request: the certificates of the TLS connection, leaf first (DER), and a one-time token."""

    certificates: tuple[bytes, ...] = ()
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Credentials, and what is on record of their leaf if it is one of ours; looked up once for a whole attempt."""

    given: Credentials
    record: CertificateRecord | None


def shown(given: Credentials, store: Store) -> Shown:
    """Return `given` with what is on record of it now; raises PathError for a leaf that cannot be read."""
    return Shown(given=given, record=ours(given.certificates[0], store) if given.certificates else None)


def newcomer(asked: ProvenRequest, known: Shown, *, policies: Policies, store: Store, now: datetime) -> Claimant:
    """Return the device that asks for its first certificate, or for one without renewing.

    Raises UnauthenticatedError without credentials; RefusedError, UnannouncedError, ConflictError as a check-in does.
    """
    given = known.given
    if given.token is not None:
        view, token = device_of_token(given.token, reads=store, now=now)
        demand_key(token, asked.key.thumbprint)
        return _claimant(view, asked.key.spki, "token", token_hash=token.token_hash)
    if not given.certificates:
        raise UnauthenticatedError("connect with the device's certificate, or send its one-time token")
    if known.record is not None:
        return _known(_newest(known.record, store, now=now))
    former = adopted(asked, known, policies=policies, store=store, now=now)
    return former or _by_idevid(given.certificates, policies=policies, store=store, now=now)


def adopted(asked: ProvenRequest, known: Shown, *, policies: Policies, store: Store, now: datetime) -> Claimant | None:
    """Return the device that shows a certificate of the CA that the fleet had before; None for any other certificate.

    Raises as by_legacy does, and RefusedError where a person has stopped what the device got from us since.
    """
    certificates = known.given.certificates
    if not certificates or known.record is not None:
        return None
    former = by_legacy(asked, certificates, policies=policies, reads=store, now=now)
    if former is not None and former.view.certificate is not None:
        demand_not_stopped(former.view.certificate)
    return former


def renewer(known: Shown, *, store: Store, now: datetime) -> tuple[Claimant, CertificateRecord]:
    """Return the device that shows its current certificate, and that certificate.

    Raises UnauthenticatedError, RefusedError: only the newest of a lineage renews, and none that a person has stopped.
    """
    if not known.given.certificates:
        raise UnauthenticatedError("connect with the certificate that is to be renewed")
    record = known.record
    if record is None:
        message = "the certificate is not one of ours; a vendor's enrols by simpleenroll"
        raise refused(message, "certificate.foreign")
    return _known(_newest(record, store, now=now)), record


def lost_answer(
    asked: ProvenRequest, known: Shown, *, store: Store, now: datetime
) -> tuple[CertificateRecord, DeviceView] | None:
    """Return the certificate that this very request led to before, and its device, when its answer was lost.

    The credential is used up by then: a newer certificate was issued than the one shown, or the token is redeemed. The
    same credential with a request of the same key gets the same certificate, while that is good. Raises PathError.
    """
    view, replaced = _spender(asked, known, store=store, now=now)
    if view is None or view.device.lifecycle is not Lifecycle.OPERATIONAL or view.certificate is None:
        return None
    newest = view.certificate
    is_answer = newest.replaces == replaced and newest.key_thumbprint == asked.key.thumbprint
    return (newest, view) if is_answer and newest.status is CertificateStatus.GOOD else None


def _spender(
    asked: ProvenRequest, known: Shown, *, store: Store, now: datetime
) -> tuple[DeviceView | None, str | None]:
    """Return who used the credential up, and the serial of the certificate that was replaced by it."""
    if known.given.token is not None:
        token = store.enrolment_token(token_digest(known.given.token))
        if token is None or token.redeemed_at is None or now >= token.expires_at:
            return None, None
        view = store.view(token.device_id)
        same_key = view is not None and view.state is not None and view.state.key_thumbprint == asked.key.thumbprint
        return (view if same_key else None), None
    record = known.record
    if record is None or record.status is not CertificateStatus.GOOD or not record.not_before <= now < record.not_after:
        return None, None
    return store.view(record.device_id), record.serial


def _newest(record: CertificateRecord, store: Store, *, now: datetime) -> DeviceView:
    view = _in_service(record, store, now=now)
    if view.certificate is None or view.certificate.serial != record.serial:
        raise refused("a newer certificate of this device was issued", "certificate.superseded")
    return view


def ours(certificate: bytes, store: Store) -> CertificateRecord | None:
    """Return what is on record of `certificate` (DER) if our CA issued exactly it; raises PathError."""
    serial = f"{load_certificate(certificate).serial_number:x}"
    record = store.certificate(serial)
    return record if record is not None and record.certificate == certificate else None


def holder_of(given: Credentials, store: Store) -> DeviceId | None:
    """Return the device that our certificate in TLS, or the one-time token, is of; None for a vendor's certificate."""
    record = ours(given.certificates[0], store) if given.certificates else None
    if record is not None or given.token is None:
        return None if record is None else record.device_id
    token = store.enrolment_token(token_digest(given.token))
    return None if token is None else token.device_id


def demand_not_stopped(record: CertificateRecord) -> None:
    """Raise RefusedError (`certificate.status`) for a certificate that is revoked, or that a person holds."""
    if record.status is CertificateStatus.REVOKED or record.held_by_person:
        raise refused(f"the certificate is {record.status.in_words}", "certificate.status")


def _in_service(record: CertificateRecord, store: Store, *, now: datetime) -> DeviceView:
    demand_not_stopped(record)
    if not record.not_before <= now < record.not_after:
        raise refused("the certificate is not valid now", "certificate.expired")
    view = store.view(record.device_id)
    if view is None or view.device.lifecycle is not Lifecycle.OPERATIONAL:
        raise refused("the device is not in service", "device.retired")
    return view


def _by_idevid(certificates: tuple[bytes, ...], *, policies: Policies, store: Store, now: datetime) -> Claimant:
    try:
        path = validate_path(
            certificates[0], intermediates=certificates[1:], anchors=policies.anchors.certificates, at=now
        )
    except PathError as cause:
        raise refused(f"no vendor's CA vouches for the certificate: {cause.message}", "pop.chain") from cause
    view = device_of_idevid(path.chain, policies, store)
    if view.state is not None:
        return _known(view)
    spki = raw_certificate(path.leaf.public_bytes(Encoding.DER)).spki
    return _claimant(view, spki, "idevid", anchor=path.anchor.subject.rfc4514_string())


def _known(view: DeviceView) -> Claimant:
    state = view.state
    if state is None:
        raise ConflictError("the device has a certificate and no state", code="state.conflict")
    return Claimant(
        view=view,
        spki=state.key_spki,
        thumbprint=state.key_thumbprint,
        kind=state.identity_kind,
        anchor=state.anchor,
        verified=(),
        token_hash=None,
    )


def _claimant(
    view: DeviceView, spki: bytes, kind: str, *, anchor: str | None = None, token_hash: bytes | None = None
) -> Claimant:
    return Claimant(
        view=view,
        spki=spki,
        thumbprint=thumbprint(spki),
        kind=kind,
        anchor=anchor,
        verified=(),
        token_hash=token_hash,
    )
