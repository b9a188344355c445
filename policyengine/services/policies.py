"""Compiled policies: which bundle is in force, ready to decide with, and any older one for replay."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import re2
from cryptography import x509

from pki.errors import PkiError
from pki.profile import Profile, compile_profile
from policyengine.attestation.anchors import TrustAnchors
from policyengine.decision.program import Program, compile_program
from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import CorruptBundleError, decode
from policyengine.model.endorsements import ReferenceValues, merged
from policyengine.model.ids import Digest, digest_of
from policyengine.model.policy import Anchor, Bundle, RevocationTerms
from policyengine.model.schema import CORE_SCHEMA, FactSchema
from policyengine.services.endorsed_keys import EndorsedKeys, endorsed_keys
from policyengine.services.errors import MissingError, UnavailableError
from policyengine.services.ports import CheckInReads, Clock
from policyengine.services.records import Device

POLL = timedelta(seconds=1)  # how long a worker may decide by a bundle that was just replaced
MAX_COMPILED = 8  # bundles kept ready; replay of a long history walks through them in order

KEPT_PATTERNS = 1024  # of serial numbers, one for each entry of a bundle's trust anchors

_pattern = lru_cache(maxsize=KEPT_PATTERNS)(re2.compile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """A vendor's CA and the devices it may speak for."""

    certificate: x509.Certificate
    vendor: str
    models: frozenset[str]
    serial: str | None

    def covers(self, serial: str) -> bool:
        """Tell whether the CA may speak for a device with this serial number."""
        return self.serial is None or _pattern(self.serial).fullmatch(serial) is not None

    def speaks_for(self, device: Device) -> bool:
        """Tell whether the CA may speak for devices of this one's vendor and model."""
        return device.vendor == self.vendor and device.model in self.models


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """One bundle with everything made from it once."""

    digest: Digest
    commit: str | None
    bundle: Bundle
    program: Program
    schema: FactSchema
    entitlements: tuple[Entitlement, ...]
    anchors: TrustAnchors
    ek_entitlements: tuple[Entitlement, ...]  # TPM vendors, and the devices their TPMs are built into
    ek_anchors: tuple[x509.Certificate, ...]
    dice_entitlements: tuple[Entitlement, ...]  # CAs that certify the keys of DICE devices
    dice_anchors: tuple[x509.Certificate, ...]
    legacy_entitlements: tuple[Entitlement, ...]  # CAs that certified devices before we did
    legacy_anchors: tuple[x509.Certificate, ...]
    endorsements: Mapping[str, ReferenceValues]
    endorsed_keys: EndorsedKeys
    profiles: Mapping[str, Profile]

    def revocation(self, model: str) -> RevocationTerms | None:
        """Return the two parties that a revocation of a certificate of `model` takes; None: one person does it."""
        return next((found.revocation for found in self.bundle.profiles if model in found.models), None)

    def authorities(self, use: str, model: str) -> tuple[x509.Certificate, ...]:
        """Return the CAs that may speak for `model` in this use: parsed anew, for what is asked seldom."""
        return _certificates(tuple(each for each in _entitled(self.bundle, use) if model in each.models))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivePolicies:
    """The bundle in force and the generation it was activated as."""

    generation: int
    policies: Policies


def compiled(bundle: Bundle, *, digest: Digest, commit: str | None) -> Policies:
    """Return `bundle` ready to decide with."""
    uses = ("idevid", "ek", "dice", "legacy")
    entitlements, tpm_vendors, dice_vendors, former = (_entitled(bundle, use) for use in uses)
    models = bundle.fleet.models
    return Policies(
        digest=digest,
        commit=commit,
        bundle=bundle,
        program=compile_program(bundle, digest),
        schema=CORE_SCHEMA.with_org(bundle.org_facts),
        entitlements=entitlements,
        anchors=TrustAnchors(certificates=_certificates(entitlements)),
        ek_entitlements=tpm_vendors,
        ek_anchors=_certificates(tpm_vendors),
        dice_entitlements=dice_vendors,
        dice_anchors=_certificates(dice_vendors),
        legacy_entitlements=former,
        legacy_anchors=_certificates(former),
        endorsements={
            model: merged(values for values in bundle.reference_values if model in values.models)
            for model in models
            if any(model in values.models for values in bundle.reference_values)
        },
        endorsed_keys=endorsed_keys(bundle.reference_values),
        profiles={model: compile_profile(found) for found in bundle.profiles for model in found.models},
    )


