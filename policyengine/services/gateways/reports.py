"""What a gateway reports of devices that have no key: facts by its word, decided on and recorded device by device.

1. The gateway's certificate is good now and the gateway passes for `gateway`, as at any gate.
2. Of each device: the registry names this gateway for it (a foreign one answers like a missing one), its model has
   `key: none` in fleet.yaml, and no key was ever pinned for it: a report never speaks over a key.
3. The report is not from the future, and not older than the one before.
4. What it says is `reported` by this gateway, observed when the gateway says; the policies decide.
5. Decision, state and verdicts are committed. A first report that is not refused makes the device operational.

One device's refusal is its own; the others are decided on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from policyengine.decision.facts_json import quick_canonical
from policyengine.decision.ingest import FactError
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.changes import SALT_SIZE, Enrolment, RecordDecision
from policyengine.services.checkins.appraisal import phase_after
from policyengine.services.checkins.gathering import REPORTABLE, Context, Report, gather_reported
from policyengine.services.checkins.judging import (
    Judged,
    Memory,
    Standing,
    effective_tier,
    has_changed,
    judge,
    record_of,
    state_after,
)
from policyengine.services.checkins.refusals import security_event
from policyengine.services.checkins.replies import compose
from policyengine.services.errors import ConflictError, InvalidRequestError, RefusedError, UnavailableError
from policyengine.services.gates.gate import Gate
from policyengine.services.gateways.doubts import Doubts
from policyengine.services.identification.claimants import demand_in_service, refused
from policyengine.services.identification.gateways import GATEWAY_KIND, PURPOSE, demand_entrusted, unknown_device
from policyengine.services.moments import micros
from policyengine.services.nonces import CLOCK_SKEW
from policyengine.services.policies import ActivePolicies, PolicyShelf
from policyengine.services.ports import CheckInReads, Clock, Entropy, Writer
from policyengine.services.records import DeviceView, Lifecycle
from policyengine.services.supply.shelf import SupplyShelf

MAX_REPORTS = 256  # devices in one request: what a gateway has behind it; each is a commit, so a second or two
MAX_ATTEMPTS = 5  # times a report is decided on again because its device changed meanwhile

NO_KEY = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a gateway says of one device: fact groups as in a facts file, and when it was so (None: now)."""

    device_id: DeviceId
    reported: Mapping[str, object]
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A device that was decided on; `body` is its JSON: the Decision as a device hears it."""

    device_id: DeviceId
    decision_id: Digest
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A device on which this report changed nothing, and why."""

    device_id: DeviceId
    refusal: RefusedError | ConflictError | InvalidRequestError | FactError


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What reports work with."""

    reads: CheckInReads
    writer: Writer
    clock: Clock
    entropy: Entropy
    shelf: PolicyShelf
    memory: Memory
    gate: Gate
    doubts: Doubts
    supplies: SupplyShelf
    ca: Mapping[str, object]


class GatewayReports:
    """Takes what gateways report."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment

    async def report(self, certificate: bytes, said: Sequence[Said]) -> tuple[Recorded | Refused, ...]:
        """Return what became of each device, in order; `certificate` (DER) is what the gateway connected with.

        Raises RefusedError (`gate.*`: the gateway itself does not pass), InvalidRequestError (none, too many, or one
        device twice), UnavailableError; what was recorded until then stays, and may be reported again.
        """
        passed = await self._with.gate.demand_open_for_holder(certificate, PURPOSE)
        if passed.device_id is None:  # INVARIANT: an open gate names who passed
            raise unknown_device()
        _demand_once(said)
        outcomes = tuple([await self._one(passed.device_id, each) for each in said])
        await self._with.doubts.settle(passed.device_id, (each.device_id for each in outcomes))
        return outcomes

    async def _one(self, gateway: DeviceId, said: Said) -> Recorded | Refused:
        try:
            return await self._attempts(gateway, said)
        except (RefusedError, ConflictError) as refusal:
            await self._remember(refusal, gateway)
            return Refused(device_id=said.device_id, refusal=refusal)
        except (InvalidRequestError, FactError) as refusal:
            return Refused(device_id=said.device_id, refusal=refusal)

    async def _attempts(self, gateway: DeviceId, said: Said) -> Recorded:
        for _ in range(MAX_ATTEMPTS):
            try:
                return await self._attempt(gateway, said)
            except ConflictError as conflict:
                if conflict.code != "state.moved":
                    raise
        raise UnavailableError("the device is changing too fast", code="state.contended", retry_after=1)

    async def _attempt(self, gateway: DeviceId, said: Said) -> Recorded:
        view = demand_entrusted(gateway, self._with.reads.view(said.device_id))
        active = self._with.shelf.active(at_least=0 if view.state is None else view.state.generation)
        _demand_keyless(view, active)
        report = _dated(gateway, said, view, now=self._with.clock.now())
        change, body = self._decided(view, report, active)
        await self._with.writer.submit(change)
        return Recorded(device_id=view.device.id, decision_id=change.state.decision_id, body=body)

    def _decided(self, view: DeviceView, report: Report, active: ActivePolicies) -> tuple[RecordDecision, bytes]:
        now, before = self._with.clock.now(), view.state
        context = Context(
            view=view,
            identity_kind=GATEWAY_KIND,
            key_reuse=0,
            last_seen=report.observed_at,
            bundle=active.policies.bundle,
            endorsements=active.policies.endorsements,
            supplies=self._with.supplies,
            ca=self._with.ca,
            now=now,
        )
        facts = gather_reported(report, context, schema=active.policies.schema)
        prior = None if before is None else self._with.memory.prior(before.prior)
        judged = judge(active.policies, facts, prior=prior, now=now, phase=phase_after(before))
        return self._change(view, report, judged, active), self._body(view, judged)

    def _change(self, view: DeviceView, report: Report, judged: Judged, active: ActivePolicies) -> RecordDecision:
        before = view.state
        after = state_after(judged, _standing(view, report), generation=active.generation)
        changed = has_changed(judged, before, tier=after.tier)
        same_verdicts = before is not None and before.verdicts == judged.verdicts_digest
        return RecordDecision(
            state=after,
            expected_version=None if before is None else before.version,
            spends_nonce=False,
            decision=record_of(judged, device_id=after.device_id) if changed else None,
            verdicts=None if same_verdicts else judged.verdicts(),
            documents=judged.documents,
            salt=self._with.entropy.draw(SALT_SIZE),
            enrolment=_enrolment(view, judged.decision.decided_at) if before is None else None,
        )

    def _body(self, view: DeviceView, judged: Judged) -> bytes:
        restriction = None if view.state is None else view.state.restriction
        rest = quick_canonical({"next_report_after": judged.decision.next_checkin_after})
        tier = effective_tier(judged.decision, restriction)
        return compose(judged, rest=rest, tier=tier, restriction=restriction)

    async def _remember(self, refusal: RefusedError | ConflictError, gateway: DeviceId) -> None:
        """Keep that the gateway was refused: it is the gateway that spoke, whomever it named."""
        now, salt = self._with.clock.now(), self._with.entropy.draw(SALT_SIZE)
        await self._with.writer.submit(security_event(refusal, device_id=gateway, now=now, salt=salt))


