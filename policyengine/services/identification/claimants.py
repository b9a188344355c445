"""What every way to prove an identity shares: who a claimant is, what it is asked, and how it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from policyengine.attestation.anchors import EvidenceKey, TrustAnchors
from policyengine.attestation.check_pages import page_of
from policyengine.attestation.checks import Outcome, failures
from policyengine.attestation.dice.appraisal import MEDIA_TYPE as DICE
from policyengine.attestation.formats import KeyBinding, Verified
from policyengine.attestation.pop import MEDIA_TYPE as POP
from policyengine.attestation.registry import Registry
from policyengine.attestation.tpm.appraisal import MEDIA_TYPE as TPM
from policyengine.attestation.tpm.certify import csr_key
from policyengine.attestation.tpm.evidence import read_evidence
from policyengine.attestation.verifier import BUILT_IN, verify
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import DeviceId
from policyengine.services.errors import ConflictError, RefusedError
from policyengine.services.nonces import Nonce, NonceKey
from policyengine.services.policies import Policies
from policyengine.services.records import DeviceView, Lifecycle
from policyengine.services.requests import CheckInRequest, EvidenceItem

AK_KIND = "ak"  # of `Claimant.kind` and of fact `identity.kind`: a key that is known to be in a TPM


@dataclass(frozen=True, slots=True, kw_only=True)
class Legacy:
    """The certificate that a device had before ours, and what the audit log keeps of it."""

    serial: str
    detail: Mapping[str, object]


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
    legacy: Legacy | None = None

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
    nonce_key: NonceKey
    now: datetime
    formats: Registry = BUILT_IN
    requested: str | None = None  # the thumbprint of the key in the certificate request


class UnannouncedError(RefusedError):
    """A genuine device of an entitled vendor that nobody announced; `model` None: the certificate leaves it open."""

    code = "identity.unannounced"

    def __init__(self, *, vendor: str, model: str | None, serial: str) -> None:
        super().__init__("nobody announced this device", check=self.code)
        self.vendor, self.model, self.serial = vendor, model, serial


def one_of(found: dict[DeviceId, DeviceView], bound: DeviceView | None) -> DeviceView:
    """Return the one device in `found`, or that of the nonce; raises ConflictError where the registry disagrees."""
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


def demand_in_service(view: DeviceView) -> None:
    """Raise RefusedError for a device that is retired, or pending."""
    lifecycle = view.device.lifecycle
    if lifecycle is Lifecycle.RETIRED:
        raise refused("the device is retired", "device.retired")
    if lifecycle is Lifecycle.PENDING:
        raise refused("the device waits for a person to admit it", "enrolment.pending")


def appraised(
    question: Question, item: EvidenceItem, *, anchors: TrustAnchors, endorsements: ReferenceValues | None
) -> Verified:
    """Return what can be believed of `item`, which must answer the challenge of this check-in.

    With a certificate request that is the challenge bound to its key; a TPM that certifies the key itself
    (TPM2_Certify) answers the bare one, and must have certified the key in the request.
    """
    certifies = question.requested is not None and is_tpm(item) and read_evidence(item.value).certification is not None
    found = verify(
        item.value,
        media_type=item.media_type,
        nonce=question.nonce.raw if certifies else question.challenge,
        anchors=anchors,
        endorsements=endorsements,
        now=question.now,
        registry=question.formats,
    )
    if certifies and found.key_binding is not None:
        _demand_certified(found.key_binding, question.requested or "")
    return found


def _demand_certified(binding: KeyBinding, requested: str) -> None:
    """Raise RefusedError (`binding.csr-key`) unless the TPM certified the key that the request asks for."""
    check = csr_key(binding.certified, requested=requested)
    if check.result is not Outcome.PASS:
        raise refused(
            "the TPM certified another key than the one in the certificate request", check.id, seen=check.seen
        )


def is_tpm(item: EvidenceItem) -> bool:
    """Tell whether `item` is a TPM's."""
    return _essence(item) == TPM


def is_dice(item: EvidenceItem) -> bool:
    """Tell whether `item` is a DICE chain with a signature of its last layer."""
    return _essence(item) == DICE


def is_pop(item: EvidenceItem) -> bool:
    """Tell whether `item` is a proof of possession of an IDevID key."""
    return _essence(item) == POP


def _essence(item: EvidenceItem) -> str:
    return item.media_type.partition(";")[0].strip().lower()


def reference_values(question: Question, view: DeviceView) -> ReferenceValues | None:
    """Return what the vendor and engineering vouch for on devices of this model."""
    return question.policies.endorsements.get(view.device.model)


def is_nonce_check(check: str) -> bool:
    """Tell whether `check` is a format's comparison with the challenge (`psa.nonce`, `tpm.certify-nonce`)."""
    return check.endswith(("nonce", "challenge"))


def disbelieved(question: Question, found: Verified) -> RefusedError:
    """Return the refusal of evidence that failed a check."""
    failed = found.failed
    if question.request.csr is not None and any(is_nonce_check(check) for check in failed):
        reason = "the evidence is not over the challenge for the key in the certificate request"
        return refused(reason, "binding.csr-key", failed=list(failed))
    check = failed[0] if failed else "evidence.unbelieved"
    return RefusedError(
        "the evidence is not believed", code="evidence.refused", check=check, failed=list(failed), **_explained(found)
    )


def _explained(found: Verified) -> dict[str, object]:
    """Return of the first failed check what was expected, what the device itself sent, and the page about it."""
    failed = failures(found.checks)
    if not failed:
        return {}
    first = failed[0]
    page = page_of(first.id)
    about: dict[str, object] = {"clause": first.clause, "expected": first.expected, "seen": first.seen}
    return about if page is None else about | {"documentation": page}


def refused(message: str, check: str, **fields: object) -> RefusedError:
    """Return a refusal whose code is its check id."""
    return RefusedError(message, code=check, check=check, **fields)


def held_by_other_key(view: DeviceView) -> ConflictError:
    """Return the conflict of an id that another key holds: never a take-over."""
    return ConflictError(
        "the device is enrolled with another key",
        code="identity.conflict",
        check="identity.conflict",
        device_id=view.device.id,
    )


def proven_spki(key: EvidenceKey | None) -> bytes:
    """Return the SubjectPublicKeyInfo of the key that signed; raises RefusedError where a shared secret did."""
    if key is None:
        raise refused("a shared secret proves no identity", "identity.unproven")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def certified_key(certificate: x509.Certificate) -> EvidenceKey:
    """Return the key of a certificate of ours; raises RefusedError for other kinds than devices sign with."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise refused("the certificate's key is of a kind that signs no statement", "key.refused")
    return key


@lru_cache(maxsize=8192)  # a fleet's busiest keys; parsing one costs more than verifying the rest of a small token
def anchors_of(spki: bytes) -> TrustAnchors:
    """Return the device's own key as the only one that may have signed; raises RefusedError for other kinds."""
    key = load_der_public_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise refused("the device's key is of a kind that signs no evidence", "key.refused")
    return TrustAnchors(keys=(key,))