def _entitled(bundle: Bundle, use: str) -> tuple[Entitlement, ...]:
    return tuple(_entitlement(anchor) for anchor in bundle.anchors if use in anchor.use)


def _certificates(entitlements: tuple[Entitlement, ...]) -> tuple[x509.Certificate, ...]:
    return tuple(dict.fromkeys(entitlement.certificate for entitlement in entitlements))


def _entitlement(anchor: Anchor) -> Entitlement:
    return Entitlement(
        certificate=x509.load_pem_x509_certificate(anchor.certificate.encode()),
        vendor=anchor.vendor,
        models=frozenset(anchor.models),
        serial=anchor.serial,
    )


class PolicyShelf:
    """Compiled bundles by digest, and the one in force by generation, looked up at most once a second."""

    def __init__(self, reads: CheckInReads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock
        self._compiled: OrderedDict[Digest, Policies] = OrderedDict()
        self._active: ActivePolicies | None = None
        self._looked_at: datetime | None = None
        self._refused: int | None = None

    @property
    def refused(self) -> int | None:
        """The generation that was activated but cannot be read or run, so that the one before it stays in force."""
        return self._refused

    def look_again(self) -> None:
        """Look the next time, however short ago it was: somebody says that another bundle is in force."""
        self._looked_at = None

    def active(self, *, at_least: int = 0) -> ActivePolicies:
        """Return the policies in force, of generation `at_least` or later: no device gets an older one than before.

        Raises UnavailableError: `policy.none` as long as no bundle was activated, `policy.unreadable` when the one that
        was activated is damaged and this process has seen no good one.
        """
        now = self._clock.now()
        if self._active is None or self._active.generation < at_least or self._is_due(now):
            self._look(now)
        if self._active is None or self._active.generation < at_least:
            raise UnavailableError("no policy bundle is active", code="policy.none")
        return self._active

    def by_digest(self, digest: Digest) -> Policies:
        """Return a published bundle, compiled. Raises MissingError, CorruptBundleError."""
        found = self._compiled.get(digest)
        if found is None:
            found = self._compiled[digest] = self._load(digest)
        self._compiled.move_to_end(digest)
        while len(self._compiled) > MAX_COMPILED:
            self._compiled.popitem(last=False)
        return found

    def _is_due(self, now: datetime) -> bool:
        return self._looked_at is None or not timedelta(0) <= now - self._looked_at < POLL

    def _look(self, now: datetime) -> None:
        activation = self._reads.activation()
        self._looked_at = now
        if activation is None or (self._active is not None and activation.generation <= self._active.generation):
            return
        try:
            policies = self.by_digest(activation.digest)
        except (PolicyEngineError, PkiError) as cause:
            self._refused = activation.generation
            if self._active is None:  # an older generation would be a way back to weaker rules
                raise UnavailableError(
                    f"generation {activation.generation} is in force and cannot be read; activate a bundle that can",
                    code="policy.unreadable",
                ) from cause
            return  # INVARIANT: the last good bundle stays in force; HealthCheck tells
        self._active = ActivePolicies(generation=activation.generation, policies=policies)
        self._refused = None

    def _load(self, digest: Digest) -> Policies:
        record, content = self._reads.bundle(digest), self._reads.document(digest)
        if record is None or content is None:
            raise MissingError(f"bundle `{digest}` is not published", code="bundle.missing", digest=digest)
        if digest_of(content) != digest:
            raise CorruptBundleError(f"the stored bundle is not `{digest}`")
        return compiled(decode(content), digest=digest, commit=record.commit)
