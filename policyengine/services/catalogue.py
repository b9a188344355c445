"""All use cases of one fleet's server, as the composition root hands them to HTTP and command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.authority import Authority
from pki.crl_issuing import ListAuthority
from pki.ocsp_response import OcspSigner
from pki.reservation import pem_of
from policyengine.attestation.registry import Registry
from policyengine.attestation.verifier import BUILT_IN
from policyengine.services.access.issuers import Issuer
from policyengine.services.access.logins import NOBODY, Logins, Provider
from policyengine.services.access.workloads import NOBODYS_KEYS, KeySource, Workloads
from policyengine.services.certificate_ledger import CertificateLedger
from policyengine.services.certification.certificates import Certificates
from policyengine.services.certification.issuing import Issuance
from policyengine.services.certification.own_certificates import ServiceCertificates
from policyengine.services.certification.proposals import Revocations
from policyengine.services.certification.revocation import Answering, OcspResponder, RevocationLists
from policyengine.services.certification.rollovers import Rollovers
from policyengine.services.changes import SALT_SIZE, AbortOrphans
from policyengine.services.checkins.appraisal import Appraiser
from policyengine.services.checkins.attestation_result import Audience
from policyengine.services.checkins.by_hand import ByHand
from policyengine.services.checkins.challenge import Challenges
from policyengine.services.checkins.checkin import CheckIns, Equipment
from policyengine.services.checkins.est import Est
from policyengine.services.checkins.judging import Memory
from policyengine.services.checkins.redeciding import Redecider
from policyengine.services.checkins.renewals import Renewals
from policyengine.services.checkins.request_evidence import RequestEvidence
from policyengine.services.checkins.settling import Settlement
from policyengine.services.compliance.report import Compliance
from policyengine.services.events.delivering import Deliveries
from policyengine.services.events.overseeing import Webhooks
from policyengine.services.events.ports import NOBODY as NO_COURIER
from policyengine.services.events.ports import Courier, EventReads, ReminderStore
from policyengine.services.events.reminding import Reminders
from policyengine.services.events.webhooks import Webhook
from policyengine.services.exports.exporting import Exports, Keys
from policyengine.services.exports.jobs import ExportFolder, ExportJobs
from policyengine.services.exports.ports import ExportStore
from policyengine.services.exports.retention import Retention
from policyengine.services.exposure.search import Exposure
from policyengine.services.gates.feed import Feed
from policyengine.services.gates.gate import Gate
from policyengine.services.gates.posture import Postures
from policyengine.services.gateways.doubts import Doubts
from policyengine.services.gateways.relaying import Relaying
from policyengine.services.gateways.reports import Equipment as Reporting
from policyengine.services.gateways.reports import GatewayReports
from policyengine.services.health import HealthCheck
from policyengine.services.history.audit import Audit
from policyengine.services.history.log import TransparencyLog
from policyengine.services.identification.activation import Activations
from policyengine.services.identification.gateways import Gateways
from policyengine.services.log_ports import LogKey, LogMemory
from policyengine.services.nonces import NonceKey
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Entropy, ResultSigner, Store
from policyengine.services.publication.publish import Bundles
from policyengine.services.publication.releases import Releases
from policyengine.services.publication.waivers import Waivers
from policyengine.services.registry.batch_tokens import BatchTokens
from policyengine.services.registry.devices import Devices
from policyengine.services.registry.entrusting import Entrusting
from policyengine.services.registry.registration import Registration
from policyengine.services.registry.succession import Succession
from policyengine.services.registry.sweep import Sweep
from policyengine.services.supply.cabinet import Cabinet
from policyengine.services.supply.feeds import Feeds
from policyengine.services.supply.muds import Muds
from policyengine.services.supply.reports import Reports
from policyengine.services.supply.sboms import Sboms
from policyengine.services.supply.shelf import SupplyShelf
from policyengine.services.supply.terms import NO_FEEDS, FeedTerms
from policyengine.services.supply.vex import Statements
from policyengine.services.tokens import Tokens
from policyengine.services.turns import Door


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One of each, and the clock they go by.

    `ca_bundle` is PEM, every CA in service: the issuing one first, then its root. `trust_bundle` is the same, signed
    and with a version (a compact JWS).
    """

    clock: Clock
    policies: PolicyShelf
    challenges: Challenges
    activations: Activations
    checkins: CheckIns
    relaying: Relaying
    gateway_reports: GatewayReports
    devices: Devices
    succession: Succession
    entrusting: Entrusting
    registration: Registration
    batch_tokens: BatchTokens
    bundles: Bundles
    waivers: Waivers
    certificates: Certificates
    revocations: Revocations
    service_certificates: ServiceCertificates
    audit: Audit
    compliance: Compliance
    exposure: Exposure
    tokens: Tokens
    workloads: Workloads
    logins: Logins
    sweep: Sweep
    reminders: Reminders
    health: HealthCheck
    releases: Releases
    sboms: Sboms
    statements: Statements
    muds: Muds
    reports: Reports
    feeds: Feeds
    results: ResultSigner
    log: TransparencyLog
    est: Est
    by_hand: ByHand
    renewals: Renewals
    lists: RevocationLists
    responder: OcspResponder
    rollovers: Rollovers
    exports: Exports
    gate: Gate
    gate_feed: Feed
    postures: Postures
    export_jobs: ExportJobs
    retention: Retention
    webhooks: Webhooks
    ca_bundle: bytes
    trust_bundle: bytes


