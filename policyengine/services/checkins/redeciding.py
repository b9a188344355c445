"""Deciding a device again without a check-in: from what it said last and what is known now, by the same pure call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pki.profile import Profile
from pki.request import ProvenRequest
from policyengine.model.decision import Tier
from policyengine.model.facts import Facts
from policyengine.services.certification.issuing import status_after
from policyengine.services.changes import SALT_SIZE, Act, RecordDecision
from policyengine.services.checkins.appraisal import phase_after
from policyengine.services.checkins.gathering import Context, gather_again, with_request, without_reports
from policyengine.services.checkins.judging import (
    Judged,
    Memory,
    Standing,
    effective_tier,
    has_changed,
    has_fallen,
    judge,
    judge_in_turns,
    record_of,
    standing_of,
    state_after,
)
from policyengine.services.identification.gateways import Gateways
from policyengine.services.policies import ActivePolicies, PolicyShelf
from policyengine.services.ports import Entropy
from policyengine.services.records import CertificateRecord, DeviceState, DeviceView
from policyengine.services.supply.shelf import SupplyShelf
from policyengine.services.turns import turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Redecided:
    """A new decision on a device, not recorded yet."""

    view: DeviceView
    state: DeviceState
    active: ActivePolicies
    judged: Judged
    now: datetime

    @property
    def tier(self) -> Tier:
        """The tier that takes effect."""
        return effective_tier(self.judged.decision, self.state.restriction)

    @property
    def profile(self) -> Profile | None:
        """The certificate profile of the device's model."""
        return self.active.policies.profiles.get(self.view.device.model)


class Redecider:
    """Decides again, and says what is to be recorded of it."""

    def __init__(
        self,
        gateways: Gateways,
        entropy: Entropy,
        shelf: PolicyShelf,
        memory: Memory,
        ca_facts: Mapping[str, object],
        *,
        supplies: SupplyShelf,
    ) -> None:
        self._gateways = gateways
        self._entropy = entropy
        self._shelf = shelf
        self._memory = memory
        self._ca_facts = ca_facts
        self.supplies = supplies

    def again(self, view: DeviceView, state: DeviceState, *, now: datetime) -> RecordDecision:
        """Return the change that records the new decision on a device whose time has come."""
        return self.change(self.decide(view, state, now=now), standing_of(state))

    def under(self, view: DeviceView, state: DeviceState, standing: Standing, act: Act) -> RecordDecision:
        """Return the change that records a person's act together with the decision it leads to."""
        return self.change(self.decide(view, state, now=act.at), standing, act=act)

    def decide(
        self, view: DeviceView, state: DeviceState, *, now: datetime, request: ProvenRequest | None = None
    ) -> Redecided:
        """Return the decision on what the device said last, what is known now, and the certificate it asks for."""
        active = self._shelf.active(at_least=state.generation)
        facts, prior = self._facts(view, state, active, now, request), self._memory.prior(state.prior)
        judged = judge(active.policies, facts, prior=prior, now=now, phase=phase_after(state))
        return Redecided(view=view, state=state, active=active, judged=judged, now=now)

    async def decide_in_turns(
        self, view: DeviceView, state: DeviceState, *, active: ActivePolicies, now: datetime, request: ProvenRequest
    ) -> Redecided:
        """Return what `decide` does, by the policies that the caller took, step by step (services/turns.py).

        INVARIANT: `active` is not older than the generation of `state`.
        """
        facts, prior = self._facts(view, state, active, now, request), self._memory.prior(state.prior)
        await turn()
        judged = await judge_in_turns(active.policies, facts, prior=prior, now=now, phase=phase_after(state))
        return Redecided(view=view, state=state, active=active, judged=judged, now=now)

    def _facts(
        self,
        view: DeviceView,
        state: DeviceState,
        active: ActivePolicies,
        now: datetime,
        request: ProvenRequest | None,
    ) -> Facts:
        last = self._memory.facts(state.facts_shared, state.facts_own, policies=self._shelf.by_digest(state.bundle))
        believed = without_reports(last, by=self._gateways.doubted(view.device, last))
        known = gather_again(believed, self._context(view, state, active, now))
        return known if request is None else with_request(known, request, now=now)

    def change(
        self,
        decided: Redecided,
        standing: Standing,
        *,
        act: Act | None = None,
        certificate: CertificateRecord | None = None,
    ) -> RecordDecision:
        """Return what records `decided`, with the act that led to it or the certificate it allowed."""
        state, judged = decided.state, decided.judged
        after = state_after(judged, standing, generation=decided.active.generation)
        changed = certificate is not None or has_changed(judged, state, tier=after.tier)
        return RecordDecision(
            state=after,
            expected_version=state.version,
            spends_nonce=False,
            decision=record_of(judged, device_id=state.device_id) if changed else None,
            verdicts=None if state.verdicts == judged.verdicts_digest else judged.verdicts(),
            documents=judged.documents,
            salt=self._entropy.draw(SALT_SIZE),
            certificate=certificate,
            status=status_after(decided.view, decided.profile, after.tier, now=decided.now),
            act=act,
            doubts_reports=has_fallen(state, after.tier),
        )

    def _context(self, view: DeviceView, state: DeviceState, active: ActivePolicies, now: datetime) -> Context:
        return Context(
            view=view,
            identity_kind=state.identity_kind,
            key_reuse=view.key_reuse,
            last_seen=state.last_seen,
            bundle=active.policies.bundle,
            endorsements=active.policies.endorsements,
            supplies=self.supplies,
            ca=self._ca_facts,
            now=now,
        )
