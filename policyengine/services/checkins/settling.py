"""From a decision on a certificate request to its answer: a certificate, that it is too early, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pki.profile import Profile
from pki.request import ProvenRequest
from policyengine.model.decision import Result, Tier
from policyengine.model.ids import DeviceId, Digest
from policyengine.model.policy import Mode
from policyengine.services.certification.issuing import Grant, Issuance, issues, renew_at
from policyengine.services.changes import RecordDecision
from policyengine.services.checkins.judging import Judged
from policyengine.services.errors import ConflictError, RefusedError, UnavailableError
from policyengine.services.policies import ActivePolicies
from policyengine.services.ports import Writer
from policyengine.services.records import CertificateRecord, DeviceView
from policyengine.services.turns import turn

RETRY_SECONDS = 60  # a device checks in within a minute of being told to; more would delay a whole installation
MAX_NAMED = 5  # rules named in a refusal; the decision has them all


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate, DER, and when its holder should renew it (None: nothing says when)."""

    certificate: bytes
    device_id: DeviceId
    renew_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """No certificate yet, and not never: `missing` are the rules that wait for evidence or approval."""

    retry_after: int
    missing: tuple[str, ...]
    decision_id: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision on a request, how it is recorded with or without a certificate, and the code of its refusal."""

    view: DeviceView
    active: ActivePolicies
    judged: Judged
    tier: Tier
    now: datetime
    record: Callable[[CertificateRecord | None], RecordDecision]
    refusal: str = "est.denied"
    follows: str | None = None  # the serial number of another CA's certificate that the lineage begins with
    stays: bool = False  # recorded even if it is a first contact that gets nothing, because evidence came with it

    @property
    def profile(self) -> Profile | None:
        """The certificate profile of the device's model."""
        return self.active.policies.profiles.get(self.view.device.model)


def issued(record: CertificateRecord, profile: Profile | None) -> Issued:
    """Return the answer that a certificate on record is."""
    return Issued(certificate=record.certificate, device_id=record.device_id, renew_at=renew_at(record, profile))


class Settlement:
    """Issues what decisions allow, and records them."""

    def __init__(self, writer: Writer, issuance: Issuance) -> None:
        self._writer = writer
        self._issuance = issuance

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The CAs above every certificate, DER: issuing CA first, root last."""
        return self._issuance.chain

    async def settle(self, asked: ProvenRequest, decided: Decided) -> Issued | Pending:
        """Return what `decided` comes to, recorded; a first contact that gets nothing leaves only what `stays`.

        Raises RefusedError (`certificate.status`, or the decision's own code), ConflictError, UnavailableError.
        """
        current = decided.view.certificate
        if current is not None and current.held_by_person:
            message = "a person holds the device's certificate"
            raise RefusedError(message, code="certificate.status", check="certificate.status")
        profile = decided.profile
        if profile is None or not issues(profile, decided.tier):
            if decided.stays or decided.view.state is not None:
                await self._writer.submit(decided.record(None))
            return _not_yet(decided)
        grant = Grant(
            view=decided.view,
            request=asked,
            profile=profile,
            tier=decided.tier,
            decision_id=decided.judged.id,
            fleet=decided.active.policies.bundle.fleet.name,
            now=decided.now,
            follows=decided.follows,
        )
        certificate = await self._issuance.issue(grant)
        try:
            await turn()
            change = decided.record(certificate)
            await turn()
            await self._writer.submit(change)
        except (ConflictError, UnavailableError) as failure:
            await self._issuance.abandon(certificate, reason=failure.code, now=decided.now)
            raise
        return issued(certificate, profile)


def _not_yet(decided: Decided) -> Pending:
    """Return that the client should come back; raises RefusedError when waiting would change nothing."""
    acting = [found for found in decided.judged.decision.findings if found.terms.mode is Mode.ENFORCE]
    failed = [found.rule for found in acting if found.result is Result.FAIL]
    unknown = tuple(found.rule for found in acting if found.result is Result.UNKNOWN)
    if failed or not unknown:
        because = ", ".join(failed[:MAX_NAMED]) or "the device's tier holds no certificate"
        raise RefusedError(f"the policies refuse a certificate: {because}", code=decided.refusal, check=decided.refusal)
    return Pending(retry_after=RETRY_SECONDS, missing=unknown, decision_id=decided.judged.id)