class WholeStore(ExportStore, EventReads, ReminderStore, Protocol):
    """All of storage, with what telling others reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherIssuer:
    """A CA that issues no more, or not yet, and whose certificates are answered for."""

    lists: ListAuthority
    ocsp: OcspSigner | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Everything that services need from outside. `chain` is the issuing CA's certificate, then the root's.

    `trust` are all CAs that clients are told of: `chain`, and in a rollover the others with their cross-certificates.

    `issuers_ever` are those that issued once, for exports of that time.

    `formats` are those of evidence: ours, and those of installed plug-ins.
    """

    store: WholeStore
    clock: Clock
    entropy: Entropy
    nonce_key: NonceKey
    door: Door
    authority: Authority
    ledger: CertificateLedger
    chain: tuple[x509.Certificate, ...]
    results: ResultSigner
    audience: Audience
    log_key: LogKey
    log_memory: LogMemory
    export_folder: ExportFolder
    formats: Registry = BUILT_IN
    issuers: tuple[Issuer, ...] = ()
    key_source: KeySource = NOBODYS_KEYS
    provider: Provider = NOBODY
    webhooks: tuple[Webhook, ...] = ()
    courier: Courier = NO_COURIER
    feeds: FeedTerms = NO_FEEDS
    lists: ListAuthority
    ocsp: OcspSigner | None
    others: tuple[OtherIssuer, ...]
    trust: tuple[x509.Certificate, ...]
    issuers_ever: tuple[x509.Certificate, ...] = ()
    trust_bundle: bytes


ABANDONED_AFTER = timedelta(minutes=10)  # a signature takes milliseconds, by a network HSM seconds


def recover(store: Store, clock: Clock, entropy: Entropy) -> None:
    """Close as aborted the reservations that a crash left open: for a server at its start, before the first check-in.

    Whoever runs beside a server must not: what is open then is the server's work in progress.
    """
    salt = entropy.draw(SALT_SIZE)
    store.apply(AbortOrphans(reason="restart", at=clock.now(), reserved_before=None, salt=salt))


def recover_beside_others(store: Store, clock: Clock, entropy: Entropy) -> None:
    """Do as `recover` does where other servers are at work: with what was left open for longer than they ever take."""
    now, salt = clock.now(), entropy.draw(SALT_SIZE)
    store.apply(AbortOrphans(reason="restart", at=now, reserved_before=now - ABANDONED_AFTER, salt=salt))


