"""The pure step of every use case: facts, prior state and policies in; decision, its bytes and its digests out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Protocol
from weakref import WeakKeyDictionary

from policyengine.decision.documents import DecisionWriter, decision_id
from policyengine.decision.facts_parts import Parts, SharedFacts, split
from policyengine.decision.kept import Kept
from policyengine.decision.origins import Origins
from policyengine.decision.prior import carries_on, prior_bytes, prior_of, read_prior
from policyengine.decision.program import Program
from policyengine.model.decision import Decision, Finding, Prior, Result, Tier
from policyengine.model.facts import Facts
from policyengine.model.ids import DeviceId, Digest, digest_of
from policyengine.model.policy import Mode, Phase
from policyengine.model.times import format_timestamp
from policyengine.services.changes import Document, VerdictRow
from policyengine.services.errors import MissingError
from policyengine.services.policies import Policies
from policyengine.services.records import DecisionRecord, DeviceState, Restriction
from policyengine.services.turns import turn

MAX_PRIORS = 1024  # carried states kept parsed, some 40 KB each where 60 rules fail; devices that pass share a few
MAX_SHARED = 1024  # shared parts of facts kept, some kilobytes each; devices of one release have a few among them
MAX_SHARED_BYTES = 16 * 1024 * 1024  # of all of them: a hostile device can fill 512 KiB with one


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A decision with everything that is stored of it.

    `valid_until` is the decision's, or earlier: when what is known of the device changes by itself. `outcome` is a
    digest of all it came to; its document is rendered only when somebody keeps or reads it, because most check-ins come
    to what the one before came to.
    """

    decision: Decision
    id: Digest
    outcome: Digest
    writer: DecisionWriter
    facts_shared: Document
    facts_own: bytes
    prior: Digest
    documents: tuple[Document, ...]
    verdicts_digest: bytes
    valid_until: datetime | None

    @cached_property
    def document(self) -> bytes:
        """The Decision's canonical bytes."""
        return self.writer.written(self.decision)

    def verdicts(self) -> tuple[VerdictRow, ...]:
        """Return what each rule says under each binding."""
        return tuple(
            VerdictRow(
                rule=found.rule,
                binding=found.binding,
                result=found.result.value,
                reason=found.reason,
                mode=found.mode.value,
                action=found.action.name.lower(),
                failing_since=found.failing_since,
                controls=found.controls,
                source=min((fact.source for fact in sight.facts.values()), default=None),
            )
            for found, sight in zip(self.decision.findings, self.decision.sights, strict=True)
        )

    def told(self) -> str:
        """Return the findings that the device hears, as JSON: what it should mend, and nothing of rules in `audit`.

        Audited rules are recorded, not told (DESIGN section 6), and a device on a slow link needs no list of what is
        well; the whole Decision is at `/v1/decisions/{decision_id}`.
        """
        return self.writer.findings(self.decision, spoken_of(self.decision.findings).told)


def judge(policies: Policies, facts: Facts, *, prior: Prior | None, now: datetime, phase: Phase) -> Judged:
    """Return the decision on `facts` at `now`; pure."""
    parts = split(facts)
    decision = policies.program.decide_parted(facts, parts, prior=prior, now=now, phase=phase)
    return _judged(policies, parts, decision, facts, prior)


async def judge_in_turns(
    policies: Policies, facts: Facts, *, prior: Prior | None, now: datetime, phase: Phase
) -> Judged:
    """Return what `judge` does, step by step with the others that are at hand (services/turns.py)."""
    parts = split(facts)
    await turn()
    decision = policies.program.decide_parted(facts, parts, prior=prior, now=now, phase=phase)
    await turn()
    return _judged(policies, parts, decision, facts, prior)


def _judged(policies: Policies, parts: Parts, decision: Decision, facts: Facts, prior: Prior | None) -> Judged:
    shared_facts = Document(digest=parts.shared_digest, kind="facts", body=parts.shared)
    carried = _carried(decision, prior)
    verdicts, name = _digest_of_verdicts(decision, parts.origins), decision_id(decision)
    return Judged(
        decision=decision,
        id=name,
        outcome=_outcome(name, verdicts, carried.digest, decision),
        writer=writer_of(policies),
        facts_shared=shared_facts,
        facts_own=parts.own,
        prior=carried.digest,
        documents=(shared_facts, carried) if carried.body else (shared_facts,),
        verdicts_digest=verdicts,
        valid_until=min(filter(None, (decision.valid_until, facts.until)), default=None),
    )


