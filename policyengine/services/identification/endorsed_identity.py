"""A device whose key a vendor vouches for in a signed CoRIM: it needs no certificate from the factory to enrol.

1. One item of evidence shows a device or a key that the bundle in force has: an instance id or UEID in its claims, the
   AK of a TPM, a certificate of a DICE chain. It only finds the key; nothing is believed yet.
2. The key is still vouched for, and for one device only.
3. Every check of the evidence holds, with the keys of that device as the only ones that may have signed; a quote is by
   a key that is listed as one in a TPM, which signs nothing else; the device is of the class that the CoRIM names,
   where both say one.
4. The registry has a device under the instance or under the key's thumbprint, or a one-time token names it, and it is
   of a model that the CoRIM is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.serialization import load_der_public_key

from pki.keys import thumbprint as thumbprint_of_spki
from policyengine.attestation.anchors import EvidenceKey, TrustAnchors, thumbprint
from policyengine.attestation.dice.cdi import CdiCertificate
from policyengine.attestation.dice.certificate import DiceCertificate
from policyengine.attestation.formats import KeyBinding, Verified
from policyengine.attestation.tpm.appraisal import AK_PROOF
from policyengine.attestation.tpm.evidence import read_evidence
from policyengine.attestation.tpm.keys import thumbprint_of
from policyengine.model.base64url import from_base64url
from policyengine.model.endorsements import AttestKey, KeyUse
from policyengine.services.endorsed_keys import EndorsedKey, EndorsedKeys
from policyengine.services.identification.claimants import (
    AK_KIND,
    Claimant,
    Question,
    UnannouncedError,
    appraised,
    demand_in_service,
    disbelieved,
    held_by_other_key,
    is_dice,
    is_tpm,
    one_of,
    reference_values,
    refused,
)
from policyengine.services.identification.enrolment_tokens import demand_bound, demand_key, device_of_token
from policyengine.services.identification.signing_keys import (
    AK_UNPROVEN,
    KEY_CHECKS,
    by_same_key,
    makers,
    same_key,
    stated_by_tpm,
)
from policyengine.services.ports import CheckInReads
from policyengine.services.records import DeviceView
from policyengine.services.requests import EvidenceItem

MAX_KEYS = 8  # of one device: those of several services, and their successors
_NAMES = ("instance_id", "ueid")  # claims that name the device in what formats decode
_IMPLEMENTATION = "implementation_id"
_OF_PLATFORM = {"instance_id": 256, _IMPLEMENTATION: 2396}  # the claims of a CCA platform token stand under PSA's keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownKey:
    """The item that shows a device, and the keys that are vouched for as that device's."""

    item: EvidenceItem
    keys: tuple[EndorsedKey, ...]


def shown_key(question: Question) -> ShownKey | None:
    """Return the first evidence that shows a device whose key is vouched for; raises as `appraised` does."""
    known = question.policies.endorsed_keys
    if not known.by_instance:
        return None
    for item in question.request.evidence:
        for name in _shown(question, item):
            keys = tuple(each for each in known.shown_as(name) if each.key.use is not KeyUse.IDENTITY or is_dice(item))
            if keys:
                return ShownKey(item=item, keys=keys)
    return None


