"""Who a check-in is from: the holder of the pinned key, of an entitled IDevID, or of a one-time token. Never a claim.

1. A bound nonce names a device; if that has a key, all evidence must be signed by it.
2. Otherwise an IDevID proof of possession: the chain ends at an anchor, the anchor's entry speaks for this vendor,
   model and serial, and the registry has that device.
3. Otherwise a one-time token for one device of the registry, and the key that the token admits.
An id that another key holds, and a registry that disagrees, are conflicts; everything else that fails is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from pki.certificates import thumbprint
from pki.keys import subject_key
from policyengine.attestation.anchors import EvidenceKey, TrustAnchors
from policyengine.attestation.formats import KeyBinding, Verified
from policyengine.attestation.pop import MEDIA_TYPE as POP
from policyengine.attestation.verifier import verify
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import DeviceId
from policyengine.services.errors import ConflictError, InvalidRequestError, RefusedError
from policyengine.services.nonces import Nonce
from policyengine.services.policies import Entitlement, Policies
from policyengine.services.ports import CheckInReads
from policyengine.services.records import DeviceView, EnrolmentToken, Lifecycle
from policyengine.services.requests import CheckInRequest, EvidenceItem

MAX_EVIDENCE = 8  # items in one check-in: a proof of possession, a token, a log or two
MAX_TOKEN = 256  # characters; ours have fewer than 80
MAX_KEY_BYTES = 1024  # an RSA-4096 SubjectPublicKeyInfo has 550

_NONCE_CHECKS = frozenset({"dice.nonce", "psa.nonce", "pop.nonce", "eat.nonce", "cca.challenge"})
_KEY_CHECKS = frozenset({"cose.signature", "cose.key-type", "jose.signature", "jose.key-type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """A device that proved who it is, and its evidence, all signed by that one key."""

    view: DeviceView
    spki: bytes
    thumbprint: str
    kind: str
    anchor: str | None
    verified: tuple[Verified, ...]
    token_hash: bytes | None

    @property
    def enrols(self) -> bool:
        """Tell whether this is the device's first proof."""
        return self.view.state is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What all evidence of one check-in is verified against."""

    request: CheckInRequest
    nonce: Nonce
    challenge: bytes
    policies: Policies
    now: datetime


class UnannouncedError(RefusedError):
    """A genuine device of an entitled vendor that nobody announced; `model` None: the certificate leaves it open."""

    code = "identity.unannounced"

    def __init__(self, *, vendor: str, model: str | None, serial: str) -> None:
        super().__init__("nobody announced this device", check=self.code)
        self.vendor, self.model, self.serial = vendor, model, serial


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


def identify(question: Question, *, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    """Return who proved to be whom; `bound` is the device that the nonce names.

    Raises RefusedError, UnannouncedError, ConflictError, MalformedEvidenceError, UnsupportedMediaTypeError.
    """
    check_bounds(question.request)
    if bound is not None and bound.state is not None:
        return _by_pinned_key(question, bound)
    if any(_is_pop(item) for item in question.request.evidence):
        return _by_idevid(question, bound, reads)
    if question.request.token is not None:
        return _by_token(question, question.request.token, bound, reads)
    raise _refused("nothing proves an identity: no IDevID, no one-time token", "identity.unproven")


def plausible_device(question: Question, reads: CheckInReads) -> DeviceId | None:
    """Return whose genuine but perhaps old proof of possession `question` holds; for reports, never for decisions."""
    proofs = [item for item in question.request.evidence if _is_pop(item)]
    if len(proofs) != 1:
        return None
    proof = _appraised(question, proofs[0], anchors=question.policies.anchors, endorsements=None)
    if not set(proof.failed) <= _NONCE_CHECKS:
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
        raise _refused("device has no key", "identity.unproven")
    _demand_in_service(view)
    verified = tuple(_verified(question, item, view, state.key_spki) for item in question.request.evidence)
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
        raise _held_by_other_key(view)
    _demand_in_service(view)
    spki = _spki(binding.key)
    others = [item for item in question.request.evidence if not _is_pop(item)]
    rest = tuple(_same_key(question, item, view, spki) for item in others)
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
        raise _held_by_other_key(view)
    _demand_in_service(view)
    return view


def device_of_token(token: str, *, reads: CheckInReads, now: datetime) -> tuple[DeviceView, EnrolmentToken]:
    """Return the device that a one-time token enrols, and the token; raises RefusedError, ConflictError."""
    record = reads.enrolment_token(token_digest(token))
    if record is None or record.redeemed_at is not None or now >= record.expires_at:
        raise _refused("the one-time token is unknown, used or expired", "enrolment.token")
    view = reads.view(record.device_id)
    if view is None:
        raise _refused("the one-time token is for another device", "enrolment.token")
    if view.state is not None:
        raise _held_by_other_key(view)
    _demand_in_service(view)
    return view, record


def _possession(question: Question) -> tuple[Verified, KeyBinding]:
    proofs = [item for item in question.request.evidence if _is_pop(item)]
    if len(proofs) > 1:
        raise InvalidRequestError("more than one proof of possession", code="request.evidence", field="evidence")
    proof = _appraised(question, proofs[0], anchors=question.policies.anchors, endorsements=None)
    if proof.key_binding is None:
        raise _disbelieved(question, proof)
    return proof, proof.key_binding


def _registered(
    policies: Policies, chain: tuple[x509.Certificate, ...], bound: DeviceView | None, reads: CheckInReads
) -> DeviceView:
    """Return the device that the chain's anchor may speak for and the registry knows."""
    serial = _serial(chain[0])
    entitled = [entry for entry in policies.entitlements if entry.certificate == chain[-1]]
    speaking = [entry for entry in entitled if entry.covers(serial)]
    if not speaking:
        raise _refused("the vendor's CA does not speak for this serial number", "identity.not-entitled")
    found = {view.device.id: view for entry in speaking for view in reads.views_by_serial(entry.vendor, serial)}
    if not found:
        raise _unannounced(chain[0], speaking[0], serial)
    view = _one_of(found, bound)
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