def _demand_once(said: Sequence[Said]) -> None:
    if not 1 <= len(said) <= MAX_REPORTS:
        raise InvalidRequestError(f"reports are not 1 to {MAX_REPORTS}", code="request.reports", field="reports")
    named = [each.device_id for each in said]
    twice = next((name for at, name in enumerate(named) if name in named[:at]), None)
    if twice is not None:
        raise InvalidRequestError(f"device `{twice}` is reported of twice", code="request.reports", field="reports")


def _demand_keyless(view: DeviceView, active: ActivePolicies) -> None:
    """Raise RefusedError unless the device has no key, by its model and by its past."""
    demand_in_service(view)
    model = active.policies.bundle.fleet.models.get(view.device.model)
    has_key = view.state is not None and view.state.identity_kind != GATEWAY_KIND
    if has_key or model is None or not model.keyless:
        message = "the device speaks for itself: bring its evidence (fleet.yaml has no `key: none` for its model)"
        raise refused("the device has a key: bring its evidence" if has_key else message, "gateway.keyed")


def _dated(gateway: DeviceId, said: Said, view: DeviceView, *, now: datetime) -> Report:
    """Return what is reported with its time; raises RefusedError for another time, or for what is not to be said."""
    foreign = sorted(said.reported.keys() - REPORTABLE)
    if foreign:
        known = ", ".join(sorted(REPORTABLE))
        raise refused(f"`{foreign[0][:64]}` is not for a gateway to say; it may say {known}", "report.groups")
    observed_at = said.observed_at or now
    if observed_at - now > CLOCK_SKEW:
        raise refused("the report is from the future", "report.future")
    if view.state is not None and micros(observed_at) < view.state.floor:
        raise refused("a later report of this device came before", "report.superseded")
    return Report(gateway=gateway, said=said.reported, observed_at=min(observed_at, now))


def _standing(view: DeviceView, report: Report) -> Standing:
    before = view.state
    return Standing(
        device_id=view.device.id,
        version=0 if before is None else before.version,
        floor=micros(report.observed_at),  # of a device without nonces: when what is known of it was so
        key_spki=NO_KEY,
        key_thumbprint=f"none:{view.device.id}",  # of nobody else: devices without a key share none
        identity_kind=GATEWAY_KIND,
        anchor=None,
        last_seen=report.observed_at,
        restriction=None if before is None else before.restriction,
        request_digest=None,
        reply=None,
        reporter=report.gateway,
    )


def _enrolment(view: DeviceView, now: datetime) -> Enrolment:
    device = replace(view.device, lifecycle=Lifecycle.OPERATIONAL, enrolled_at=now, updated_at=now)
    return Enrolment(device=device, token_hash=None, key_reuse=0)
