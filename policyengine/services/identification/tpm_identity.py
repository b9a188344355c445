"""A device that a TPM speaks for: first its EK and a credential, later the AK that was admitted with them.

1. The check-in holds one TPM quote, which shows AK, EK and the EK's chain, and the secret of a credential
   (services/identification/activation.py): the AK lives in the TPM with that EK.
2. Every check of the quote holds, the signer being that AK and the chain ending at an anchor for endorsement keys.
3. That anchor's entry speaks for the vendor and model of a device that was announced with this EK: its thumbprint is
   the device's serial number in the registry, or a one-time token names the device (and, if it says so, this EK).
"""

from __future__ import annotations

import hmac

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.formats import Verified
from policyengine.attestation.tpm.evidence import TpmEvidence, read_evidence
from policyengine.attestation.tpm.keys import key_of, thumbprint_of
from policyengine.attestation.tpm.structures import PublicArea
from policyengine.services.errors import InvalidRequestError
from policyengine.services.identification.activation import activation_secret
from policyengine.services.identification.claimants import (
    AK_KIND,
    Claimant,
    Question,
    UnannouncedError,
    appraised,
    demand_in_service,
    disbelieved,
    held_by_other_key,
    is_tpm,
    one_of,
    proven_spki,
    reference_values,
    refused,
)
from policyengine.services.identification.enrolment_tokens import demand_bound, demand_key, device_of_token
from policyengine.services.identification.signing_keys import by_same_key, makers, stated_by_tpm
from policyengine.services.policies import Entitlement
from policyengine.services.ports import CheckInReads
from policyengine.services.records import DeviceView
from policyengine.services.requests import EvidenceItem


def by_activated_tpm(question: Question, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    """Return the announced device whose TPM returned the secret; raises as `identity.identify` does."""
    item, parts = _only_quote(question)
    ak, ek = _activated(question, parts)
    anchors = TrustAnchors(keys=(key_of(ak),), certificates=makers(question.policies))
    speaking = _speaking(question, appraised(question, item, anchors=anchors, endorsements=None))
    view, token_hash = _registered(question, speaking, ek, bound, reads)
    if not any(entry.speaks_for(view.device) for entry in speaking):
        raise refused("the TPM vendor's CA does not speak for this model", "identity.not-entitled")
    quote = appraised(question, item, anchors=anchors, endorsements=reference_values(question, view))
    binding = quote.key_binding
    if binding is None:  # INVARIANT: endorsements decide no check
        raise disbelieved(question, quote)
    if view.state is not None and view.state.key_thumbprint != binding.thumbprint:
        raise held_by_other_key(view)
    demand_in_service(view)
    spki = proven_spki(binding.key)
    rest = [each for each in question.request.evidence if each is not item]
    return Claimant(
        view=view,
        spki=spki,
        thumbprint=binding.thumbprint,
        kind=AK_KIND,
        anchor=binding.chain[-1].subject.rfc4514_string(),
        verified=(quote, *[stated_by_tpm(by_same_key(question, each, view, spki)) for each in rest]),
        token_hash=token_hash,
    )


def _only_quote(question: Question) -> tuple[EvidenceItem, TpmEvidence]:
    quotes = [item for item in question.request.evidence if is_tpm(item)]
    if len(quotes) != 1:
        raise InvalidRequestError("an activated TPM sends exactly one quote", code="request.evidence", field="evidence")
    return quotes[0], read_evidence(quotes[0].value)


def _activated(question: Question, parts: TpmEvidence) -> tuple[PublicArea, PublicArea]:
    """Return AK and EK of `parts`, which the secret in the request proves to be in one TPM."""
    if parts.ak is None or parts.ek is None or not parts.ek_chain:
        raise refused("the evidence does not show the EK and its chain", "tpm.activation")
    expected = activation_secret(question.nonce_key, question.nonce.raw, ek=parts.ek, ak=parts.ak)
    if not hmac.compare_digest(expected, question.request.activation or b""):
        raise refused("the secret is not that of a credential for this nonce, this EK and this AK", "tpm.activation")
    return parts.ak, parts.ek


def _speaking(question: Question, quote: Verified) -> list[Entitlement]:
    """Return the entries of the anchor that the EK's chain ends at."""
    binding = quote.key_binding
    if binding is None:
        raise disbelieved(question, quote)
    if not binding.chain:
        raise refused("the AK does not stand below the EK", "tpm.qualified-signer")
    return [entry for entry in question.policies.ek_entitlements if entry.certificate == binding.chain[-1]]


def _registered(
    question: Question, speaking: list[Entitlement], ek: PublicArea, bound: DeviceView | None, reads: CheckInReads
) -> tuple[DeviceView, bytes | None]:
    """Return the device that was announced with `ek`, and the digest of the token that names it, if one does."""
    thumbprint = thumbprint_of(ek)
    if thumbprint is None:  # INVARIANT: its certificate was compared
        raise refused("the EK is of a kind that is not believed", "tpm.ek-key")
    speaking = [entry for entry in speaking if entry.covers(thumbprint)]
    if not speaking:
        raise refused("the TPM vendor's CA does not speak for this EK", "identity.not-entitled")
    if question.request.token is not None:
        view, record = device_of_token(question.request.token, reads=reads, now=question.now)
        demand_bound(view, bound)
        demand_key(record, thumbprint)
        return view, record.token_hash
    found = {view.device.id: view for entry in speaking for view in reads.views_by_serial(entry.vendor, thumbprint)}
    if not found:
        models = {model for entry in speaking for model in entry.models}
        model = next(iter(models)) if len(models) == 1 else None
        raise UnannouncedError(vendor=speaking[0].vendor, model=model, serial=thumbprint)
    return one_of(found, bound), None