def assemble(outside: Outside) -> Services:
    """Return the services over `outside`."""
    store, clock, entropy = outside.store, outside.clock, outside.entropy
    shelf = PolicyShelf(store, clock)
    memory = Memory(store)
    issuance = Issuance(outside.authority, outside.ledger, entropy, chain=outside.chain)
    supplies = SupplyShelf(store, clock, outside.feeds.max_age)
    cabinet = Cabinet(store, clock, entropy, supplies)
    gateways = Gateways(store, shelf)
    redecider = Redecider(gateways, entropy, shelf, memory, issuance.facts, supplies=supplies)
    doubts = Doubts(store, store, clock, gateways=gateways, redecider=redecider)
    certificates = Certificates(store, clock, entropy, shelf=shelf)
    own = ServiceCertificates(store, clock, entropy, issuers=outside.issuers_ever)
    tokens, workloads = Tokens(store, clock, entropy), Workloads(outside.issuers, outside.key_source, clock)
    gate = Gate(store, clock, shelf=shelf, redecider=redecider)
    trust = tuple(certificate.public_bytes(Encoding.DER) for certificate in outside.trust)
    log = TransparencyLog(store, clock, outside.log_key, outside.log_memory)
    ca_bundle = "".join(map(pem_of, trust)).encode()
    former = (each.public_bytes(Encoding.DER) for each in outside.issuers_ever if each not in outside.trust)
    keys = Keys(log=outside.log_key, results=outside.results, cas=ca_bundle + "".join(map(pem_of, former)).encode())
    appraiser = _appraiser(outside, memory, issuance, supplies)
    evidence = RequestEvidence(store, entropy, shelf=shelf, appraiser=appraiser, nonce_key=outside.nonce_key)
    est = Est(
        store, clock, entropy, shelf=shelf, redecider=redecider, issuance=issuance, evidence=evidence, trust=trust
    )
    checkins = _checkins(outside, shelf, memory, issuance, appraiser)
    exports = Exports(store, clock, shelf=shelf, log=log, keys=keys)
    return Services(
        clock=clock,
        policies=shelf,
        challenges=Challenges(clock, entropy, outside.nonce_key),
        activations=Activations(clock, entropy, outside.nonce_key, shelf),
        checkins=checkins,
        relaying=Relaying(gate, checkins, doubts),
        gateway_reports=GatewayReports(
            Reporting(
                reads=store,
                writer=store,
                clock=clock,
                entropy=entropy,
                shelf=shelf,
                memory=memory,
                gate=gate,
                doubts=doubts,
                supplies=supplies,
                ca=issuance.facts,
            )
        ),
        devices=Devices(store, clock, entropy, shelf=shelf, memory=memory, redecider=redecider),
        succession=Succession(store, clock, entropy, shelf=shelf),
        entrusting=Entrusting(store, clock, entropy),
        batch_tokens=BatchTokens(store, clock, entropy, shelf=shelf),
        registration=Registration(store, clock, entropy, shelf),
        bundles=Bundles(store, clock, entropy),
        waivers=Waivers(store, clock, shelf),
        certificates=certificates,
        revocations=Revocations(store, clock, entropy, certificates=certificates, services=own),
        service_certificates=own,
        audit=Audit(store, shelf, memory),
        compliance=Compliance(store, clock, shelf),
        exposure=Exposure(store, memory),
        tokens=tokens,
        workloads=workloads,
        logins=Logins(outside.issuers, outside.provider, workloads=workloads, tokens=tokens, entropy=entropy),
        sweep=Sweep(store, store, clock, redecider),
        reminders=Reminders(store, clock, entropy, shelf=shelf, terms=outside.feeds),
        health=HealthCheck(store, shelf),
        releases=Releases(store, clock, shelf),
        sboms=Sboms(store, shelf, cabinet),
        statements=Statements(store, shelf, cabinet),
        muds=Muds(store, shelf, cabinet, clock),
        reports=Reports(store, clock, entropy, supplies),
        feeds=Feeds(store, clock, cabinet, outside.feeds),
        results=outside.results,
        log=log,
        est=est,
        by_hand=ByHand(
            store, clock, entropy, shelf=shelf, redecider=redecider, settlement=Settlement(store, issuance), est=est
        ),
        renewals=Renewals(
            store,
            clock,
            entropy,
            nonce_key=outside.nonce_key,
            shelf=shelf,
            redecider=redecider,
            settlement=Settlement(store, issuance),
        ),
        lists=RevocationLists(store, clock, outside.lists, *(other.lists for other in outside.others)),
        responder=OcspResponder(store, clock, *_answering(outside)),
        rollovers=Rollovers(store, clock, entropy),
        exports=exports,
        export_jobs=ExportJobs(exports, outside.export_folder),
        retention=Retention(store, clock, entropy),
        webhooks=_webhooks(outside),
        ca_bundle=ca_bundle,
        gate=gate,
        gate_feed=Feed(store, gate),
        postures=Postures(gate, clock, entropy, signer=outside.results, audience=outside.audience),
        trust_bundle=outside.trust_bundle,
    )


def _webhooks(outside: Outside) -> Webhooks:
    store, clock, entropy = outside.store, outside.clock, outside.entropy
    source = f"https://{outside.log_key.verifier.name}"  # CloudEvents 1.0: source and id name an event; ids are leaves
    deliveries = Deliveries(store, clock, entropy, outside.courier, source=source)
    return Webhooks(store, clock, entropy, configured=outside.webhooks, deliveries=deliveries)


def _answering(outside: Outside) -> list[Answering]:
    all_of_them = [(outside.lists, outside.ocsp), *((other.lists, other.ocsp) for other in outside.others)]
    return [Answering(issuer=lists.issuer.thumbprint, signer=signer) for lists, signer in all_of_them]


def _appraiser(outside: Outside, memory: Memory, issuance: Issuance, supplies: SupplyShelf) -> Appraiser:
    return Appraiser(
        outside.store,
        memory,
        outside.results,
        audience=outside.audience,
        ca_facts=issuance.facts,
        nonce_key=outside.nonce_key,
        formats=outside.formats,
        supplies=supplies,
    )


def _checkins(
    outside: Outside, shelf: PolicyShelf, memory: Memory, issuance: Issuance, appraiser: Appraiser
) -> CheckIns:
    return CheckIns(
        Equipment(
            reads=outside.store,
            writer=outside.store,
            clock=outside.clock,
            entropy=outside.entropy,
            shelf=shelf,
            memory=memory,
            appraiser=appraiser,
            issuance=issuance,
            nonce_key=outside.nonce_key,
            door=outside.door,
        )
    )
