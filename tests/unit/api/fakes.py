"""Use cases that answer from memory, with the real ones' signatures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI

from api.app import create_app
from api.options import Options
from pki.ocsp_response import Refusal
from pki.revocation import Reason
from policyengine.model.decision import Tier
from policyengine.model.endorsements import Endorser, ReferenceComponent, Release
from policyengine.model.ids import DeviceId, Digest, PartyName, PolicyName, RuleName
from policyengine.model.policy import Clause, Phase, Place, Selector, Waiver
from policyengine.services.access.logins import Begun
from policyengine.services.actors import PersonRole, Principal, Right, demand
from policyengine.services.catalogue import Services
from policyengine.services.certification.certificates import Certificates
from policyengine.services.certification.own_certificates import ServiceCertificates
from policyengine.services.certification.proposals import Revocations
from policyengine.services.certification.revocation import Published
from policyengine.services.checkins.challenge import Challenge, Challenges
from policyengine.services.checkins.checkin import CheckInReply, CheckInRequest, CheckIns
from policyengine.services.checkins.renewals import RenewalRequest
from policyengine.services.checkins.settling import Issued
from policyengine.services.compliance.report import Compliance, ComplianceReport, ControlStanding, Period
from policyengine.services.errors import (
    ConflictError,
    InvalidRequestError,
    MissingError,
    RefusedError,
    UnauthenticatedError,
)
from policyengine.services.events.overseeing import Webhooks
from policyengine.services.exports.jobs import ExportJobs, ExportState
from policyengine.services.exports.period import ExportRequest
from policyengine.services.exports.retention import Retention
from policyengine.services.fleet_scope import FleetScope
from policyengine.services.gates.feed import Moves
from policyengine.services.gates.gate import Answer, Question
from policyengine.services.gates.posture import Posture
from policyengine.services.gateways.reports import Recorded, Refused, Said
from policyengine.services.health import Health, HealthCheck
from policyengine.services.history.audit import Audit, Explanation
from policyengine.services.identification.activation import ActivationRequest, Activations, WrappedSecret
from policyengine.services.identification.est_identity import Credentials
from policyengine.services.identification.gateways import unknown_device
from policyengine.services.past_state import PastState
from policyengine.services.ports import DeviceFilter, PageRequest
from policyengine.services.publication.publish import Bundles
from policyengine.services.publication.waivers import Covered, WaiverFilter, Waivers, WaiverStanding, WaiverState
from policyengine.services.records import (
    Activation,
    ApiToken,
    AuditEvent,
    BundleRecord,
    CertificateRecord,
    CertificateStatus,
    DecisionRecord,
    Device,
    DeviceState,
    Lifecycle,
    Measured,
    Page,
    RevocationProposal,
    SecurityEvent,
    TimelineEntry,
    Unmatched,
)
from policyengine.services.registry.devices import DeviceDetail, Devices, IssuedToken, NewDevice
from policyengine.services.service_certificates import ServiceCertificate
from policyengine.services.tokens import NewToken, Tokens
from policyengine.simulation.fleet import found_vendor
from policyengine.transparency.tiles import Tile

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DIGEST = Digest("sha256:" + "ab" * 32)
DECISION = (
    b'{"findings":[{"rule":"engineering/x#secure-boot","result":"fail","reason":"rule.false","mode":"enforce",'
    b'"action":"quarantine","severity":"high","message":"<b>boot</b> is \\u202eoff","remediation":"re-flash",'
    b'"controls":["etsi:5.7-1"],"source":{"file":"engineering/x.yaml","line":23,"commit":"c0ffee"},'
    b'"facts":{"boot.secure":{"value":false,"source":"attested","observed_at":"2026-11-23T12:00:00Z"}},'
    b'"failing_since":"2026-11-23T12:00:00Z","waiver":null}]}'
)
GOOD_CERTIFICATE = b"good"
CERTIFICATE_DER = found_vendor("vendor-acme", now=NOW, entropy=bytes).root.public_bytes(Encoding.DER)

DEVICE = Device(
    id=DeviceId("gw-0001"),
    vendor="vendor-acme",
    model="gw-200",
    serial="AC-00000001",
    site="plant-a",
    zone="line-1",
    labels={"ring": "canary"},
    lifecycle=Lifecycle.OPERATIONAL,
    created_at=NOW,
    updated_at=NOW,
    enrolled_at=NOW,
)
HOSTILE = replace(DEVICE, id=DeviceId("gw-0666"), serial="<img src=x onerror=alert(1)>\x1b[31m\u202e")

STATE = DeviceState(
    device_id=DEVICE.id,
    version=3,
    floor=1,
    key_spki=b"spki",
    key_thumbprint="sha256:" + "cd" * 32,
    identity_kind="idevid",
    anchor=None,
    tier=Tier.QUARANTINE,
    decided_tier=Tier.QUARANTINE,
    decision_id=DIGEST,
    outcome=DIGEST,
    decided_at=NOW,
    phase=Phase.OPERATE,
    bundle=DIGEST,
    generation=7,
    facts_digest=DIGEST,
    facts_shared=DIGEST,
    facts_own=b"",
    input_prior=None,
    prior=DIGEST,
    verdicts=b"",
    valid_until=NOW + timedelta(hours=1),
    last_seen=NOW,
)
CERTIFICATE = CertificateRecord(
    issuer="issuing",
    serial="1f",
    device_id=DEVICE.id,
    decision_id=DIGEST,
    profile="gateway",
    tier=Tier.FULL,
    lineage=1,
    replaces=None,
    key_thumbprint="sha256:" + "cd" * 32,
    not_before=NOW,
    not_after=NOW + timedelta(days=14),
    certificate=b"der",
    status=CertificateStatus.GOOD,
    status_reason=None,
    status_at=NOW,
)
TOKEN = ApiToken(
    id="t1",
    name="ci",
    role="engineering",
    party="engineering",
    models=None,
    created_at=NOW,
    created_by="admin",
    expires_at=NOW + timedelta(days=1),
    last_used=None,
    revoked_at=None,
    secret_hash=b"hash-that-must-not-leave",
)


class StandingClock:
    """It is always NOW."""

    def now(self) -> datetime:
        return NOW


class FakeTokens(Tokens):
    """A token is the name of its role, or `vendor:MODEL`."""

    def __init__(self) -> None:
        self.created = 0

    def authenticate(self, secret: str) -> Principal:
        role, _, model = secret.partition(":")
        if role not in {role.value for role in PersonRole}:
            raise UnauthenticatedError("this is no token of ours")
        return Principal(name=f"a-{role}", role=PersonRole(role), models=frozenset({model}) if model else None)

    async def admit(self, secret: str) -> Principal:
        return self.authenticate(secret)

    def create(
        self,
        actor: Principal,
        *,
        name: str,
        role: PersonRole,
        lifetime: timedelta,
        party: PartyName | None = None,
        models: frozenset[str] | None = None,
    ) -> NewToken:
        self.created += 1
        return NewToken(secret=f"pe_secret_{self.created}", record=replace(TOKEN, name=name, role=role.value))

    def list(self, viewer: Principal) -> tuple[ApiToken, ...]:
        return (TOKEN, replace(TOKEN, id="t2"), replace(TOKEN, id="t3"))

    def revoke(self, actor: Principal, token_id: str) -> None:
        return


class FakeWorkloads:
    """Believes `role.of.workload`."""

    def authenticate(self, token: str) -> Principal:
        role, _, rest = token.partition(".")
        if rest != "of.workload":
            raise UnauthenticatedError("this is no token of ours")
        return Principal(name="repo:example", role=PersonRole(role))


class FakeLogins:
    """One provider, which vouches for whoever comes back with the state `s`."""

    choices = (("0", "Example <Corp>"),)

    def __init__(self) -> None:
        self.ended: list[str] = []

    def begin(self, place: str) -> Begun:
        if place != "0":
            raise MissingError("there is no such provider")
        return Begun(address="https://idp.example/authorize?state=s", cookie="0.s.v")

    def finish(self, cookie: str, *, code: str, state: str, issuer: str | None) -> NewToken:
        if (cookie, state) != ("0.s.v", "s"):
            raise UnauthenticatedError("this browser has begun no sign-in", code="login.refused")
        return NewToken(secret="auditor", record=TOKEN)

    def end(self, secret: str) -> None:
        self.ended.append(secret)


class FakeDevices(Devices):
    """One device that enrolled and one with a hostile serial; acts are remembered."""

    def __init__(self) -> None:
        self.acts: list[tuple[str, str, str]] = []
        self.announced: list[NewDevice] = []
        self.asked: list[tuple[DeviceFilter, PageRequest]] = []

    def list(
        self, viewer: Principal, where: DeviceFilter, page: PageRequest
    ) -> Page[tuple[Device, DeviceState | None]]:
        self.asked.append((where, page))
        rows = ((DEVICE, STATE), (HOSTILE, None))
        kept = tuple(row for row in rows if where.tier is None or (row[1] and row[1].tier is where.tier))
        return Page(items=kept, next="after-0666" if page.cursor is None else None)

    def show(self, viewer: Principal, device_id: DeviceId) -> DeviceDetail:
        known = {DEVICE.id: (DEVICE, STATE), HOSTILE.id: (HOSTILE, None)}
        if device_id not in known or (viewer.models is not None and DEVICE.model not in viewer.models):
            raise MissingError("no such device")
        device, state = known[device_id]
        return DeviceDetail(device=device, state=state, certificate=CERTIFICATE, verdicts=())

    def facts(self, viewer: Principal, device_id: DeviceId, *, as_of: datetime | None = None) -> Mapping[str, object]:
        self.show(viewer, device_id)
        return {"device_id": device_id, "facts": {}, "provenance": {}, "as_of": as_of and as_of.isoformat()}

    def list_at(
        self, viewer: Principal, where: DeviceFilter, page: PageRequest, at: datetime
    ) -> Page[tuple[Device, PastState | None]]:
        return Page(items=((replace(DEVICE, site="then"), None),), next=None)

    def show_at(self, viewer: Principal, device_id: DeviceId, at: datetime) -> DeviceDetail:
        return replace(self.show(viewer, device_id), device=replace(DEVICE, site="then"), state=None)

    def decisions(
        self, viewer: Principal, device_id: DeviceId, page: PageRequest, *, as_of: datetime | None = None
    ) -> Page[DecisionRecord]:
        return Page(items=(), next=None)

    def timeline(
        self, viewer: Principal, device_id: DeviceId, page: PageRequest, *, as_of: datetime | None = None
    ) -> Page[TimelineEntry]:
        return Page(
            items=(TimelineEntry(at=NOW, kind="decision", summary="full to quarantine", reference="x"),), next=None
        )

    def overview(self, viewer: Principal) -> Mapping[str, Mapping[str, int]]:
        return {"gw-200": {"full": 3, "quarantine": 1}}

    def announce(self, actor: Principal, devices: Iterable[NewDevice]) -> int:
        self.announced += devices
        return len(self.announced)

    def admit(self, actor: Principal, device_id: DeviceId) -> None:
        self.acts.append(("admit", device_id, ""))

    def create_token(self, actor: Principal, device_id: DeviceId, *, lifetime: timedelta) -> IssuedToken:
        return IssuedToken(token="once", device_id=device_id, expires_at=NOW + lifetime)

    def quarantine(self, actor: Principal, device_id: DeviceId, *, reason: str, tier: Tier = Tier.QUARANTINE) -> None:
        self.acts.append(("quarantine", device_id, reason))

    def release(self, actor: Principal, device_id: DeviceId, *, reason: str) -> None:
        self.acts.append(("release", device_id, reason))

    def retire(self, actor: Principal, device_id: DeviceId, *, reason: str) -> None:
        self.acts.append(("retire", device_id, reason))


WAIVER = Waiver(
    name="bench",
    policy=PolicyName("engineering/x"),
    rules=frozenset({RuleName("engineering/x#secure-boot")}),
    where=Selector(clauses=(Clause(key="device", values=("gw-0001",)),)),
    reason="On the bench",
    ticket="OPS-1",
    compensating_control="Not on the plant network",
    approvals=(PartyName("it"),),
    expires=NOW + timedelta(days=7),
    unknown=False,
    place=Place(file="waivers/bench.yaml", line=4),
)
WAIVED = WaiverStanding(waiver=WAIVER, where=WAIVER.where, owner="engineering", state=WaiverState.IN_FORCE)


class FakeWaivers(Waivers):
    """One waiver, which covers one device."""

    def __init__(self) -> None:
        self.asked: list[WaiverFilter] = []

    def list(
        self, viewer: Principal, where: WaiverFilter, page: PageRequest, *, as_of: datetime | None = None
    ) -> Page[WaiverStanding]:
        self.asked.append(where)
        return Page(items=(WAIVED,), next="YmVuY2g" if page.cursor is None else None)

    def show(
        self, viewer: Principal, name: str, *, as_of: datetime | None = None
    ) -> tuple[WaiverStanding, tuple[Covered, ...]]:
        return WAIVED, (Covered(device_id=DEVICE.id, rules=("engineering/x#secure-boot",), since=NOW),)


class FakeRetention(Retention):
    """Everything before a day of spring was archived."""

    def __init__(self) -> None: ...

    def kept_since(self) -> datetime | None:
        return datetime(2026, 4, 1, tzinfo=UTC)


class FakeSuccession:
    """Writes down what it is asked for."""

    def __init__(self) -> None:
        self.acts: list[tuple[object, ...]] = []

    def transfer(
        self, actor: Principal, device_id: DeviceId, *, site: str | None, zone: str | None, reason: str
    ) -> None:
        self.acts.append(("transfer", device_id, site, zone, reason))

    def replace(self, actor: Principal, old_id: DeviceId, new_id: DeviceId, *, reason: str) -> None:
        self.acts.append(("replace", old_id, new_id, reason))

    def rekey(self, actor: Principal, device_id: DeviceId, *, serial: str | None, reason: str) -> None:
        self.acts.append(("rekey", device_id, serial, reason))


class FakeCheckIns(CheckIns):
    """Answers every check-in; `error` is raised instead when set."""

    def __init__(self) -> None:
        self.requests: list[CheckInRequest] = []
        self.error: Exception | None = None

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return CheckInReply(
            body=b'{"tier":"full"}', device_id=DEVICE.id, decision_id=DIGEST, tier=Tier.FULL, repeated=False
        )


class FakeRelaying:
    """Writes down who brought what."""

    def __init__(self) -> None:
        self.brought: list[tuple[bytes, CheckInRequest]] = []

    async def relay(self, certificate: bytes, request: CheckInRequest) -> CheckInReply:
        self.brought.append((certificate, request))
        return CheckInReply(
            body=b'{"tier":"full"}', device_id=DEVICE.id, decision_id=DIGEST, tier=Tier.FULL, repeated=False
        )


class FakeGatewayReports:
    """Records what is said of `gw-0001` and refuses the rest."""

    def __init__(self) -> None:
        self.said: list[Said] = []

    async def report(self, certificate: bytes, said: Sequence[Said]) -> tuple[Recorded | Refused, ...]:
        self.said += said
        return tuple(
            Recorded(device_id=each.device_id, decision_id=DIGEST, body=b'{"tier":"full"}')
            if each.device_id == DEVICE.id
            else Refused(device_id=each.device_id, refusal=unknown_device())
            for each in said
        )


class FakeEntrusting:
    """Writes down what it is asked for."""

    def __init__(self) -> None:
        self.acts: list[tuple[object, ...]] = []

    def entrust(self, actor: Principal, device_id: DeviceId, gateways: Sequence[DeviceId], *, reason: str) -> None:
        self.acts.append((device_id, tuple(gateways), reason))


class FakeChallenges(Challenges):
    def __init__(self) -> None:
        self.bound: list[DeviceId | None] = []

    def issue(self, device_id: DeviceId | None) -> Challenge:
        self.bound.append(device_id)
        return Challenge(nonce=b"\xff" * 48, expires_at=NOW + timedelta(minutes=5))


class FakeActivations(Activations):
    def __init__(self) -> None:
        self.asked: list[ActivationRequest] = []

    def activate(self, request: ActivationRequest) -> WrappedSecret:
        self.asked.append(request)
        return WrappedSecret(id_object=b"\x01", encrypted_secret=b"\x02", expires_at=NOW + timedelta(minutes=5))


PROPOSAL = RevocationProposal(
    id="00112233445566aa",
    issuer=CERTIFICATE.issuer,
    serial=CERTIFICATE.serial,
    device_id=CERTIFICATE.device_id,
    reason="cessationOfOperation",
    proposed_by="Sven",
    proposed_party="it",
    proposed_at=NOW,
    expires_at=NOW + timedelta(hours=72),
)


SERVICE_CERTIFICATE = ServiceCertificate(
    issuer=CERTIFICATE.issuer,
    serial="2f",
    profile="builtin/tls-server",
    subject="CN=fleet server",
    issued_by="by-hand:local:sven",
    key_thumbprint=DIGEST,
    not_before=NOW,
    not_after=NOW + timedelta(days=30),
    sha256=DIGEST,
    status=CertificateStatus.GOOD,
    status_reason=None,
    status_at=NOW,
)


class FakeCertificates(Certificates):
    def __init__(self) -> None:
        self.acts: list[tuple[str, str]] = []

    def list(
        self,
        viewer: Principal,
        page: PageRequest,
        *,
        device_id: DeviceId | None = None,
        status: CertificateStatus | None = None,
        as_of: datetime | None = None,
    ) -> Page[CertificateRecord]:
        return Page(items=(CERTIFICATE,), next=None)

    def show(self, viewer: Principal, serial: str, *, as_of: datetime | None = None) -> CertificateRecord:
        if serial != CERTIFICATE.serial:
            raise MissingError("no such certificate")
        return CERTIFICATE

    def revoke(self, actor: Principal, serial: str, *, reason: Reason) -> None:
        self.acts.append(("revoke", reason.value))

    def hold(self, actor: Principal, serial: str, *, reason: str) -> None:
        raise ConflictError("it is on hold already")

    def release(self, actor: Principal, serial: str, *, reason: str) -> None:
        self.acts.append(("release", reason))

    def identify(self, certificate: bytes) -> DeviceId:
        if certificate != GOOD_CERTIFICATE:
            raise RefusedError("the certificate is not good", check="certificate.status")
        return DEVICE.id


class FakeCompliance(Compliance):
    def __init__(self) -> None: ...

    def report(
        self,
        viewer: Principal,
        scope: FleetScope,
        *,
        framework: str | None = None,
        as_of: datetime | None = None,
        period: Period | None = None,
    ) -> ComplianceReport:
        standing = ControlStanding(
            id="etsi:5.7-1",
            title="t",
            catalog="s",
            edition="e",
            rules=("r",),
            results={"pass": 0, "fail": 1, "unknown": 0, "waived": 0},
            uncovered=1,
            coverage=0.5,
            weakest_source="reported",
            sources={"reported": 1},
            shares=None,
        )
        return ComplianceReport(
            at=as_of or NOW,
            bundle=DIGEST,
            framework=framework,
            scope=scope,
            period=period,
            devices=2,
            controls=(standing,),
        )


class FakeRevocations(Revocations):
    """Revokes at once, but for the reason `cessationOfOperation`, which takes a second party."""

    def __init__(self, certificates: FakeCertificates) -> None:
        self.certificates = certificates
        self.acts: list[tuple[str, ...]] = []

    def revoke(self, actor: Principal, serial: str, *, reason: Reason) -> RevocationProposal | None:
        if reason is Reason.CESSATION_OF_OPERATION:
            return PROPOSAL
        self.certificates.revoke(actor, serial, reason=reason)
        return None

    def list(self, viewer: Principal) -> tuple[RevocationProposal, ...]:
        return (PROPOSAL,)

    def confirm(self, actor: Principal, serial: str, *, proposal: str) -> None:
        self.acts.append(("confirm", serial, proposal))

    def withdraw(self, actor: Principal, serial: str, *, proposal: str, reason: str) -> None:
        self.acts.append(("withdraw", serial, proposal, reason))


class FakeServiceCertificates(ServiceCertificates):
    def __init__(self) -> None: ...

    def list(self, viewer: Principal) -> tuple[ServiceCertificate, ...]:
        return (SERVICE_CERTIFICATE,)


class FakeAudit(Audit):
    def __init__(self) -> None: ...

    def decision(self, viewer: Principal, decision_id: Digest) -> bytes:
        if decision_id != DIGEST:
            raise MissingError("no such decision")
        return DECISION

    def explain(self, viewer: Principal, decision_id: Digest) -> Explanation:
        self.decision(viewer, decision_id)
        return Explanation(document={"decision_id": decision_id}, text="because <b>")

    def explain_device(self, viewer: Principal, device_id: DeviceId, *, as_of: datetime | None = None) -> Explanation:
        return Explanation(document={"device_id": device_id}, text="because")

    def security_events(
        self, viewer: Principal, page: PageRequest, *, device_id: DeviceId | None = None
    ) -> Page[SecurityEvent]:
        event = SecurityEvent(
            id="e",
            code="psa.nonce",
            device_id=None,
            check="psa.nonce",
            detail="<script>alert(1)</script>",
            first_at=NOW,
            last_at=NOW,
            count=2,
        )
        return Page(items=(event,), next=None)

    def events(self, viewer: Principal, page: PageRequest, *, as_of: datetime | None = None) -> Page[AuditEvent]:
        act = AuditEvent(index=1, at=NOW, actor="admin", action="bundle.activate", subject=DIGEST, detail={})
        return Page(items=(act,), next=None)


class FakeBundles(Bundles):
    def __init__(self) -> None:
        self.published: list[bytes] = []

    def publish_file(self, actor: Principal, content: bytes) -> Digest:
        self.published.append(content)
        return DIGEST

    def activate(self, actor: Principal, digest: Digest, *, expected_generation: int | None) -> Activation:
        if expected_generation != 7:
            raise ConflictError("generation 7 is in force", generation=7)
        return Activation(generation=8, digest=digest, activated_at=NOW, actor=actor.name)

    def list(self, page: PageRequest, *, as_of: datetime | None = None) -> Page[BundleRecord]:
        return Page(items=(BundleRecord(digest=DIGEST, commit=None, published_at=NOW, published_by="a"),), next=None)

    def show(self, digest: Digest) -> tuple[BundleRecord, bytes]:
        if digest != DIGEST:
            raise MissingError("no such bundle")
        return BundleRecord(digest=DIGEST, commit=None, published_at=NOW, published_by="a"), b"{}"

    def active(self, *, as_of: datetime | None = None) -> Activation | None:
        return Activation(generation=7, digest=DIGEST, activated_at=NOW, actor="admin")


class FakeReleases:
    """A model with one release and one measurement that nothing endorses."""

    def endorsed(self, viewer: Principal, model: str, *, as_of: datetime | None = None) -> tuple[Release, ...]:
        component = ReferenceComponent(name="app", sha256="11" * 32)
        return (Release(version="4.2.1", svn=8, components=(component,), endorser=Endorser(party="vendor-acme")),)

    def unmatched(self, viewer: Principal, model: str) -> tuple[Unmatched, ...]:
        measured = Measured(model=model, component="app", digest="22" * 32)
        return (Unmatched(measured=measured, first_seen=NOW, last_seen=NOW, devices=3, example=DeviceId("gw-0001")),)

    def candidate(self, actor: Principal, model: str, *, version: str, content: bytes) -> object:
        raise InvalidRequestError("the CoRIM is refused", code="corim.signature", field="corim")


class FakeSboms:
    """No SBOM is on file, and none is taken."""

    def list(self, viewer: Principal, model: str) -> tuple[()]:
        return ()

    def original(self, viewer: Principal, model: str, release: str) -> object:
        raise MissingError("no SBOM of that release is on file", code="sbom.missing")

    def file(self, actor: Principal, model: str, release: str, content: bytes) -> object:
        raise InvalidRequestError("neither CycloneDX nor SPDX 2 (as JSON)", code="sbom.format")


class FakeReports:
    """Reports are of nobody it knows, and nothing was reported."""

    def list(self, viewer: Principal, page: PageRequest) -> Page[object]:
        return Page(items=(), next=None)

    def of(self, viewer: Principal, device_id: DeviceId) -> tuple[()]:
        return ()

    def file(self, actor: Principal, observed_at: datetime, seen: list[object]) -> str:
        raise MissingError("no device is called so", code="device.missing")


class FakeStatements:
    """No VEX is on file, and none is taken."""

    def list(self, viewer: Principal, model: str, release: str) -> tuple[()]:
        return ()

    def file(self, actor: Principal, model: str, release: str, content: bytes) -> object:
        raise InvalidRequestError("neither OpenVEX nor CycloneDX (as JSON)", code="vex.format")


class FakeMuds:
    """No MUD file is on file, and none is believed."""

    def list(self, viewer: Principal, model: str) -> tuple[()]:
        return ()

    def original(self, viewer: Principal, model: str, release: str | None) -> object:
        raise MissingError("no MUD file is on file there", code="mud.missing")

    def file(self, actor: Principal, model: str, release: str | None, sent: object) -> object:
        raise InvalidRequestError("the signature does not verify", code="mud.signature")


class FakeFeeds:
    """No feed is in use, and nobody's packs are believed."""

    def list(self, viewer: Principal) -> tuple[()]:
        return ()

    def import_pack(self, actor: Principal, file: bytes) -> object:
        raise InvalidRequestError("no pack of feeds", code="feeds.form")


