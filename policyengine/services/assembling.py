"""The use cases of one fleet's server, put together over what they need from outside."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding

from pki.reservation import pem_of
from policyengine.services.access.logins import Logins
from policyengine.services.access.workloads import Workloads
from policyengine.services.catalogue import Outside, Services
from policyengine.services.certification.certificates import Certificates
from policyengine.services.certification.issuing import Issuance
from policyengine.services.certification.own_certificates import ServiceCertificates
from policyengine.services.certification.proposals import Revocations
from policyengine.services.certification.revocation import Answering, OcspResponder, RevocationLists
from policyengine.services.certification.rollovers import Rollovers
from policyengine.services.checkins.appraisal import Appraiser
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
from policyengine.services.events.reminding import Reminders
from policyengine.services.exports.exporting import Exports, Keys
from policyengine.services.exports.jobs import ExportJobs
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
from policyengine.services.policies import PolicyShelf
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
from policyengine.services.supply.vex import Statements
from policyengine.services.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What several use cases share; `trust` is DER, `ca_bundle` the same as PEM."""

    shelf: PolicyShelf
    memory: Memory
    issuance: Issuance
    supplies: SupplyShelf
    redecider: Redecider
    doubts: Doubts
    gate: Gate
    appraiser: Appraiser
    own: ServiceCertificates
    log: TransparencyLog
    trust: tuple[bytes, ...]
    ca_bundle: bytes


def assemble(outside: Outside) -> Services:
    """Return the services over `outside`: each as it is made of the store, the clock, entropy and shared parts."""
    store, clock, entropy = outside.store, outside.clock, outside.entropy
    parts = _parts(outside)
    shelf, memory, redecider, gate = parts.shelf, parts.memory, parts.redecider, parts.gate
    checkins, est, exports = _checkins(outside, parts), _est(outside, parts), _exports(outside, parts)
    certificates = Certificates(store, clock, entropy, shelf=shelf)
    cabinet = Cabinet(store, clock, entropy, parts.supplies)
    tokens, workloads = Tokens(store, clock, entropy), Workloads(outside.issuers, outside.key_source, clock)
    return Services(
        clock=clock,
        policies=shelf,
        challenges=Challenges(clock, entropy, outside.nonce_key),
        activations=Activations(clock, entropy, outside.nonce_key, shelf),
        checkins=checkins,
        relaying=Relaying(gate, checkins, parts.doubts),
        gateway_reports=_gateway_reports(outside, parts),
        devices=Devices(store, clock, entropy, shelf=shelf, memory=memory, redecider=redecider),
        succession=Succession(store, clock, entropy, shelf=shelf),
        entrusting=Entrusting(store, clock, entropy),
        batch_tokens=BatchTokens(store, clock, entropy, shelf=shelf),
        registration=Registration(store, clock, entropy, shelf),
        bundles=Bundles(store, clock, entropy),
        waivers=Waivers(store, clock, shelf),
        certificates=certificates,
        revocations=Revocations(store, clock, entropy, certificates=certificates, services=parts.own),
        service_certificates=parts.own,
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
        reports=Reports(store, clock, entropy, parts.supplies),
        feeds=Feeds(store, clock, cabinet, outside.feeds),
        results=outside.results,
        log=parts.log,
        est=est,
        by_hand=_by_hand(outside, parts, est),
        renewals=_renewals(outside, parts),
        lists=RevocationLists(store, clock, outside.lists, *(other.lists for other in outside.others)),
        responder=OcspResponder(store, clock, *_answering(outside)),
        rollovers=Rollovers(store, clock, entropy),
        exports=exports,
        export_jobs=ExportJobs(exports, outside.export_folder),
        retention=Retention(store, clock, entropy),
        webhooks=_webhooks(outside),
        ca_bundle=parts.ca_bundle,
        gate=gate,
        gate_feed=Feed(store, gate),
        postures=Postures(gate, clock, entropy, signer=outside.results, audience=outside.audience),
        trust_bundle=outside.trust_bundle,
    )


def _parts(outside: Outside) -> _Parts:
    store, clock, entropy = outside.store, outside.clock, outside.entropy
    shelf, memory = PolicyShelf(store, clock), Memory(store)
    issuance = Issuance(outside.authority, outside.ledger, entropy, chain=outside.chain)
    supplies = SupplyShelf(store, clock, outside.feeds.max_age)
    gateways = Gateways(store, shelf)
    redecider = Redecider(gateways, entropy, shelf, memory, issuance.facts, supplies=supplies)
    trust = tuple(certificate.public_bytes(Encoding.DER) for certificate in outside.trust)
    return _Parts(
        shelf=shelf,
        memory=memory,
        issuance=issuance,
        supplies=supplies,
        redecider=redecider,
        doubts=Doubts(store, store, clock, gateways=gateways, redecider=redecider),
        gate=Gate(store, clock, shelf=shelf, redecider=redecider),
        appraiser=_appraiser(outside, memory, issuance, supplies),
        own=ServiceCertificates(store, clock, entropy, issuers=outside.issuers_ever),
        log=TransparencyLog(store, clock, outside.log_key, outside.log_memory),
        trust=trust,
        ca_bundle="".join(map(pem_of, trust)).encode(),
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


def _checkins(outside: Outside, parts: _Parts) -> CheckIns:
    return CheckIns(
        Equipment(
            reads=outside.store,
            writer=outside.store,
            clock=outside.clock,
            entropy=outside.entropy,
            shelf=parts.shelf,
            memory=parts.memory,
            appraiser=parts.appraiser,
            issuance=parts.issuance,
            nonce_key=outside.nonce_key,
            door=outside.door,
        )
    )


def _est(outside: Outside, parts: _Parts) -> Est:
    store, entropy, shelf = outside.store, outside.entropy, parts.shelf
    evidence = RequestEvidence(store, entropy, shelf=shelf, appraiser=parts.appraiser, nonce_key=outside.nonce_key)
    return Est(
        store,
        outside.clock,
        entropy,
        shelf=shelf,
        redecider=parts.redecider,
        issuance=parts.issuance,
        evidence=evidence,
        trust=parts.trust,
    )


def _by_hand(outside: Outside, parts: _Parts, est: Est) -> ByHand:
    return ByHand(
        outside.store,
        outside.clock,
        outside.entropy,
        shelf=parts.shelf,
        redecider=parts.redecider,
        settlement=Settlement(outside.store, parts.issuance),
        est=est,
    )


def _renewals(outside: Outside, parts: _Parts) -> Renewals:
    return Renewals(
        outside.store,
        outside.clock,
        outside.entropy,
        nonce_key=outside.nonce_key,
        shelf=parts.shelf,
        redecider=parts.redecider,
        settlement=Settlement(outside.store, parts.issuance),
    )


def _gateway_reports(outside: Outside, parts: _Parts) -> GatewayReports:
    return GatewayReports(
        Reporting(
            reads=outside.store,
            writer=outside.store,
            clock=outside.clock,
            entropy=outside.entropy,
            shelf=parts.shelf,
            memory=parts.memory,
            gate=parts.gate,
            doubts=parts.doubts,
            supplies=parts.supplies,
            ca=parts.issuance.facts,
        )
    )


def _exports(outside: Outside, parts: _Parts) -> Exports:
    former = (each.public_bytes(Encoding.DER) for each in outside.issuers_ever if each not in outside.trust)
    cas = parts.ca_bundle + "".join(map(pem_of, former)).encode()
    keys = Keys(log=outside.log_key, results=outside.results, cas=cas)
    return Exports(outside.store, outside.clock, shelf=parts.shelf, log=parts.log, keys=keys)
