"""That all evidence of a check-in is by the key that proved the identity, and a quote by an AK of the same device.

Any key can sign bytes that look like a quote: what a quote says counts only if its key is known to be in a TPM. That is
an AK that was activated (tpm_identity.py) or that its vendor lists (endorsed_identity.py), and is pinned as such; or an
IAK, which brings the certificate that its maker gave it for this device.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from cryptography import x509

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.formats import Verified
from policyengine.attestation.tpm.appraisal import AK_PROOF
from policyengine.attestation.tpm.evidence import read_evidence
from policyengine.services.identification.claimants import (
    Question,
    anchors_of,
    appraised,
    disbelieved,
    is_dice,
    is_tpm,
    proven_spki,
    reference_values,
    refused,
)
from policyengine.services.policies import Policies
from policyengine.services.records import DeviceView
from policyengine.services.requests import EvidenceItem

AK_UNPROVEN = "binding.ak-unproven"
_UNPROVEN = "a quote counts only by a key that is known to be in a TPM: activated, listed by its vendor, or certified"
# What fails, and nothing else, when evidence is sound but another key's.
KEY_CHECKS = frozenset({"cose.signature", "cose.key-type", "jose.signature", "jose.key-type", "tpm.ak-trusted"})


def same_key(question: Question, item: EvidenceItem, view: DeviceView, spki: bytes) -> Verified:
    """Return evidence signed by `spki`, the key that proved the identity in this very check-in, or raise.

    A quote is that by the IAK of the device: see `quoted_by_iak`.
    """
    if is_tpm(item):
        return quoted_by_iak(question, item, view)
    return no_quote(by_same_key(question, item, view, spki))


def by_same_key(question: Question, item: EvidenceItem, view: DeviceView, spki: bytes) -> Verified:
    """Return evidence signed by `spki`, which is known to be in a TPM if it signed a quote, or raise."""
    found = appraised_by_key(question, item, view, spki)
    if (not found.accepted and set(found.failed) <= KEY_CHECKS) or is_of_other_device(found, spki):
        raise refused(
            "the evidence is not signed by the key that proved the identity",
            "binding.evidence-key",
            failed=list(found.failed),
        )
    if not found.accepted:
        raise disbelieved(question, found)
    return found


def stated_by_tpm(found: Verified) -> Verified:
    """Return believed evidence by an attestation key, or raise RefusedError (`binding.ak-evidence`) if it is no quote.

    A restricted key signs whatever does not look like its TPM's own statements (TPM 2.0 Part 1, Restricted Signing
    Keys): any program on the device can have it sign a token of another format that says what it likes.
    """
    if found.key_binding is not None and found.key_binding.proof != AK_PROOF:
        raise refused("an attestation key vouches by quotes alone", "binding.ak-evidence", seen=found.media_type)
    return found


def no_quote(found: Verified) -> Verified:
    """Return believed evidence by a key that nobody saw in a TPM, or raise RefusedError (`binding.ak-unproven`).

    Its media type does not tell: a wrapper (CMW) has one of its own, whatever is in it.
    """
    if found.key_binding is not None and found.key_binding.proof == AK_PROOF:
        raise refused(_UNPROVEN, AK_UNPROVEN)
    return found


def quoted_by_iak(question: Question, item: EvidenceItem, view: DeviceView) -> Verified:
    """Return a quote by an AK that the maker of this very device certified, or raise.

    Raises RefusedError: `binding.ak-unproven` without a certificate, `binding.iak-device` for another device's.
    """
    if not read_evidence(item.value).ak_chain:
        raise refused(_UNPROVEN, AK_UNPROVEN)
    anchors = TrustAnchors(certificates=makers(question.policies))
    found = appraised(question, item, anchors=anchors, endorsements=reference_values(question, view))
    if found.key_binding is None:
        raise disbelieved(question, found)
    chain = found.key_binding.own_chain
    serial, device = serial_of(chain[0]), view.device
    entries = [each for each in question.policies.entitlements if each.certificate == chain[-1] and each.covers(serial)]
    speaking = any(each.speaks_for(device) for each in entries)
    if not speaking or serial != device.serial:
        raise refused("the certificate of the AK is for another device", "binding.iak-device", seen=serial)
    return found


def makers(policies: Policies) -> tuple[x509.Certificate, ...]:
    """Return whose certificates of TPM keys count: TPM vendors' for EKs, device makers' for IAKs."""
    return tuple(dict.fromkeys((*policies.ek_anchors, *policies.anchors.certificates)))


def serial_of(leaf: x509.Certificate) -> str:
    """Return the serial number of the device in its certificate's subject; raises RefusedError for none or several."""
    names = leaf.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise refused("the certificate does not carry exactly one serialNumber", "identity.serial")
    return names[0].value


def appraised_by_key(question: Question, item: EvidenceItem, view: DeviceView, spki: bytes) -> Verified:
    """Return what can be believed of `item` if the device's key `spki` is the only one trusted to have signed it."""
    anchors = anchors_of(spki)
    if is_tpm(item):
        anchors = _with_vendors(spki, makers(question.policies))
    elif is_dice(item):
        anchors = _with_vendors(spki, _dice_vendors(question.policies, view))
    return appraised(question, item, anchors=anchors, endorsements=reference_values(question, view))


def is_of_other_device(found: Verified, spki: bytes) -> bool:
    """Tell whether believed evidence names a device by a key, a DICE device's or an IAK, that is not `spki`."""
    binding = found.key_binding
    if binding is None:
        return False
    named = binding.key if binding.own_chain else binding.device
    return named is not None and proven_spki(named) != spki


def _dice_vendors(policies: Policies, view: DeviceView) -> tuple[x509.Certificate, ...]:
    """Return the CAs that may speak for the device: they measured the layer whose key is pinned, if one did."""
    speaking = [entry.certificate for entry in policies.dice_entitlements if entry.speaks_for(view.device)]
    return tuple(dict.fromkeys(speaking))


@lru_cache(maxsize=8192)
def _with_vendors(spki: bytes, vendors: tuple[x509.Certificate, ...]) -> TrustAnchors:
    return replace(anchors_of(spki), certificates=vendors)
