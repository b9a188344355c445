"""All use cases of one fleet's server as HTTP and command line have them, and everything they need from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cryptography import x509

from pki.authority import Authority
from pki.crl_issuing import ListAuthority
from pki.ocsp_response import OcspSigner
from policyengine.attestation.registry import Registry
from policyengine.attestation.verifier import BUILT_IN
from policyengine.services.access.issuers import Issuer
from policyengine.services.access.logins import NOBODY, Logins, Provider
from policyengine.services.access.workloads import NOBODYS_KEYS, KeySource, Workloads
from policyengine.services.certificate_ledger import CertificateLedger
from policyengine.services.certification.certificates import Certificates
from policyengine.services.certification.own_certificates import ServiceCertificates
from policyengine.services.certification.proposals import Revocations
from policyengine.services.certification.revocation import OcspResponder, RevocationLists
from policyengine.services.certification.rollovers import Rollovers
from policyengine.services.checkins.attestation_result import Audience
from policyengine.services.checkins.by_hand import ByHand
from policyengine.services.checkins.challenge import Challenges
from policyengine.services.checkins.checkin import CheckIns
from policyengine.services.checkins.est import Est
from policyengine.services.checkins.renewals import Renewals
from policyengine.services.compliance.report import Compliance
from policyengine.services.events.overseeing import Webhooks
from policyengine.services.events.ports import NOBODY as NO_COURIER
from policyengine.services.events.ports import Courier, EventReads, ReminderStore
from policyengine.services.events.reminding import Reminders
from policyengine.services.events.webhooks import Webhook
from policyengine.services.exports.exporting import Exports
from policyengine.services.exports.jobs import ExportFolder, ExportJobs
from policyengine.services.exports.ports import ExportStore
from policyengine.services.exports.retention import Retention
from policyengine.services.exposure.search import Exposure
from policyengine.services.gates.feed import Feed
from policyengine.services.gates.gate import Gate
from policyengine.services.gates.posture import Postures
from policyengine.services.gateways.relaying import Relaying
from policyengine.services.gateways.reports import GatewayReports
from policyengine.services.health import HealthCheck
from policyengine.services.history.audit import Audit
from policyengine.services.history.log import TransparencyLog
from policyengine.services.identification.activation import Activations
from policyengine.services.log_ports import LogKey, LogMemory
from policyengine.services.nonces import NonceKey
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Entropy, ResultSigner
from policyengine.services.publication.publish import Bundles
from policyengine.services.publication.releases import Releases
from policyengine.services.publication.waivers import Waivers
from policyengine.services.registry.batch_tokens import BatchTokens
from policyengine.services.registry.devices import Devices
from policyengine.services.registry.entrusting import Entrusting
from policyengine.services.registry.registration import Registration
from policyengine.services.registry.succession import Succession
from policyengine.services.registry.sweep import Sweep
from policyengine.services.supply.feeds import Feeds
from policyengine.services.supply.muds import Muds
from policyengine.services.supply.reports import Reports
from policyengine.services.supply.sboms import Sboms
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
