"""Facts of a device: what its evidence attests, what the registry and our CA know, what it says itself.

What a device says, attested or reported, passes the strict door of decision.ingest. What we know ourselves is read
again for every decision, so its facts are observed now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType

from pki.certificates import certificate_facts, load_certificate
from pki.request import ProvenRequest, csr_facts
from policyengine.attestation.formats import Freshness, Verified
from policyengine.decision.ingest import read_groups
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.ids import DeviceId
from policyengine.model.policy import Bundle
from policyengine.model.schema import FactSchema
from policyengine.services.identification.claimants import Claimant
from policyengine.services.identification.gateways import GATEWAY_KIND
from policyengine.services.records import Device, DeviceView
from policyengine.services.supply.shelf import SupplyShelf
from policyengine.services.supply.supplied import REPORTED, SUPPLIED

# What a device may say of itself; everything else is ours, its vendor's or its evidence's to say.
REPORTABLE = frozenset({"boot", "software", "sbom", "net", "config"})

_CERTIFIED_IDENTITY = ("device.id", "device.vendor", "device.model", "device.serial")
_SOURCES = {"idevid": Source.CERTIFIED, "dice": Source.CERTIFIED, "iak": Source.CERTIFIED, "ak": Source.ATTESTED}

Values = dict[str, object]
Origins = dict[str, Provenance]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What we know of a device ourselves at `now`."""

    view: DeviceView
    identity_kind: str
    key_reuse: int
    last_seen: datetime
    bundle: Bundle
    endorsements: Mapping[str, ReferenceValues]
    supplies: SupplyShelf
    ca: Mapping[str, object]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a device says in one check-in: its identity and evidence, its request for a certificate, its reports."""

    claimant: Claimant
    issued_at: datetime
    request: ProvenRequest | None
    reported: Mapping[str, object] | None
    gateway: DeviceId | None = None  # that brought it


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a gateway says of a device that has no key, and when it was so."""

    gateway: DeviceId
    said: Mapping[str, object]
    observed_at: datetime


def gather(said: Said, context: Context, *, schema: FactSchema) -> Facts:
    """Return all facts of the device at a check-in. Raises FactError for what it says and may not say so."""
    device_id = context.view.device.id
    spoken, origins = _spoken(said, context.now)
    values = read_groups(spoken, schema=schema)
    _add_freshness(values, said.issued_at, context.now)
    _add_identity(values, origins, said.claimant, observed_at=said.issued_at, now=context.now)
    if said.request is not None:
        values["csr"] = csr_facts(said.request)
        origins["csr"] = _ours(Source.OBSERVED, context.now)
    _add_known(values, origins, context)
    until = _add_supplied(values, origins, context)
    return Facts(device_id=device_id, values=values, provenance=origins, until=until)


def gather_again(last: Facts, context: Context) -> Facts:
    """Return the facts of a silent device: what it said last, grown older, and what we know now."""
    values, origins = dict(last.values), dict(last.provenance)
    for group in _KNOWN:
        _drop(values, origins, group)
    if "evidence" in values:
        values["evidence"] = dict(_group(values, "evidence"))
        _add_freshness(values, origins["evidence"].observed_at, context.now)
    _add_known(values, origins, context)
    for group in SUPPLIED | REPORTED:
        if group in origins and origins[group].source in _FILED:
            _drop(values, origins, group)
    until = _add_supplied(values, origins, context)
    return Facts(device_id=last.device_id, values=values, provenance=origins, until=until)


def without_reports(facts: Facts, *, by: frozenset[DeviceId]) -> Facts:
    """Return `facts` without what the gateways in `by` reported: what was said by one nobody believes is unknown."""
    gone = {path for path, kept in facts.provenance.items() if kept.reporter in by} if by else set[str]()
    if not gone:
        return facts
    values = {group: content for group, content in facts.values.items() if group not in gone}
    origins = {path: kept for path, kept in facts.provenance.items() if path not in gone}
    return replace(facts, values=values, provenance=origins)


def gather_reported(report: Report, context: Context, *, schema: FactSchema) -> Facts:
    """Return the facts of a device without a key, of which a gateway reports; nothing of it is more than `reported`.

    Raises FactError.
    """
    now = context.now
    values = read_groups(report.said, schema=schema)
    reported = Provenance(
        source=Source.REPORTED, observed_at=report.observed_at, received_at=now, reporter=report.gateway
    )
    origins = dict.fromkeys(values, reported)
    values["identity"] = {"kind": GATEWAY_KIND, "verified": False}
    origins["identity"] = _ours(Source.OBSERVED, now)
    _add_known(values, origins, context)
    until = _add_supplied(values, origins, context)
    return Facts(device_id=context.view.device.id, values=values, provenance=origins, until=until)


def gather_identified(claimant: Claimant, context: Context, request: ProvenRequest) -> Facts:
    """Return the facts of a device that proved who it is, asks for a certificate, and sent no evidence."""
    values: Values = {}
    origins: Origins = {}
    _add_identity(values, origins, claimant, observed_at=context.now, now=context.now)
    _add_known(values, origins, context)
    facts = Facts(device_id=context.view.device.id, values=values, provenance=origins)
    return with_request(facts, request, now=context.now)


def with_request(facts: Facts, request: ProvenRequest, *, now: datetime) -> Facts:
    """Return `facts` with what a certification request asks for, instead of an earlier request's."""
    values = {**facts.values, "csr": csr_facts(request)}
    origins = {path: origin for path, origin in facts.provenance.items() if path.partition(".")[0] != "csr"}
    origins["csr"] = _ours(Source.OBSERVED, now)
    return replace(facts, values=values, provenance=origins)


