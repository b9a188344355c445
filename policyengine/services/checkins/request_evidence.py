"""A certification request that brings its evidence: a check-in over EST (draft-ietf-lamps-csr-attestation).

1. The challenge is ours, for this device or nobody, lives and is not spent.
2. The evidence answers that challenge bound to the key of the request, and is by the device that TLS or a one-time
   token proved (est_evidence.py). There is no other evidence: what proves no freshness is refused, never ignored.
3. Facts are gathered, the policies decide, and all is recorded as at a check-in, with the nonce.

A client that was told to wait sends the same request again (RFC 7030 section 4.2.3): its evidence is what the device
said last then, so it is decided again from that, grown older. The nonce buys nothing twice.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from pki.errors import RequestError
from pki.request import ProvenRequest
from policyengine.attestation.errors import UnsupportedMediaTypeError
from policyengine.services.changes import SALT_SIZE, Act, RecordDecision
from policyengine.services.checkins.appraisal import Appraised, Appraiser
from policyengine.services.checkins.csr_evidence import Carried
from policyengine.services.checkins.judging import state_after
from policyengine.services.checkins.recording import change_of, nonce_hash
from policyengine.services.checkins.settling import Decided
from policyengine.services.checkins.unmatched import Noticed
from policyengine.services.errors import RefusedError
from policyengine.services.identification.claimants import Claimant, refused
from policyengine.services.nonces import Nonce, NonceKey, demand_live, device_tag, open_nonce
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import CheckInReads, Entropy
from policyengine.services.records import CertificateRecord, DeviceView
from policyengine.services.requests import CheckInRequest


class RequestEvidence:
    """Decides on requests that carry evidence."""

    def __init__(
        self, reads: CheckInReads, entropy: Entropy, *, shelf: PolicyShelf, appraiser: Appraiser, nonce_key: NonceKey
    ) -> None:
        self._reads = reads
        self._entropy = entropy
        self._shelf = shelf
        self._appraiser = appraiser
        self._nonce_key = nonce_key
        self._noticed = Noticed()

    def decided(
        self,
        carried: Carried,
        csr: bytes,
        asked: ProvenRequest,
        claimant: Claimant,
        *,
        adoption: Act | None,
        now: datetime,
    ) -> Decided | None:
        """Return the decision on what the request `csr` carries; None if it was decided on before and is sent again.

        Raises RequestError, InvalidRequestError, MalformedEvidenceError, RefusedError, ConflictError.
        """
        nonce, view = self._nonce(carried, claimant.view), claimant.view
        if self._repeats(csr, nonce, view):
            return None
        demand_live(nonce, now=now)
        request = CheckInRequest(
            nonce=nonce.raw, evidence=carried.evidence, digest=request_digest(csr), csr=csr, reported=None
        )
        active = self._shelf.active(at_least=0 if view.state is None else view.state.generation)
        try:
            found = self._appraiser.appraise_known(request, nonce, asked, claimant, active=active, now=now)
        except UnsupportedMediaTypeError as cause:
            raise RequestError(cause.message, code="csr.evidence-type") from cause
        follows = None if claimant.legacy is None or not claimant.enrols else claimant.legacy.serial
        return Decided(
            view=view,
            active=active,
            judged=found.judged,
            tier=found.tier,
            now=now,
            record=lambda certificate: self._change(found, nonce, request, certificate, adoption),
            follows=follows,
            stays=claimant.token_hash is None and claimant.legacy is None,
        )

    def _nonce(self, carried: Carried, view: DeviceView) -> Nonce:
        if carried.nonce is None:
            raise refused("the evidence in the request names no challenge of ours: it may be old", "csr.challenge")
        nonce = open_nonce(carried.nonce, key=self._nonce_key)
        if nonce.is_bound and nonce.tag != device_tag(view.device.id):
            raise refused("the nonce was issued to another device", "nonce.foreign")
        return nonce

    def _repeats(self, csr: bytes, nonce: Nonce, view: DeviceView) -> bool:
        """Tell whether this very request spent its nonce; raises RefusedError when anything else did."""
        below = view.state is not None and nonce.issued_us <= view.state.floor
        if not below and (nonce.is_bound or self._reads.spent_by(nonce_hash(nonce)) is None):
            return False
        if view.state is None or view.state.request_digest != request_digest(csr):
            raise RefusedError("nonce was used already", code="nonce.spent", check="nonce.spent")
        return True

    def _change(
        self,
        found: Appraised,
        nonce: Nonce,
        request: CheckInRequest,
        certificate: CertificateRecord | None,
        adoption: Act | None,
    ) -> RecordDecision:
        standing = found.standing(floor=nonce.issued_us, request_digest=request.digest, reply=None)
        return change_of(
            found,
            nonce,
            state_after(found.judged, standing, generation=found.active.generation),
            certificate=certificate,
            noticed=self._noticed,
            salt=self._entropy.draw(SALT_SIZE),
            act=adoption,
        )


def request_digest(csr: bytes) -> bytes:
    """Return the name by which a request that brought its evidence is known again."""
    return hashlib.sha256(csr).digest()