def _outcome(name: Digest, verdicts: bytes, carried: Digest, decision: Decision) -> Digest:
    """Return a digest of what a decision came to: inputs, verdicts, history, tier, and how long it holds."""
    until = "" if decision.valid_until is None else format_timestamp(decision.valid_until)
    said = f"{name}\n{verdicts.hex()}\n{carried}\n{until}\n{decision.next_checkin_after}\n{decision.reason or ''}"
    return digest_of(said.encode())


def _carried(decision: Decision, before: Prior | None) -> Document:
    """Return what the decision carries over; without its body when that is what it was given, which is stored."""
    if before is not None and decision.prior is not None and carries_on(decision, before):
        return Document(digest=decision.prior, kind="prior", body=b"")
    body = prior_bytes(prior_of(decision))
    return Document(digest=digest_of(body), kind="prior", body=body)


_WRITERS: WeakKeyDictionary[Program, DecisionWriter] = WeakKeyDictionary()


def writer_of(policies: Policies) -> DecisionWriter:
    """Return the writer of a bundle's decisions, which renders what its rules fix only once."""
    found = _WRITERS.get(policies.program)
    if found is None:
        found = _WRITERS[policies.program] = DecisionWriter(policies.commit)
    return found


_SHARED: WeakKeyDictionary[Program, SharedFacts] = WeakKeyDictionary()


def _shared_facts_of(policies: Policies) -> SharedFacts:
    """Return what reads stored facts for a bundle: what many devices share it reads only once."""
    found = _SHARED.get(policies.program)
    if found is None:
        found = _SHARED[policies.program] = SharedFacts(policies.schema)
    return found


def effective_tier(decision: Decision, restriction: Restriction | None) -> Tier:
    """Return the stricter of what the rules decide and what a person put on the device."""
    return decision.tier if restriction is None else max(decision.tier, restriction.tier)


def _digest_of_verdicts(decision: Decision, origins: Origins) -> bytes:
    """Return a digest that is the same as long as every rule says the same under the same terms, by the same sources.

    A certificate request comes and goes with each renewal and says nothing new.
    """
    kinds = tuple([(kept.source._value_, kept.reporter) for kept in origins.distinct])
    said = spoken_of(decision.findings).digest.copy()
    said.update(_sources(origins.paths, origins.marks, kinds))
    return said.digest()