def _drop(values: Values, origins: Origins, group: str) -> None:
    values.pop(group, None)
    for path in [path for path in origins if path.partition(".")[0] == group]:
        del origins[path]


_KNOWN = ("device", "cert", "ca", "fleet", "ops")


def _add_supplied(values: Values, origins: Origins, context: Context) -> datetime | None:
    """Add what is on file of the running release and of the device; return when that changes by itself.

    A device could leave out of its own list what is vulnerable, so where its model's lists are filed only they count.
    """
    model = context.view.device.model
    found = context.supplies.facts(model, values.get("software"), context.endorsements.get(model), now=context.now)
    for group in found.known:
        _drop(values, origins, group)
    seen = context.supplies.reports(context.view.device.id)
    for group in seen.known:
        if group not in origins or origins[group].source < Source.OBSERVED:
            _drop(values, origins, group)
            values[group], origins[group] = seen.values[group], seen.origins[group]
    values |= found.values
    origins |= found.origins
    return found.until


_FILED = frozenset({Source.DECLARED, Source.OBSERVED})  # of these groups a device says nothing with such a source


def _spoken(said: Said, now: datetime) -> tuple[Values, Origins]:
    """Return attested groups, then reported ones that nothing attested."""
    values: Values = {}
    origins: Origins = {}
    for verified in _weakest_first(said.claimant.verified):
        source = Source.CERTIFIED if verified.freshness is Freshness.PROOF_OF_POSSESSION else Source.ATTESTED
        listed, some = (
            Provenance(
                source=source,
                observed_at=said.issued_at,
                received_at=now,
                evidence_digest=verified.digest,
                complete=complete,
            )
            for complete in (True, False)
        )
        for group in verified.facts.keys() - {"identity"}:
            values[group] = verified.facts[group]
            origins[group] = listed if group in verified.complete else some
    reported = Provenance(source=Source.REPORTED, observed_at=now, received_at=now, reporter=said.gateway)
    for group, content in (said.reported or {}).items():
        if group in REPORTABLE and group not in values:
            values[group] = content
            origins[group] = reported
    return values, origins


def _weakest_first(items: Iterable[Verified]) -> list[Verified]:
    return sorted(items, key=lambda verified: verified.freshness is not Freshness.PROOF_OF_POSSESSION)


def _add_freshness(values: Values, issued_at: datetime, now: datetime) -> None:
    evidence = _group(values, "evidence")
    values["evidence"] = evidence | {"fresh": True, "age": max(now - issued_at, timedelta(0))}


def _group(values: Mapping[str, object], name: str) -> Values:
    group = values.get(name, {})
    return dict(group) if isinstance(group, Mapping) else {}


def _add_identity(
    values: Values, origins: Origins, claimant: Claimant, *, observed_at: datetime, now: datetime
) -> None:
    identity: Values = {"kind": claimant.kind, "key_thumbprint": claimant.thumbprint, "verified": True}
    if claimant.anchor is not None:
        identity["anchor"] = claimant.anchor
    values["identity"] = identity
    source = _SOURCES.get(claimant.kind, Source.OBSERVED)
    origins["identity"] = Provenance(source=source, observed_at=observed_at, received_at=now, complete=True)


def _add_known(values: Values, origins: Origins, context: Context) -> None:
    now = context.now
    certified, observed = _ours(Source.CERTIFIED, now), _ours(Source.OBSERVED, now)  # shared: written once in documents
    values["device"] = _device_facts(context.view.device, context.bundle)
    origins["device"] = _ours(Source.DECLARED, now)
    if context.identity_kind in _SOURCES:
        origins |= dict.fromkeys(_CERTIFIED_IDENTITY, certified)
    values["fleet"] = _fleet_facts(context)
    origins["fleet"] = observed
    values["ops"] = {"last_seen": context.last_seen}
    origins["ops"] = observed
    values["ca"] = dict(context.ca)
    origins["ca"] = certified
    if context.view.certificate is not None:
        record = context.view.certificate
        values["cert"] = {
            **_certificate_facts(record.certificate),
            "profile": record.profile,
            "status": record.status.value,
        }
        origins["cert"] = certified


def _fleet_facts(context: Context) -> Values:
    duplicates: Values = {"identity_duplicates": context.view.identity_duplicates}
    if context.identity_kind == GATEWAY_KIND:
        return duplicates  # where there is no key, nobody can be counted who has it
    return {"key_reuse_count": context.key_reuse, **duplicates}


def _ours(source: Source, now: datetime) -> Provenance:
    return Provenance(source=source, observed_at=now, complete=True)


def _device_facts(device: Device, bundle: Bundle) -> Values:
    model = bundle.fleet.models.get(device.model)
    facts: dict[str, object | None] = {
        "id": device.id,
        "vendor": device.vendor,
        "model": device.model,
        "serial": device.serial,
        "class": device.device_class or (None if model is None else model.device_class),
        "hw_version": device.hw_version,
        "site": device.site,
        "zone": device.zone,
        "labels": dict(device.labels),
        "criticality": device.criticality,
        "lifecycle": device.lifecycle.value,
        "enrolled_at": device.enrolled_at,
    }
    return {name: value for name, value in facts.items() if value is not None}


@lru_cache(maxsize=8192)  # the same certificate is read again at every check-in until it is renewed
def _certificate_facts(certificate: bytes) -> Mapping[str, object]:
    return MappingProxyType(certificate_facts(load_certificate(certificate)))
