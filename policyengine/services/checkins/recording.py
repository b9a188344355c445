"""What an appraised check-in leaves, whichever protocol brought it: state, decision, enrolment, spent nonce."""

from __future__ import annotations

import hashlib

from policyengine.services.certification.issuing import status_after
from policyengine.services.changes import Act, Enrolment, RecordDecision, SpentNonce
from policyengine.services.checkins.appraisal import Appraised
from policyengine.services.checkins.judging import has_changed, has_fallen, record_of
from policyengine.services.checkins.unmatched import Noticed
from policyengine.services.nonces import Nonce
from policyengine.services.records import CertificateRecord, DeviceState


def change_of(
    found: Appraised,
    nonce: Nonce,
    state: DeviceState,
    *,
    certificate: CertificateRecord | None,
    noticed: Noticed,
    salt: bytes,
    act: Act | None = None,
) -> RecordDecision:
    """Return the change that records `found` as `state`, with the certificate it allowed, and spends the nonce."""
    view, judged = found.claimant.view, found.judged
    changed = certificate is not None or has_changed(judged, view.state, tier=state.tier)
    same_verdicts = view.state is not None and view.state.verdicts == judged.verdicts_digest
    return RecordDecision(
        state=state,
        expected_version=None if view.state is None else view.state.version,
        spends_nonce=True,
        decision=record_of(judged, device_id=state.device_id) if changed else None,
        verdicts=None if same_verdicts else judged.verdicts(),
        documents=judged.documents,
        salt=salt,
        enrolment=_enrolment(found),
        spent=None if nonce.is_bound else _spent(nonce),
        certificate=certificate,
        status=status_after(view, found.profile, state.tier, now=found.now),
        recheck_peers=found.claimant.enrols and found.key_reuse > 1,
        doubts_reports=has_fallen(view.state, state.tier),
        act=act,
        unmatched=noticed.news(
            found.claimant.verified,
            model=view.device.model,
            device_id=view.device.id,
            verdicts_changed=not same_verdicts,
        ),
    )


def nonce_hash(nonce: Nonce) -> bytes:
    """Return the name by which a spent nonce is remembered."""
    return hashlib.sha256(nonce.raw).digest()


def _enrolment(found: Appraised) -> Enrolment | None:
    if not found.claimant.enrols:
        return None
    return Enrolment(
        device=found.enrolled_device(), token_hash=found.claimant.token_hash, key_reuse=found.key_reuse - 1
    )


def _spent(nonce: Nonce) -> SpentNonce:
    return SpentNonce(nonce_hash=nonce_hash(nonce), expires_at=nonce.expires_at)