@lru_cache(maxsize=MAX_PRIORS)  # devices of one kind have the same
def _sources(paths: tuple[str, ...], marks: tuple[int, ...], kinds: tuple[tuple[int, DeviceId | None], ...]) -> bytes:
    """Return what is digested of the sources of facts: each path with the number of its source, and who reported it."""
    lines = []
    for path, mark in zip(paths, marks, strict=True):
        source, reporter = kinds[mark]
        if path[:3] != "csr":
            lines.append(f"{path} {source}" if reporter is None else f"{path} {source} {reporter}")
    return "\n\n".join(sorted(lines)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What the findings of a decision say: a digest to go on with, and the places of those that a device hears."""

    findings: tuple[Finding, ...]
    digest: hashlib._Hash
    told: tuple[int, ...]


_SPOKEN: dict[int, Spoken] = {}


def spoken_of(findings: tuple[Finding, ...]) -> Spoken:
    """Return what `findings` say; decisions that came to the same share their findings (decision/settled.py)."""
    known = _SPOKEN.get(id(findings))
    if known is None or known.findings is not findings:
        if len(_SPOKEN) >= MAX_PRIORS:
            _SPOKEN.clear()
        known = _SPOKEN[id(findings)] = Spoken(
            findings=findings,
            digest=hashlib.sha256("".join([f"{found.line}\n\n" for found in findings]).encode()),
            told=tuple([at for at, found in enumerate(findings) if _is_told(found)]),
        )
    return known


def _is_told(found: Finding) -> bool:
    return found.result is not Result.PASS and found.terms.mode is not Mode.AUDIT


class Documents(Protocol):
    """Content by digest."""

    def document(self, digest: Digest) -> bytes | None:
        """Return the content that `digest` names."""
        ...


class Memory:
    """What earlier decisions left: carried states and facts, by digest."""

    def __init__(self, reads: Documents) -> None:
        self._reads = reads
        self._prior = lru_cache(maxsize=MAX_PRIORS)(self._read_prior)
        self._known = Kept[Digest, bytes](entries=MAX_SHARED, size=MAX_SHARED_BYTES)

    def prior(self, digest: Digest | None) -> Prior | None:
        """Return the carried state that `digest` names. Raises MissingError."""
        return None if digest is None else self._prior(digest)

    def facts(self, shared: Digest, own: bytes, *, policies: Policies) -> Facts:
        """Return stored facts. Raises MissingError, FactError."""
        return _shared_facts_of(policies).join(self._shared(shared), own)

    def shared_facts(self, shared: Digest) -> bytes:
        """Return the shared part of stored facts. Raises MissingError."""
        return self._shared(shared)

    def judged_again(self, state: DeviceState, policies: Policies) -> Judged:
        """Return the current decision of a device, made again from its inputs."""
        facts = self.facts(state.facts_shared, state.facts_own, policies=policies)
        prior = self.prior(state.input_prior)
        return judge(policies, facts, prior=prior, now=state.decided_at, phase=state.phase)

    def replayed(self, record: DecisionRecord, policies: Policies) -> Judged:
        """Return a stored decision, made again from its inputs."""
        facts = self.facts(record.facts_shared, record.facts_own, policies=policies)
        return judge(policies, facts, prior=self.prior(record.prior), now=record.decided_at, phase=record.phase)

    def _shared(self, digest: Digest) -> bytes:
        known = self._known.get(digest)
        if known is None:
            known = self._document(digest)
            self._known.keep(digest, known, len(known))
        return known

    def _read_prior(self, digest: Digest) -> Prior:
        return read_prior(json.loads(self._document(digest)))

    def _document(self, digest: Digest) -> bytes:
        content = self._reads.document(digest)
        if content is None:
            raise MissingError(f"document `{digest}` is not stored", code="document.missing", digest=digest)
        return content


def record_of(judged: Judged, *, device_id: DeviceId) -> DecisionRecord:
    """Return what is stored of a decision that changed something."""
    decision = judged.decision
    return DecisionRecord(
        decision_id=judged.id,
        device_id=device_id,
        decided_at=decision.decided_at,
        phase=decision.phase,
        tier=decision.tier,
        decided_tier=decision.decided_tier,
        previous_tier=decision.previous_tier,
        bundle=decision.bundle,
        facts_digest=decision.facts,
        facts_shared=judged.facts_shared.digest,
        facts_own=judged.facts_own,
        prior=decision.prior,
        document=judged.document,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a device's state holds beside its decision; `version` is the one the decision was made on (0: none)."""

    device_id: DeviceId
    version: int
    floor: int
    key_spki: bytes
    key_thumbprint: str
    identity_kind: str
    anchor: str | None
    last_seen: datetime
    restriction: Restriction | None
    request_digest: bytes | None
    reply: bytes | None
    counters: Mapping[str, int] = field(default_factory=dict)
    reporter: DeviceId | None = None


def standing_of(state: DeviceState) -> Standing:
    """Return what stays of `state` when it is decided again without the device; a stored reply goes."""
    return Standing(
        device_id=state.device_id,
        version=state.version,
        floor=state.floor,
        key_spki=state.key_spki,
        key_thumbprint=state.key_thumbprint,
        identity_kind=state.identity_kind,
        anchor=state.anchor,
        last_seen=state.last_seen,
        restriction=state.restriction,
        request_digest=None,
        reply=None,
        counters=state.counters,
        reporter=state.reporter,
    )


def state_after(judged: Judged, standing: Standing, *, generation: int) -> DeviceState:
    """Return the device's state once `judged` is recorded."""
    decision = judged.decision
    return DeviceState(
        device_id=standing.device_id,
        version=standing.version + 1,
        floor=standing.floor,
        key_spki=standing.key_spki,
        key_thumbprint=standing.key_thumbprint,
        identity_kind=standing.identity_kind,
        anchor=standing.anchor,
        tier=effective_tier(decision, standing.restriction),
        decided_tier=decision.decided_tier,
        decision_id=judged.id,
        outcome=judged.outcome,
        decided_at=decision.decided_at,
        phase=decision.phase,
        bundle=decision.bundle,
        generation=generation,
        facts_digest=decision.facts,
        facts_shared=judged.facts_shared.digest,
        facts_own=judged.facts_own,
        input_prior=decision.prior,
        prior=judged.prior,
        verdicts=judged.verdicts_digest,
        valid_until=judged.valid_until,
        last_seen=standing.last_seen,
        restriction=standing.restriction,
        request_digest=standing.request_digest,
        reply=standing.reply,
        counters=standing.counters,
        reporter=standing.reporter,
    )


def has_fallen(before: DeviceState | None, tier: Tier) -> bool:
    """Tell whether a device is worth less than before: what it reported of others must be looked at again."""
    return before is not None and tier > before.tier


def has_changed(judged: Judged, before: DeviceState | None, *, tier: Tier) -> bool:
    """Tell whether anything but time differs from the decision before."""
    return before is None or (
        before.verdicts != judged.verdicts_digest
        or before.tier is not tier
        or before.decided_tier is not judged.decision.decided_tier
        or before.bundle != judged.decision.bundle
    )