def _one_of(found: dict[DeviceId, DeviceView], bound: DeviceView | None) -> DeviceView:
    if bound is not None and bound.device.id not in found:
        raise ConflictError(
            "the registry has another serial number for this device",
            code="registry.conflict",
            check="registry.conflict",
            device_id=bound.device.id,
        )
    if bound is not None:
        return found[bound.device.id]
    if len(found) > 1:
        raise ConflictError(
            "the registry has this serial number more than once", code="registry.ambiguous", check="registry.ambiguous"
        )
    return next(iter(found.values()))


def _demand_agreement(
    view: DeviceView, leaf: x509.Certificate, speaking: list[Entitlement], policies: Policies
) -> None:
    device = view.device
    if not any(device.model in entry.models and device.vendor == entry.vendor for entry in speaking):
        raise _refused("the vendor's CA does not speak for this model", "identity.not-entitled")
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
        raise _refused("the IDevID certificate does not carry exactly one serialNumber", "identity.serial")
    return names[0].value


def _by_token(question: Question, token: str, bound: DeviceView | None, reads: CheckInReads) -> Claimant:
    view, record = device_of_token(token, reads=reads, now=question.now)
    if bound is not None and bound.device.id != view.device.id:
        raise _refused("the one-time token is for another device", "enrolment.token")
    if question.request.key is None:
        raise InvalidRequestError("a one-time token needs the key it enrols", code="request.key", field="key")
    key = subject_key(question.request.key)
    if record.key_thumbprint is not None and record.key_thumbprint != key.thumbprint:
        raise _refused("the one-time token is for another key", "enrolment.token")
    items = question.request.evidence
    return Claimant(
        view=view,
        spki=key.spki,
        thumbprint=key.thumbprint,
        kind="token",
        anchor=None,
        verified=tuple(_same_key(question, item, view, key.spki) for item in items),
        token_hash=record.token_hash,
    )


def token_digest(token: str) -> bytes:
    """Return what is kept of a one-time token."""
    return hashlib.sha256(b"policyengine one-time token v1" + token.encode("utf-8", "surrogatepass")).digest()


def _demand_in_service(view: DeviceView) -> None:
    lifecycle = view.device.lifecycle
    if lifecycle is Lifecycle.RETIRED:
        raise _refused("the device is retired", "device.retired")
    if lifecycle is Lifecycle.PENDING:
        raise _refused("the device waits for a person to admit it", "enrolment.pending")


def _verified(question: Question, item: EvidenceItem, view: DeviceView, spki: bytes) -> Verified:
    """Return evidence signed by the pinned key `spki`, or raise."""
    if _is_pop(item):
        proof, binding = _possession(question)
        if _spki(binding.key) != spki:
            raise _held_by_other_key(view)
        return proof
    found = _appraised(question, item, anchors=_anchors(spki), endorsements=_endorsements(question, view))
    if not found.accepted:
        raise _disbelieved(question, found)
    return found


def _same_key(question: Question, item: EvidenceItem, view: DeviceView, spki: bytes) -> Verified:
    """Return evidence signed by `spki`, the key that proved the identity in this very check-in, or raise."""
    found = _appraised(question, item, anchors=_anchors(spki), endorsements=_endorsements(question, view))
    if not found.accepted and set(found.failed) <= _KEY_CHECKS:
        raise _refused(
            "the evidence is not signed by the key that proved the identity",
            "binding.evidence-key",
            failed=list(found.failed),
        )
    if not found.accepted:
        raise _disbelieved(question, found)
    return found


def _appraised(
    question: Question, item: EvidenceItem, *, anchors: TrustAnchors, endorsements: ReferenceValues | None
) -> Verified:
    return verify(
        item.value,
        media_type=item.media_type,
        nonce=question.challenge,
        anchors=anchors,
        endorsements=endorsements,
        now=question.now,
    )


def _endorsements(question: Question, view: DeviceView) -> ReferenceValues | None:
    return question.policies.endorsements.get(view.device.model)


def _disbelieved(question: Question, found: Verified) -> RefusedError:
    failed = found.failed
    if question.request.csr is not None and set(failed) & _NONCE_CHECKS:
        reason = "the evidence is not over the challenge for the key in the certificate request"
        return _refused(reason, "binding.csr-key", failed=list(failed))
    check = failed[0] if failed else "evidence.unbelieved"
    return RefusedError("the evidence is not believed", code="evidence.refused", check=check, failed=list(failed))


def _refused(message: str, check: str, **fields: object) -> RefusedError:
    return RefusedError(message, code=check, check=check, **fields)


def _held_by_other_key(view: DeviceView) -> ConflictError:
    return ConflictError(
        "the device is enrolled with another key",
        code="identity.conflict",
        check="identity.conflict",
        device_id=view.device.id,
    )


def _is_pop(item: EvidenceItem) -> bool:
    return item.media_type.partition(";")[0].strip().lower() == POP


@lru_cache(maxsize=8192)  # a fleet's busiest keys; parsing one costs more than verifying the rest of a small token
def _anchors(spki: bytes) -> TrustAnchors:
    key = load_der_public_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise _refused("the device's key is of a kind that signs no evidence", "key.refused")
    return TrustAnchors(keys=(key,))


def _spki(key: EvidenceKey | None) -> bytes:
    if key is None:
        raise _refused("a shared secret proves no identity", "identity.unproven")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
