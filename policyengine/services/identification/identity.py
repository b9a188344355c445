"""Who a check-in is from: who holds the pinned key, or an entitled IDevID, TPM, DICE chain or token. Never a claim.

1. A bound nonce names a device; if that has a key, all evidence must be signed by it.
2. Otherwise an IDevID proof of possession: the chain ends at an anchor, the anchor's entry speaks for this vendor,
   model and serial, and the registry has that device.
3. Otherwise the secret of a TPM credential, with a quote by the AK it admits (tpm_identity.py).
4. Otherwise a DICE chain below a vendor's CA, its last layer at hand (dice_identity.py).
5. Otherwise a one-time token for one device of the registry, and the key that the token admits.
6. Otherwise a key that a vendor's signed CoRIM vouches for as the device's (endorsed_identity.py).
An id that another key holds, and a registry that disagrees, are conflicts; everything else that fails is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509

from pki.certificates import thumbprint
from pki.keys import subject_key
from policyengine.attestation.formats import KeyBinding, Verified
from policyengine.attestation.pop import MEDIA_TYPE as POP
from policyengine.model.ids import DeviceId
from policyengine.services.errors import ConflictError, InvalidRequestError
from policyengine.services.identification.activation import SECRET_SIZE
from policyengine.services.identification.claimants import (
    Claimant,
    Question,
    UnannouncedError,
    appraised,
    appraised_by_key,
    demand_in_service,
    disbelieved,
    held_by_other_key,
    is_dice,
    is_nonce_check,
    is_of_other_device,
    one_of,
    proven_spki,
    refused,
    same_key,
    stated_by_tpm,
)
from policyengine.services.identification.dice_identity import by_dice
from policyengine.services.identification.endorsed_identity import by_endorsed_key, shown_key
from policyengine.services.identification.enrolment_tokens import demand_bound, demand_key, device_of_token
from policyengine.services.identification.tpm_identity import AK_KIND, by_activated_tpm
from policyengine.services.policies import Entitlement, Policies
from policyengine.services.ports import CheckInReads
from policyengine.services.records import DeviceView
from policyengine.services.requests import CheckInRequest, EvidenceItem

MAX_EVIDENCE = 8  # items in one check-in: a proof of possession, a token, a log or two
MAX_TOKEN = 256  # characters; ours have fewer than 80
MAX_KEY_BYTES = 1024  # an RSA-4096 SubjectPublicKeyInfo has 550


def check_bounds(request: CheckInRequest) -> None:
    """Raise InvalidRequestError unless `request` holds between one and MAX_EVIDENCE items and sizes make sense."""
    if not 1 <= len(request.evidence) <= MAX_EVIDENCE:
        raise InvalidRequestError(
            f"evidence is not 1 to {MAX_EVIDENCE} items", code="request.evidence", field="evidence"
        )
    if request.token is not None and len(request.token) > MAX_TOKEN:
        raise InvalidRequestError(f"token is longer than {MAX_TOKEN} characters", code="request.token", field="token")
    if request.key is not None and len(request.key) > MAX_KEY_BYTES:
        raise InvalidRequestError(f"key is larger than {MAX_KEY_BYTES} bytes", code="request.key", field="key")
    if request.activation is not None and len(request.activation) != SECRET_SIZE:
        message = f"activation is not {SECRET_SIZE} bytes"
        raise InvalidRequestError(message, code="request.activation", field="activation")


def identify(question: Question, *, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    """Return who proved to be whom; `bound` is the device that the nonce names.

    Raises RefusedError, UnannouncedError, ConflictError, MalformedEvidenceError, UnsupportedMediaTypeError.
    """
    check_bounds(question.request)
    if bound is not None and bound.state is not None:
        return _by_pinned_key(question, bound)
    if any(_is_pop(item) for item in question.request.evidence):
        return _by_idevid(question, bound, reads)
    if question.request.activation is not None:
        return by_activated_tpm(question, bound, reads)
    if question.request.key is not None and question.request.token is not None:
        return _by_token(question, question.request.token, bound, reads)
    shown = shown_key(question)
    if shown is not None:
        return by_endorsed_key(question, shown, bound, reads)
    return _by_dice_or_token(question, bound, reads)


def _by_dice_or_token(question: Question, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    if question.request.key is None and any(is_dice(item) for item in question.request.evidence):
        return by_dice(question, bound, reads)
    if question.request.token is not None:
        return _by_token(question, question.request.token, bound, reads)
    raise refused(
        "nothing proves an identity: no IDevID, no activated TPM, no DICE chain, no key that a vendor's CoRIM "
        "vouches for, no one-time token",
        "identity.unproven",
    )


def plausible_device(question: Question, reads: CheckInReads) -> DeviceId | None:
    """Return whose genuine but perhaps old proof of possession `question` holds; for reports, never for decisions."""
    proofs = [item for item in question.request.evidence if _is_pop(item)]
    if len(proofs) != 1:
        return None
    proof = appraised(question, proofs[0], anchors=question.policies.anchors, endorsements=None)
    if not all(is_nonce_check(check) for check in proof.failed):
        return None
    subject = proof.claims.get("subject")
    serials = subject.get("serialNumber", ()) if isinstance(subject, Mapping) else ()
    found = [
        view.device.id
        for serial in serials
        for entry in question.policies.entitlements
        if entry.covers(serial)
        for view in reads.views_by_serial(entry.vendor, serial)
    ]
    return found[0] if found else None


def _by_pinned_key(question: Question, view: DeviceView) -> Claimant:
    state = view.state
    if state is None:  # INVARIANT: callers checked
        raise refused("device has no key", "identity.unproven")
    demand_in_service(view)
    spki, kind = state.key_spki, state.identity_kind
    verified = tuple(_verified(question, item, view, spki, kind=kind) for item in question.request.evidence)
    return Claimant(
        view=view,
        spki=state.key_spki,
        thumbprint=state.key_thumbprint,
        kind=state.identity_kind,
        anchor=state.anchor,
        verified=verified,
        token_hash=None,
    )


def _by_idevid(question: Question, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    proof, binding = _possession(question)
    view = _registered(question.policies, binding.chain, bound, reads)
    if view.state is not None and view.state.key_thumbprint != binding.thumbprint:
        raise held_by_other_key(view)
    demand_in_service(view)
    spki = proven_spki(binding.key)
    others = [item for item in question.request.evidence if not _is_pop(item)]
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


def device_of_idevid(chain: tuple[x509.Certificate, ...], policies: Policies, reads: CheckInReads) -> DeviceView:
    """Return the registered device of an IDevID whose path holds: `chain` is leaf first, trust anchor last.

    Raises RefusedError, UnannouncedError, ConflictError: who may speak for whom is the same as at a check-in.
    """
    view = _registered(policies, chain, None, reads)
    if view.state is not None and view.state.key_thumbprint != thumbprint(chain[0]):
        raise held_by_other_key(view)
    demand_in_service(view)
    return view


def _possession(question: Question) -> tuple[Verified, KeyBinding]:
    proofs = [item for item in question.request.evidence if _is_pop(item)]
    if len(proofs) > 1:
        raise InvalidRequestError("more than one proof of possession", code="request.evidence", field="evidence")
    proof = appraised(question, proofs[0], anchors=question.policies.anchors, endorsements=None)
    if proof.key_binding is None:
        raise disbelieved(question, proof)
    return proof, proof.key_binding


def _registered(
    policies: Policies, chain: tuple[x509.Certificate, ...], bound: DeviceView | None, reads: CheckInReads
) -> DeviceView:
    """Return the device that the chain's anchor may speak for and the registry knows."""
    serial = _serial(chain[0])
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
    if not any(device.model in entry.models and device.vendor == entry.vendor for entry in speaking):
        raise refused("the vendor's CA does not speak for this model", "identity.not-entitled")
    claimed = _units(leaf) & policies.bundle.fleet.models.keys()
    if claimed and device.model not in claimed:
        raise ConflictError(
            "the certificate names another model than the registry",
            code="registry.conflict",
            check="registry.conflict",
            device_id=device.id,
        )