def by_endorsed_key(question: Question, shown: ShownKey, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    """Return the announced device whose vouched-for key signed the challenge; raises as `identity.identify` does."""
    keys = _current(shown.keys, question.policies.endorsed_keys, question.now)
    # A TPM may show the certificates of its keys too; a listed AK is the only key that this admits.
    certificates = makers(question.policies) if is_tpm(shown.item) else ()
    anchors = TrustAnchors(keys=tuple(_loaded(each.key.spki) for each in keys[:MAX_KEYS]), certificates=certificates)
    found, key = _signed(question, shown.item, anchors)
    endorsed = next(each for each in keys if each.key.thumbprint == thumbprint(key))
    _demand_use(found, {each.key.use for each in keys if each.key.thumbprint == endorsed.key.thumbprint})
    _demand_class(found, endorsed.key)
    view, token_hash = _registered(question, endorsed, bound, reads)
    if view.device.model not in endorsed.models:
        raise refused("the CoRIM that vouches for the key is not for this model", "identity.not-entitled")
    if view.state is not None and view.state.key_thumbprint != endorsed.key.thumbprint:
        raise held_by_other_key(view)
    demand_in_service(view)
    believed = appraised(question, shown.item, anchors=anchors, endorsements=reference_values(question, view))
    rest = [each for each in question.request.evidence if each is not shown.item]
    return Claimant(
        view=view,
        spki=endorsed.key.spki,
        thumbprint=endorsed.key.thumbprint,
        kind=_kind(shown.item),
        anchor=f"{endorsed.key.endorser.party} {endorsed.key.endorser.corim_id}",
        verified=(believed, *[_beside(question, each, shown.item, view, endorsed.key.spki) for each in rest]),
        token_hash=token_hash,
    )


def _beside(question: Question, item: EvidenceItem, first: EvidenceItem, view: DeviceView, spki: bytes) -> Verified:
    if is_tpm(first):
        return stated_by_tpm(by_same_key(question, item, view, spki))
    return same_key(question, item, view, spki)


def _kind(item: EvidenceItem) -> str:
    if is_tpm(item):
        return AK_KIND
    return "dice" if is_dice(item) else "iak"


def _shown(question: Question, item: EvidenceItem) -> Iterator[str]:
    """Yield what `item` says that could find a key, none of it believed."""
    if is_tpm(item):
        ak = read_evidence(item.value).ak
        name = None if ak is None else thumbprint_of(ak)
        if name is not None:
            yield name
        return
    said = appraised(question, item, anchors=TrustAnchors(), endorsements=None)
    for named in (_in_hex(said, name) for name in _NAMES):
        if named is not None:
            yield named
    if is_dice(item):
        yield from (_certified(each) for each in said.decoded.get("chain", ()))


def _in_hex(found: Verified, name: str) -> str | None:
    """Return the identifier `name` that evidence states: bytes, in a JWT their base64url; a CCA token's platform's."""
    platform = found.claims.get("platform")
    value = platform.get(_OF_PLATFORM.get(name)) if isinstance(platform, Mapping) else found.claims.get(name)
    content = from_base64url(value.rstrip("=")) if isinstance(value, str) else value
    return content.hex() if isinstance(content, bytes) else None


def _certified(certificate: DiceCertificate | CdiCertificate) -> str:
    return (
        certificate.key.thumbprint if isinstance(certificate, CdiCertificate) else thumbprint_of_spki(certificate.spki)
    )


def _current(keys: tuple[EndorsedKey, ...], known: EndorsedKeys, now: datetime) -> tuple[EndorsedKey, ...]:
    """Return the keys that still count; raises RefusedError that says why none does."""
    if any(known.is_shared(each) for each in keys):
        raise refused("the key is listed for two devices and proves neither", "endorsement.key-shared")
    left = tuple(each for each in keys if not each.key.is_withdrawn(now))
    if not left:
        raise refused("the key that the vendor vouched for is withdrawn", "endorsement.withdrawn")
    left = tuple(each for each in left if not each.key.is_expired(now))
    if not left:
        raise refused("the CoRIM that vouches for the key has ended", "endorsement.expired")
    return left


def _loaded(spki: bytes) -> EvidenceKey:
    key: EvidenceKey = load_der_public_key(spki)  # type: ignore[assignment]  # of a kind that was checked when compiled
    return key


def _signed(question: Question, item: EvidenceItem, anchors: TrustAnchors) -> tuple[Verified, EvidenceKey]:
    """Return believed evidence and the key that names its device."""
    found = appraised(question, item, anchors=anchors, endorsements=None)
    binding = found.key_binding
    if binding is None and set(found.failed) <= KEY_CHECKS:
        raise refused(
            "the evidence is not signed by a key that the vendor vouches for as this device's",
            "endorsement.key",
            failed=list(found.failed),
        )
    if binding is None:
        raise disbelieved(question, found)
    return found, _device_key(binding)


def _device_key(binding: KeyBinding) -> EvidenceKey:
    key = binding.device or binding.key
    if key is None:  # INVARIANT: only public keys were trusted
        raise refused("a shared secret proves no identity", "identity.unproven")
    return key


def _demand_use(found: Verified, uses: set[KeyUse]) -> None:
    """Raise RefusedError for a quote by a key that is not listed as one in a TPM, or anything else by one that is.

    Any key can sign bytes that look like a quote, and any program on a device can have a TPM's attestation key sign a
    token: see signing_keys.py. Which of the two a key is, its document says; of several, one that says it is a TPM's.
    """
    is_quote = found.key_binding is not None and found.key_binding.proof == AK_PROOF
    if is_quote and KeyUse.QUOTE not in uses:
        raise refused("the key is not listed as one of a TPM (`signs: quotes`), so it quotes nothing", AK_UNPROVEN)
    if KeyUse.QUOTE in uses:
        stated_by_tpm(found)


def _demand_class(found: Verified, key: AttestKey) -> None:
    """Raise RefusedError if evidence and CoRIM name another implementation (RFC 9783 section 4.2.2)."""
    said = _in_hex(found, _IMPLEMENTATION)
    if said is not None and key.class_id is not None and said != key.class_id:
        raise refused("the device is of another implementation than the CoRIM says", "endorsement.class", seen=said)


def _registered(
    question: Question, endorsed: EndorsedKey, bound: DeviceView | None, reads: CheckInReads
) -> tuple[DeviceView, bytes | None]:
    """Return the device announced under the instance or the key, and the digest of the token that names it."""
    if question.request.token is not None:
        view, record = device_of_token(question.request.token, reads=reads, now=question.now)
        demand_bound(view, bound)
        demand_key(record, endorsed.key.thumbprint)
        return view, record.token_hash
    models = question.policies.bundle.fleet.models
    vendors = sorted({models[each].vendor for each in endorsed.models if each in models})
    if not vendors:
        raise refused("the CoRIM that vouches for the key is for no model of the fleet", "identity.not-entitled")
    names = (endorsed.key.instance, endorsed.key.thumbprint)
    views = [view for vendor in vendors for name in names for view in reads.views_by_serial(vendor, name)]
    found = {view.device.id: view for view in views}
    if not found:
        model = next(iter(endorsed.models)) if len(endorsed.models) == 1 else None
        raise UnannouncedError(vendor=vendors[0], model=model, serial=endorsed.key.instance)
    return one_of(found, bound), None
