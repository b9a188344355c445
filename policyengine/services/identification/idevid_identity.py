"""A device that its maker's certificates speak for (IEEE 802.1AR): an IDevID, and beside or instead of it an IAK.

1. The check-in holds one proof of possession of the IDevID key over our challenge; or no such proof, and one TPM quote
   by an attestation key with a certificate of its own (IAK), which is a proof as good.
2. The chain ends at an anchor for IDevIDs, whose entry speaks for this vendor, model and serial number, and the
   registry has that device.
3. Other evidence is by the same key, but for quotes: those are by the IAK of the same device.
"""

from __future__ import annotations

from cryptography import x509

from pki.certificates import thumbprint
from pki.reading import extension
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.formats import KeyBinding, Verified
from policyengine.attestation.tpm.evidence import read_evidence
from policyengine.attestation.tpm.iak import IAK_PURPOSE
from policyengine.services.errors import ConflictError, InvalidRequestError
from policyengine.services.identification.claimants import (
    AK_KIND,
    Claimant,
    Question,
    UnannouncedError,
    appraised,
    demand_in_service,
    disbelieved,
    held_by_other_key,
    is_pop,
    is_tpm,
    one_of,
    proven_spki,
    refused,
)
from policyengine.services.identification.signing_keys import (
    by_same_key,
    makers,
    quoted_by_iak,
    same_key,
    serial_of,
    stated_by_tpm,
)
from policyengine.services.policies import Entitlement, Policies
from policyengine.services.ports import CheckInReads
from policyengine.services.records import DeviceView
from policyengine.services.requests import EvidenceItem


def by_idevid(question: Question, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    """Return the announced device that signed with its IDevID key; raises as `identity.identify` does."""
    proof, binding = possession(question)
    _demand_idevid(binding.chain[0])
    view = registered(question.policies, binding.chain, bound, reads)
    if view.state is not None and view.state.key_thumbprint != binding.thumbprint:
        raise held_by_other_key(view)
    demand_in_service(view)
    spki = proven_spki(binding.key)
    others = [item for item in question.request.evidence if not is_pop(item)]
    rest = tuple(same_key(question, item, view, spki) for item in others)
    return Claimant(
        view=view,
        spki=spki,
        thumbprint=binding.thumbprint,
        kind="idevid",
        anchor=binding.chain[-1].subject.rfc4514_string(),
        verified=(proof, *rest),
        token_hash=None,
    )


def by_iak(question: Question, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    """Return the announced device whose maker certified the AK that signed its quote; raises as `identity.identify`."""
    item = next(each for each in question.request.evidence if is_certified_quote(each))
    anchors = TrustAnchors(certificates=makers(question.policies))
    found = appraised(question, item, anchors=anchors, endorsements=None)
    binding = found.key_binding
    if binding is None:
        raise disbelieved(question, found)
    view = registered(question.policies, binding.own_chain, bound, reads)
    if view.state is not None and view.state.key_thumbprint != binding.thumbprint:
        raise held_by_other_key(view)
    demand_in_service(view)
    spki = proven_spki(binding.key)
    quote = quoted_by_iak(question, item, view)
    rest = [each for each in question.request.evidence if each is not item]
    return Claimant(
        view=view,
        spki=spki,
        thumbprint=binding.thumbprint,
        kind=AK_KIND,
        anchor=binding.own_chain[-1].subject.rfc4514_string(),
        verified=(quote, *[stated_by_tpm(by_same_key(question, each, view, spki)) for each in rest]),
        token_hash=None,
    )


def is_certified_quote(item: EvidenceItem) -> bool:
    """Tell whether `item` is a TPM's with a certificate for its AK; raises MalformedEvidenceError."""
    return is_tpm(item) and bool(read_evidence(item.value).ak_chain)


def device_of_idevid(chain: tuple[x509.Certificate, ...], policies: Policies, reads: CheckInReads) -> DeviceView:
    """Return the registered device of an IDevID whose path holds: `chain` is leaf first, trust anchor last.

    Raises RefusedError, UnannouncedError, ConflictError: who may speak for whom is the same as at a check-in.
    """
    _demand_idevid(chain[0])
    view = registered(policies, chain, None, reads)
    if view.state is not None and view.state.key_thumbprint != thumbprint(chain[0]):
        raise held_by_other_key(view)
    demand_in_service(view)
    return view


def _demand_idevid(leaf: x509.Certificate) -> None:
    """Raise RefusedError for an IAK in an IDevID's place: pinned as one, it would sign tokens that no TPM vouches for.

    Any program on the device can have a restricted key sign what does not look like its TPM's own statements.
    """
    purposes = extension(leaf.extensions, x509.ExtendedKeyUsage)
    if purposes is not None and x509.ObjectIdentifier(IAK_PURPOSE) in purposes.value:
        raise refused(
            "the certificate is for an attestation key, which quotes and proves no IDevID", "identity.purpose"
        )


def possession(question: Question) -> tuple[Verified, KeyBinding]:
    """Return the one proof of possession in the check-in and what it binds; raises RefusedError."""
    proofs = [item for item in question.request.evidence if is_pop(item)]
    if len(proofs) > 1:
        raise InvalidRequestError("more than one proof of possession", code="request.evidence", field="evidence")
    proof = appraised(question, proofs[0], anchors=question.policies.anchors, endorsements=None)
    if proof.key_binding is None:
        raise disbelieved(question, proof)
    return proof, proof.key_binding


def registered(
    policies: Policies, chain: tuple[x509.Certificate, ...], bound: DeviceView | None, reads: CheckInReads
) -> DeviceView:
    """Return the device that the chain's anchor may speak for and the registry knows."""
    serial = serial_of(chain[0])
    entitled = [entry for entry in policies.entitlements if entry.certificate == chain[-1]]
    speaking = [entry for entry in entitled if entry.covers(serial)]
    if not speaking:
        raise refused("the vendor's CA does not speak for this serial number", "identity.not-entitled")
    found = {view.device.id: view for entry in speaking for view in reads.views_by_serial(entry.vendor, serial)}
    if not found:
        raise _unannounced(chain[0], speaking[0], serial)
    view = one_of(found, bound)
    _demand_agreement(view, chain[0], speaking, policies)
    return view


def _unannounced(leaf: x509.Certificate, entry: Entitlement, serial: str) -> UnannouncedError:
    named = _units(leaf) & entry.models or entry.models
    model = next(iter(named)) if len(named) == 1 else None
    return UnannouncedError(vendor=entry.vendor, model=model, serial=serial)


def _units(leaf: x509.Certificate) -> frozenset[str]:
    """Return the organizational units of a certificate; vendors that name the model do so there."""
    found = leaf.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    return frozenset(str(unit.value) for unit in found)


def _demand_agreement(
    view: DeviceView, leaf: x509.Certificate, speaking: list[Entitlement], policies: Policies
) -> None:
    device = view.device
    if not any(entry.speaks_for(device) for entry in speaking):
        raise refused("the vendor's CA does not speak for this model", "identity.not-entitled")
    claimed = _units(leaf) & policies.bundle.fleet.models.keys()
    if claimed and device.model not in claimed:
        raise ConflictError(
            "the certificate names another model than the registry",
            code="registry.conflict",
            check="registry.conflict",
            device_id=device.id,
        )