def _serial(leaf: x509.Certificate) -> str:
    names = leaf.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise refused("the IDevID certificate does not carry exactly one serialNumber", "identity.serial")
    return names[0].value


def _by_token(question: Question, token: str, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    view, record = device_of_token(token, reads=reads, now=question.now)
    demand_bound(view, bound)
    if question.request.key is None:
        raise InvalidRequestError("a one-time token needs the key it enrols", code="request.key", field="key")
    key = subject_key(question.request.key)
    demand_key(record, key.thumbprint)
    items = question.request.evidence
    return Claimant(
        view=view,
        spki=key.spki,
        thumbprint=key.thumbprint,
        kind="token",
        anchor=None,
        verified=tuple(same_key(question, item, view, key.spki) for item in items),
        token_hash=record.token_hash,
    )


def _verified(question: Question, item: EvidenceItem, view: DeviceView, spki: bytes, *, kind: str) -> Verified:
    """Return evidence signed by the pinned key `spki`, which proved an identity of this `kind`, or raise."""
    if _is_pop(item):
        proof, binding = _possession(question)
        if proven_spki(binding.key) != spki:
            raise held_by_other_key(view)
        return proof
    found = appraised_by_key(question, item, view, spki)
    if not found.accepted:
        raise disbelieved(question, found)
    if is_of_other_device(found, spki):
        raise held_by_other_key(view)
    return stated_by_tpm(found) if kind == AK_KIND else found


def _is_pop(item: EvidenceItem) -> bool:
    return item.media_type.partition(";")[0].strip().lower() == POP