class FakeHealth(HealthCheck):
    def __init__(self) -> None:
        self.problems: tuple[str, ...] = ()

    def check(self) -> Health:
        return Health(ready=not self.problems, problems=self.problems, bundle=DIGEST, generation=7)


class FakeGate:
    """A gate that is open for `gw-0001` and for its certificate, as far as `network` goes."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.error: Exception | None = None

    async def ask(self, asker: Principal, question: Question) -> Answer:
        demand(asker, Right.GATE)
        self.asked.append(question)
        if self.error is not None:
            raise self.error
        told = {"purpose": question.purpose, "tier": Tier.LIMITED, "asked_at": NOW, "until": NOW + timedelta(hours=1)}
        if question.purpose != "network" or (question.device_id, question.certificate) == (None, None):
            return Answer(**told, device_id=question.device_id, code="gate.tier", reason="tier `limited` is not enough")
        return Answer(**told, device_id=DEVICE.id)


class FakePostures:
    """Gives every device a token."""

    async def issue(self, asker: Principal, question: Question, *, audience: str | None) -> Posture:
        return Posture(
            token="jws", device_id=DEVICE.id, purpose=question.purpose, audience=audience or "us", expires_at=NOW
        )

    async def issue_to_holder(self, certificate: bytes, purpose: str, *, audience: str | None) -> Posture:
        return Posture(token="jws", device_id=DEVICE.id, purpose=purpose, audience=audience or "us", expires_at=NOW)


class FakeFeed:
    """Nothing moves."""

    async def moves(self, asker: Principal, purpose: str, *, after: int | None) -> Moves:
        return Moves(next=7, more=False, everything=after is None, answers=())

    async def all(self, asker: Principal, purpose: str, page: PageRequest) -> Page[Answer]:
        return Page(items=(), next=None)


class FakeResults:
    def sign(self, claims: Mapping[str, object]) -> str:
        return "jws"

    def jwks(self) -> Mapping[str, object]:
        return {"keys": [{"kty": "EC", "kid": "k"}]}


class FakeEst:
    """EST that knows one device, by the token `good`."""

    chain = (CERTIFICATE_DER,)

    def __init__(self) -> None:
        self.answer: object = Issued(certificate=CERTIFICATE_DER, device_id=DeviceId("gw-0001"))
        self.asked: list[tuple[bytes, Credentials, str | None]] = []

    def labelled(self, label: str) -> object:
        raise MissingError("no profile has that name", code="est.label")

    def profile_of(self, given: Credentials) -> object:
        return None

    async def enrol(self, csr: bytes, given: Credentials, *, label: str | None) -> object:
        self.asked.append((csr, given, label))
        if given.token is None and not given.certificates:
            raise UnauthenticatedError("connect with the device's certificate, or send its one-time token")
        return self.answer

    reenrol = enrol


class FakeRenewals:
    """Renewals that answer one thing."""

    chain = (CERTIFICATE_DER,)

    def __init__(self) -> None:
        self.answer: object = Issued(certificate=CERTIFICATE_DER, device_id=DeviceId("gw-0001"))

    async def renew(self, _request: RenewalRequest) -> object:
        return self.answer


class FakeLog:
    """A log of one leaf."""

    vkey = "log.example+00000000+AAAA"

    def checkpoint(self) -> bytes:
        return b"log.example\n1\nAAAA\n\n"

    def tile(self, tile: Tile) -> bytes:
        if not tile.exists_in(1):
            raise MissingError("the log has no such tile", code="log.tile")
        return b"h" * 32

    def entries(self, tile: Tile) -> bytes:
        return b"\x00\x02hi" if tile.exists_in(1) else b""

    def decision_proof(self, viewer: object, decision_id: str) -> object:
        raise MissingError("no decision of that id has a leaf", code="proof.missing")


PUBLISHED = Published(content=b"list", made=NOW, until=NOW + timedelta(hours=1))


class FakeLists:
    """Knows one issuer, `00aa`, and its first shard."""

    def complete(self, issuer: str) -> Published:
        if issuer != "00aa":
            raise MissingError("no CA of that key identifier is served here", code="pki.issuer")
        return PUBLISHED

    def shard(self, issuer: str, shard: int) -> Published:
        if shard:
            raise MissingError("there is no such list", code="pki.list")
        return self.complete(issuer)

    def delta(self, issuer: str, shard: int) -> Published:
        return self.shard(issuer, shard)


class FakeResponder:
    """Answers `question`, and finds everything else malformed."""

    def answer(self, data: bytes) -> Published | Refusal:
        return PUBLISHED if data == b"question" else Refusal.MALFORMED_REQUEST


class FakeExportJobs(ExportJobs):
    """One export that is done, and one that never will be."""

    def __init__(self) -> None:
        pass

    def ask(self, actor: Principal, request: ExportRequest) -> tuple[Digest, ExportState]:
        return DIGEST, ExportState(state="running")

    def state(self, viewer: Principal, name: str) -> ExportState:
        if name != DIGEST:
            raise MissingError("no export of that name is kept", code="export.missing")
        return ExportState(state="done", size=3)

    def content(self, viewer: Principal, name: str) -> tuple[int, Iterator[bytes]]:
        return self.state(viewer, name).size or 0, iter([b"zip"])


class FakeWebhooks(Webhooks):
    """No webhooks."""

    def __init__(self) -> None:
        pass

    def list(self, viewer: Principal) -> tuple[()]:
        return ()

    def dead_letters(self, viewer: Principal, webhook: str) -> tuple[()]:
        raise MissingError("there is no such webhook", code="webhook.missing")

    def retry(self, actor: Principal, webhook: str, index: int) -> None:
        raise MissingError("there is no such webhook", code="webhook.missing")


def services() -> Services:
    """Return a fresh set of use cases."""
    certificates = FakeCertificates()
    return Services(
        clock=StandingClock(),
        policies=None,  # HTTP asks services, never policies themselves
        challenges=FakeChallenges(),
        activations=FakeActivations(),
        checkins=FakeCheckIns(),
        relaying=FakeRelaying(),
        gateway_reports=FakeGatewayReports(),
        entrusting=FakeEntrusting(),
        devices=FakeDevices(),
        registration=None,
        bundles=FakeBundles(),
        waivers=FakeWaivers(),
        retention=FakeRetention(),
        certificates=certificates,
        revocations=FakeRevocations(certificates),
        service_certificates=FakeServiceCertificates(),
        audit=FakeAudit(),
        compliance=FakeCompliance(),
        exposure=None,
        tokens=FakeTokens(),
        workloads=FakeWorkloads(),
        logins=FakeLogins(),
        sweep=None,
        reminders=None,
        health=FakeHealth(),
        releases=FakeReleases(),
        sboms=FakeSboms(),
        statements=FakeStatements(),
        muds=FakeMuds(),
        reports=FakeReports(),
        feeds=FakeFeeds(),
        results=FakeResults(),
        log=FakeLog(),
        est=FakeEst(),
        by_hand=None,
        renewals=FakeRenewals(),
        succession=FakeSuccession(),
        lists=FakeLists(),
        responder=FakeResponder(),
        batch_tokens=None,
        exports=None,
        export_jobs=FakeExportJobs(),
        rollovers=None,
        webhooks=FakeWebhooks(),
        gate=FakeGate(),
        gate_feed=FakeFeed(),
        postures=FakePostures(),
        ca_bundle=b"-----BEGIN CERTIFICATE-----\n",
        trust_bundle=b"header.payload.signature",
    )


def application(found: Services, **changes: object) -> FastAPI:
    """Return the application over `found` with small limits."""
    options = Options(instance="t", max_body_bytes=64 * 1024, max_upload_bytes=128 * 1024, max_in_flight=4)
    return create_app(found, options=replace(options, **changes))


class Client:
    """Speaks to an application through ASGI, without a socket; `peer` is the address it seems to come from."""

    def __init__(self, app: FastAPI, *, peer: str = "192.0.2.1") -> None:
        self.app = app
        self._transport = httpx.ASGITransport(app=app, client=(peer, 40000))

    def request(self, method: str, path: str, *, role: str | None = None, **options: object) -> httpx.Response:
        """Return the answer to one request, as `role` (a bearer token) or as nobody."""
        headers = list(dict(options.pop("headers", {})).items())
        if role is not None:
            headers.append(("Authorization", f"Bearer {role}"))
        return asyncio.run(self._request(method, path, headers=headers, **options))

    def get(self, path: str, **options: object) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: object) -> httpx.Response:
        return self.request("POST", path, **options)

    async def _request(self, method: str, path: str, **options: object) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="https://server") as client:
            return await client.request(method, path, **options)
