"""The middle of a check-in, without any write: who it is, what is known of it, what the policies make of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pki.profile import Profile
from pki.request import ProvenRequest, parse_request
from policyengine.attestation.registry import Registry
from policyengine.model.challenge import bound_nonce
from policyengine.model.decision import Prior, Tier
from policyengine.model.facts import Facts
from policyengine.model.ids import DeviceId
from policyengine.model.policy import Phase
from policyengine.services.checkins.attestation_result import Audience, claims
from policyengine.services.checkins.counters import counted
from policyengine.services.checkins.gathering import Context, Said, gather
from policyengine.services.checkins.judging import Judged, Memory, Standing, effective_tier, judge, judge_in_turns
from policyengine.services.identification.claimants import Claimant, Question
from policyengine.services.identification.est_evidence import attested
from policyengine.services.identification.identity import identify, plausible_device
from policyengine.services.nonces import Nonce, NonceKey
from policyengine.services.policies import ActivePolicies
from policyengine.services.ports import CheckInReads, ResultSigner
from policyengine.services.records import Device, DeviceState, DeviceView, Lifecycle, Restriction
from policyengine.services.requests import CheckInRequest
from policyengine.services.supply.shelf import SupplyShelf
from policyengine.services.turns import turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What is known of a device that proved itself, not decided yet."""

    claimant: Claimant
    request: ProvenRequest | None
    active: ActivePolicies
    facts: Facts
    key_reuse: int
    counters: Mapping[str, int]
    now: datetime
    gateway: DeviceId | None = None  # that brought it

    @property
    def phase(self) -> Phase:
        """The phase that this is to be decided in."""
        return phase_after(self.claimant.view.state)

    def decided(self, judged: Judged) -> Appraised:
        """Return this with the decision on it."""
        return Appraised(
            claimant=self.claimant,
            request=self.request,
            active=self.active,
            facts=self.facts,
            judged=judged,
            key_reuse=self.key_reuse,
            counters=self.counters,
            now=self.now,
            gateway=self.gateway,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraised(Gathered):
    """A check-in decided but not recorded."""

    judged: Judged

    @property
    def restriction(self) -> Restriction | None:
        """What a person put on the device."""
        state = self.claimant.view.state
        return None if state is None else state.restriction

    @property
    def tier(self) -> Tier:
        """The tier that takes effect."""
        return effective_tier(self.judged.decision, self.restriction)

    @property
    def profile(self) -> Profile | None:
        """The certificate profile of the device's model."""
        return self.active.policies.profiles.get(self.claimant.view.device.model)

    def enrolled_device(self) -> Device:
        """Return the registry row of the device once it is enrolled."""
        return replace(
            self.claimant.view.device, lifecycle=Lifecycle.OPERATIONAL, enrolled_at=self.now, updated_at=self.now
        )

    def standing(self, *, floor: int, request_digest: bytes, reply: bytes | None) -> Standing:
        """Return what the device's new state holds beside the decision."""
        claimant, state = self.claimant, self.claimant.view.state
        return Standing(
            device_id=claimant.view.device.id,
            version=0 if state is None else state.version,
            floor=floor,
            key_spki=claimant.spki,
            key_thumbprint=claimant.thumbprint,
            identity_kind=claimant.kind,
            anchor=claimant.anchor,
            last_seen=self.now,
            restriction=self.restriction,
            request_digest=request_digest,
            reply=reply,
            counters=self.counters,
            reporter=self.gateway,
        )


class Appraiser:
    """Identifies, gathers and judges; signs the attestation result."""

    def __init__(
        self,
        reads: CheckInReads,
        memory: Memory,
        signer: ResultSigner,
        *,
        audience: Audience,
        ca_facts: Mapping[str, object],
        nonce_key: NonceKey,
        formats: Registry,
        supplies: SupplyShelf,
    ) -> None:
        self._reads = reads
        self._memory = memory
        self._signer = signer
        self._audience = audience
        self._ca_facts = ca_facts
        self._nonce_key = nonce_key
        self._formats = formats
        self._supplies = supplies

    async def appraise(
        self, request: CheckInRequest, nonce: Nonce, *, bound: DeviceView | None, active: ActivePolicies, now: datetime
    ) -> Appraised:
        """Return what the policies make of `request`. Raises what identity.identify and gathering.gather raise."""
        asked = None if request.csr is None else parse_request(request.csr)
        question = self._question(request, nonce, asked, active=active, now=now)
        claimant = identify(question, bound=bound, reads=self._reads)
        await turn()
        gathered = self._gathered(request, nonce, asked, claimant, active=active, now=now)
        await turn()
        prior, phase = self._prior(gathered), gathered.phase
        return gathered.decided(
            await judge_in_turns(active.policies, gathered.facts, prior=prior, now=now, phase=phase)
        )

    def appraise_known(
        self,
        request: CheckInRequest,
        nonce: Nonce,
        asked: ProvenRequest,
        claimant: Claimant,
        *,
        active: ActivePolicies,
        now: datetime,
    ) -> Appraised:
        """Return what the policies make of `request` by a device that proved itself otherwise; raises as `appraise`."""
        proven = attested(self._question(request, nonce, asked, active=active, now=now), claimant)
        gathered = self._gathered(request, nonce, asked, proven, active=active, now=now)
        prior, phase = self._prior(gathered), gathered.phase
        return gathered.decided(judge(active.policies, gathered.facts, prior=prior, now=now, phase=phase))

    def _gathered(
        self,
        request: CheckInRequest,
        nonce: Nonce,
        asked: ProvenRequest | None,
        claimant: Claimant,
        *,
        active: ActivePolicies,
        now: datetime,
    ) -> Gathered:
        state = claimant.view.state
        counters = counted(claimant.verified, {} if state is None else state.counters)
        key_reuse = self._key_reuse(claimant)
        context = Context(
            view=claimant.view,
            identity_kind=claimant.kind,
            key_reuse=key_reuse,
            last_seen=now,
            bundle=active.policies.bundle,
            endorsements=active.policies.endorsements,
            supplies=self._supplies,
            ca=self._ca_facts,
            now=now,
        )
        said = Said(
            claimant=claimant,
            issued_at=nonce.issued_at,
            request=asked,
            reported=request.reported,
            gateway=request.gateway,
        )
        return Gathered(
            claimant=claimant,
            request=asked,
            active=active,
            facts=gather(said, context, schema=active.policies.schema),
            key_reuse=key_reuse,
            counters=counters,
            now=now,
            gateway=request.gateway,
        )

    def plausible(
        self, request: CheckInRequest, nonce: Nonce, *, active: ActivePolicies, now: datetime
    ) -> DeviceId | None:
        """Return whom a refused check-in seems to come from; raises what malformed evidence raises."""
        return plausible_device(self._question(request, nonce, None, active=active, now=now), self._reads)

    def result(self, found: Appraised) -> str:
        """Return the signed attestation result (EAR) of a decision."""
        return self._signer.sign(
            claims(
                found.judged.decision,
                found.facts,
                tier=found.tier,
                decision_id=found.judged.id,
                audience=self._audience,
                items=found.claimant.verified,
            )
        )

    def _question(
        self,
        request: CheckInRequest,
        nonce: Nonce,
        asked: ProvenRequest | None,
        *,
        active: ActivePolicies,
        now: datetime,
    ) -> Question:
        return Question(
            request=request,
            nonce=nonce,
            formats=self._formats,
            challenge=nonce.raw if asked is None else bound_nonce(nonce.raw, asked.key.spki),
            policies=active.policies,
            nonce_key=self._nonce_key,
            now=now,
            requested=None if asked is None else asked.key.thumbprint,
        )

    def _key_reuse(self, claimant: Claimant) -> int:
        view = claimant.view
        if view.state is not None:
            return view.key_reuse
        return self._reads.key_reuse(claimant.thumbprint, beside=view.device.id) + 1

    def _prior(self, found: Gathered) -> Prior | None:
        state = found.claimant.view.state
        return None if state is None else self._memory.prior(state.prior)


def phase_after(state: DeviceState | None) -> Phase:
    """Return the phase of the next decision: a device that enrolment denied has not left it."""
    if state is None or (state.phase is Phase.ENROLL and state.tier is Tier.DENY):
        return Phase.ENROLL
    return Phase.OPERATE
