"""A device that a DICE chain speaks for: the vendor's CA certified a key that the device derives from its own secret.

1. The check-in holds one DICE evidence, and every check of it holds: its chain ends at an anchor for such chains
   (`use: [dice]`) and its last layer signed our challenge.
2. That anchor's entry speaks for the vendor and model of a device that was announced under a name the chain proves:
   its UEID, its serial number (`dice_claims.names`) or the thumbprint of its key; or a one-time token names the device.
3. What is pinned is the key that names the device and outlives updates of its firmware, not the last layer's.
"""

from __future__ import annotations

from policyengine.attestation.anchors import EvidenceKey, TrustAnchors, thumbprint
from policyengine.attestation.dice import claims as dice_claims
from policyengine.attestation.formats import KeyBinding, Verified
from policyengine.services.errors import InvalidRequestError
from policyengine.services.identification.claimants import (
    Claimant,
    Question,
    UnannouncedError,
    appraised,
    demand_in_service,
    disbelieved,
    held_by_other_key,
    is_dice,
    one_of,
    proven_spki,
    reference_values,
    refused,
)
from policyengine.services.identification.enrolment_tokens import demand_bound, demand_key, device_of_token
from policyengine.services.identification.signing_keys import same_key
from policyengine.services.policies import Entitlement
from policyengine.services.ports import CheckInReads
from policyengine.services.records import DeviceView
from policyengine.services.requests import EvidenceItem


def by_dice(question: Question, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    """Return the announced device whose layers signed the challenge; raises as `identity.identify` does."""
    item = _only_chain(question)
    anchors = TrustAnchors(certificates=question.policies.dice_anchors)
    binding, device = _believed(question, appraised(question, item, anchors=anchors, endorsements=None))
    name = thumbprint(device)
    called = (*dice_claims.names(binding.chain, device), name)
    entries = [each for each in question.policies.dice_entitlements if each.certificate == binding.chain[-1]]
    speaking = [(entry, each) for entry in entries for each in called if entry.covers(each)]
    view, token_hash = _registered(question, speaking, name, bound, reads)
    if not any(entry.speaks_for(view.device) for entry, _ in speaking):
        raise refused("the vendor's DICE CA does not speak for this model", "identity.not-entitled")
    if view.state is not None and view.state.key_thumbprint != name:
        raise held_by_other_key(view)
    demand_in_service(view)
    spki = proven_spki(device)
    evidence = appraised(question, item, anchors=anchors, endorsements=reference_values(question, view))
    rest = [each for each in question.request.evidence if each is not item]
    return Claimant(
        view=view,
        spki=spki,
        thumbprint=name,
        kind="dice",
        anchor=binding.chain[-1].subject.rfc4514_string(),
        verified=(evidence, *[same_key(question, each, view, spki) for each in rest]),
        token_hash=token_hash,
    )


def _only_chain(question: Question) -> EvidenceItem:
    chains = [item for item in question.request.evidence if is_dice(item)]
    if len(chains) != 1:
        raise InvalidRequestError(
            "a check-in holds more than one DICE chain", code="request.evidence", field="evidence"
        )
    return chains[0]


def _believed(question: Question, evidence: Verified) -> tuple[KeyBinding, EvidenceKey]:
    """Return what binds the evidence, and the key that names its device."""
    binding = evidence.key_binding
    if binding is None:
        raise disbelieved(question, evidence)
    if binding.device is None or not binding.chain:  # INVARIANT: only certificates are anchors here
        raise refused("the chain does not stand below the CA of a vendor", "identity.unproven")
    return binding, binding.device


def _registered(
    question: Question, speaking: list[tuple[Entitlement, str]], key: str, bound: DeviceView | None, reads: CheckInReads
) -> tuple[DeviceView, bytes | None]:
    """Return the device announced under a name that its CA may speak for, and the digest of the token that names it.

    A token that admits one key only means the device's, `key`.
    """
    if not speaking:
        raise refused("the vendor's DICE CA does not speak for this device", "identity.not-entitled")
    if question.request.token is not None:
        view, record = device_of_token(question.request.token, reads=reads, now=question.now)
        demand_bound(view, bound)
        demand_key(record, key)
        return view, record.token_hash
    found = {view.device.id: view for entry, name in speaking for view in reads.views_by_serial(entry.vendor, name)}
    if not found:
        entry, name = speaking[0]
        models = {model for each, _ in speaking for model in each.models}
        raise UnannouncedError(vendor=entry.vendor, model=next(iter(models)) if len(models) == 1 else None, serial=name)
    return one_of(found, bound), None
