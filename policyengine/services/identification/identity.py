"""Who a check-in is from: who holds the pinned key, or an entitled IDevID, TPM, DICE chain or token. Never a claim.

1. A bound nonce names a device; if that has a key, all evidence must be signed by it.
2. Otherwise an IDevID proof of possession: the chain ends at an anchor, the anchor's entry speaks for this vendor,
   model and serial, and the registry has that device (idevid_identity.py).
3. Otherwise the secret of a TPM credential, with a quote by the AK it admits (tpm_identity.py).
4. Otherwise a one-time token for one device of the registry, and the key that the token admits.
5. Otherwise a quote by an IAK, whose chain stands as an IDevID's does (idevid_identity.py).
6. Otherwise a key that a vendor's signed CoRIM vouches for as the device's (endorsed_identity.py).
7. Otherwise a DICE chain below a vendor's CA, its last layer at hand (dice_identity.py).
With a token but no key of its own, 5 to 7 find the key and the token names the device.
An id that another key holds, and a registry that disagrees, are conflicts; everything else that fails is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from pki.keys import subject_key
from policyengine.attestation.formats import Verified
from policyengine.model.ids import DeviceId
from policyengine.services.errors import InvalidRequestError
from policyengine.services.identification.activation import SECRET_SIZE
from policyengine.services.identification.claimants import (
    AK_KIND,
    Claimant,
    Question,
    appraised,
    demand_in_service,
    disbelieved,
    held_by_other_key,
    is_dice,
    is_nonce_check,
    is_pop,
    is_tpm,
    proven_spki,
    refused,
)
from policyengine.services.identification.dice_identity import by_dice
from policyengine.services.identification.endorsed_identity import by_endorsed_key, shown_key
from policyengine.services.identification.enrolment_tokens import demand_bound, demand_key, device_of_token
from policyengine.services.identification.gateways import GATEWAY_KIND
from policyengine.services.identification.idevid_identity import (
    by_iak,
    by_idevid,
    is_certified_quote,
    possession,
)
from policyengine.services.identification.signing_keys import (
    appraised_by_key,
    is_of_other_device,
    no_quote,
    quoted_by_iak,
    same_key,
    stated_by_tpm,
)
from policyengine.services.identification.tpm_identity import by_activated_tpm
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
        return by_pinned_key(question, bound)
    if any(is_pop(item) for item in question.request.evidence):
        return by_idevid(question, bound, reads)
    if question.request.activation is not None:
        return by_activated_tpm(question, bound, reads)
    if question.request.key is not None and question.request.token is not None:
        return _by_token(question, question.request.token, bound, reads)
    if any(is_certified_quote(item) for item in question.request.evidence):
        return by_iak(question, bound, reads)
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
    proofs = [item for item in question.request.evidence if is_pop(item)]
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


def by_pinned_key(question: Question, view: DeviceView) -> Claimant:
    """Return the enrolled device `view` with its evidence, all by the key that is pinned; raises as `identify`."""
    state = view.state
    if state is None:  # INVARIANT: callers checked
        raise refused("device has no key", "identity.unproven")
    demand_in_service(view)
    if state.identity_kind == GATEWAY_KIND:
        raise refused("the device has no key: its gateways report of it", "identity.keyless")
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
    if is_pop(item):
        proof, binding = possession(question)
        if proven_spki(binding.key) != spki:
            raise held_by_other_key(view)
        return proof
    if is_tpm(item) and kind != AK_KIND:
        return quoted_by_iak(question, item, view)
    found = appraised_by_key(question, item, view, spki)
    if not found.accepted:
        raise disbelieved(question, found)
    if is_of_other_device(found, spki):
        raise held_by_other_key(view)
    return stated_by_tpm(found) if kind == AK_KIND else no_quote(found)
