"""Devices that come with a certificate of the CA that a fleet had before: recognised once, and given one of ours.

1. The certificate's path leads to a CA whose anchor says `use: [legacy]`; the TLS handshake proved its key.
2. Its name is the subject's one serialNumber, or its one common name where it has none.
3. The anchor speaks for that name (`serial`), and for the vendor and model of the device that the registry has under
   it: a serialNumber is the vendor's, a common name is the id.
4. A device that has one of our certificates comes with that; only an answer that got lost is given again.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.certificates import certificate_facts, raw_certificate
from pki.chain import validate_path
from pki.errors import PathError
from pki.keys import thumbprint
from pki.request import ProvenRequest
from policyengine.model.ids import DeviceId, InvalidNameError, device_id
from policyengine.services.identification.claimants import (
    Claimant,
    Legacy,
    demand_in_service,
    held_by_other_key,
    one_of,
    refused,
)
from policyengine.services.policies import Entitlement, Policies
from policyengine.services.ports import CheckInReads
from policyengine.services.records import DeviceView

KIND = "legacy"


def by_legacy(
    asked: ProvenRequest, certificates: tuple[bytes, ...], *, policies: Policies, reads: CheckInReads, now: datetime
) -> Claimant | None:
    """Return the device whose former certificate this is; None where no legacy CA vouches for it.

    Raises RefusedError (`identity.not-entitled`, `identity.unannounced`, `identity.serial`, `certificate.superseded`),
    ConflictError.
    """
    if not policies.legacy_anchors:  # most fleets have none: no path need be looked for
        return None
    try:
        path = validate_path(certificates[0], intermediates=certificates[1:], anchors=policies.legacy_anchors, at=now)
    except PathError:
        return None
    speaking = [entry for entry in policies.legacy_entitlements if entry.certificate == path.anchor]
    view = _registered(path.leaf, speaking, reads)
    demand_in_service(view)
    spki = raw_certificate(path.leaf.public_bytes(Encoding.DER)).spki
    if view.state is not None and view.state.key_thumbprint != thumbprint(spki):
        raise held_by_other_key(view)
    if view.certificate is not None and view.certificate.key_thumbprint != asked.key.thumbprint:
        raise refused("the device has a certificate of ours: renew with that", "certificate.superseded")
    return Claimant(
        view=view,
        spki=spki,
        thumbprint=thumbprint(spki),
        kind=KIND,
        anchor=path.anchor.subject.rfc4514_string(),
        verified=(),
        token_hash=None,
        legacy=_legacy(path.leaf),
    )


def _registered(leaf: x509.Certificate, speaking: list[Entitlement], reads: CheckInReads) -> DeviceView:
    serials, names = _texts(leaf, x509.NameOID.SERIAL_NUMBER), _texts(leaf, x509.NameOID.COMMON_NAME)
    chosen = serials or names
    if len(chosen) != 1:
        raise refused("the certificate carries neither one serialNumber nor one common name", "identity.serial")
    name = chosen[0]
    covering = [entry for entry in speaking if entry.covers(name)]
    found: dict[DeviceId, DeviceView] = {}
    for entry in covering:
        views = reads.views_by_serial(entry.vendor, name) if serials else _by_id(name, reads)
        found |= {view.device.id: view for view in views if entry.speaks_for(view.device)}
    if not covering:
        raise refused("the former CA does not speak for this name", "identity.not-entitled")
    if not found:
        raise refused("nobody announced a device of this name and of a model the CA speaks for", "identity.unannounced")
    return one_of(found, None)


def _by_id(name: str, reads: CheckInReads) -> tuple[DeviceView, ...]:
    try:
        view = reads.view(device_id(name))
    except InvalidNameError:
        return ()
    return () if view is None else (view,)


def _texts(leaf: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(each.value) for each in leaf.subject.get_attributes_for_oid(oid)]


def _legacy(leaf: x509.Certificate) -> Legacy:
    facts = certificate_facts(leaf)
    kept = {name: str(facts[name]) for name in ("subject", "issuer", "serial", "key_thumbprint")}
    return Legacy(serial=kept["serial"], detail={**kept, "not_after": leaf.not_valid_after_utc.isoformat()})
