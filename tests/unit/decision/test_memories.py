"""A bundle that has long been deciding decides as one that has just been loaded, whatever it was asked in between.

The devices, times and carried states are drawn from a fixed seed: 250 decisions by two bundles in turn, of devices that
share and exchange their carried states.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from policyengine.decision.documents import DecisionWriter, decision_document
from policyengine.decision.prior import carries_on, prior_bytes, prior_of, read_prior
from policyengine.decision.program import Program, compile_program
from policyengine.model.canonical import canonical
from policyengine.model.decision import Decision, Prior
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.ids import digest_of
from policyengine.model.policy import Bundle, EvidenceNeed, Phase, WaiverTerms
from tests.support import ir
from tests.support.bundles import DAY, HOUR, NOW, binding, bundle, facts, policy, rule, waiver, where

STEPS = 250
TICK = timedelta(microseconds=1)
CONDITIONS = [
    ir.fact("boot.secure"),
    ir.or_(ir.fact("evidence.fresh"), ir.gt(ir.now, ir.timestamp("2026-11-23T13:00:00Z"))),
    ir.and_(ir.has("boot.mode"), ir.eq(ir.fact("device.site"), ir.lit("plant-a"))),
    ir.exists(ir.fact("software"), "each", ir.eq(ir.field("each", "name"), ir.lit("app"))),
    ir.at_least(ir.fact("model.latest_version"), "1.2.0"),
]
NEEDS = [
    EvidenceNeed(),
    EvidenceNeed(minimum=Source.OBSERVED, hold=DAY),
    EvidenceNeed(fresh=HOUR),
    EvidenceNeed(minimum=Source.ATTESTED, fresh=DAY, hold=HOUR),
]
WAIVABLE = WaiverTerms(maximum=2 * DAY, approvals=(), unknown=True)


def ruled(random: Random) -> Bundle:
    """Return a bundle with a policy that asks everything in every way, and one that may be waived at one site."""
    strict = [rule(each, name=f"r{at}", evidence=random.choice(NEEDS)) for at, each in enumerate(CONDITIONS)]
    eased = [rule(each, name=f"e{at}", policy="engineering/q", evidence=NEEDS[1]) for at, each in enumerate(CONDITIONS)]
    return bundle(
        policy(*strict),
        policy(*eased, name="engineering/q", waivers=WAIVABLE),
        bindings=(binding(), binding(name="operations/q", policy="engineering/q", selector=where(labels_line="1"))),
        waivers=(waiver(*eased, policy="engineering/q", expires=NOW + DAY, selector=where(site="plant-a")),),
    )


def drawn(random: Random, now: datetime) -> Facts:
    """Return the facts of a device: few distinct values, so that memories are often asked for what they know."""
    values = {
        "boot": {"secure": random.random() < 0.5} | ({"mode": "x"} if random.random() < 0.5 else {}),
        "evidence": {"fresh": random.random() < 0.5},
        "software": tuple({"name": random.choice(("app", "os"))} for _ in range(random.randrange(3))),
        "model": {"latest_version": random.choice(("1.2.0", "1.2.0-rc1", "no version"))},
        "device": {"site": random.choice(("plant-a", "plant-b")), "labels": {"line": random.choice("12")}},
    }
    kept = random.sample(sorted(values), random.randrange(1, 6))
    ages = (-TICK, timedelta(), HOUR - TICK, HOUR, DAY)
    origins = [
        Provenance(
            source=random.choice(list(Source)), observed_at=now - random.choice(ages), complete=random.random() < 0.5
        )
        for _ in range(2)
    ]
    places = {path: random.choice(origins) for path in random.sample(("boot", "boot.mode", "software", "device"), 2)}
    return facts({group: values[group] for group in kept}, places)


@dataclass
class Asked:
    """One question, with a carried state that its devices share."""

    which: int
    facts: Facts
    prior: Prior | None
    now: datetime
    phase: Phase


def questions(random: Random, answers: list[Decision]) -> Iterator[Asked]:
    """Yield questions; the caller puts each decision into `answers`, and devices carry it on or exchange it."""
    states: dict[int, Prior | None] = dict.fromkeys(range(6))
    shared: dict[bytes, Prior] = {}
    now = NOW
    for _ in range(STEPS):
        now += random.choice((timedelta(), TICK, -HOUR, HOUR, 6 * HOUR))
        device = random.randrange(len(states))
        phase = random.choice(list(Phase))
        yield Asked(random.randrange(2), drawn(random, now), states[device], now, phase)
        left = prior_bytes(prior_of(answers[-1]))
        states[device] = shared.setdefault(left, read_prior(json.loads(left)))
        if random.random() < 0.3:
            states[device] = states[random.randrange(len(states))]


def test_long_memories_decide_as_none() -> None:
    random, answers = Random(46), list[Decision]()
    bundles = [(ruled(random), digest_of(f"bundle {number}".encode())) for number in range(2)]
    lasting = [compile_program(*each) for each in bundles]
    writers = [DecisionWriter(None), DecisionWriter(None)]
    for asked in questions(random, answers):
        answers.append(decided(lasting[asked.which], asked, asked.prior))
        unknowing = None if asked.prior is None else read_prior(json.loads(prior_bytes(asked.prior)))
        forgotten = replace(asked.facts, provenance={path: replace(of) for path, of in asked.facts.provenance.items()})
        fresh = decided(compile_program(*bundles[asked.which]), replace(asked, facts=forgotten), unknowing)
        assert said(answers[-1]) == said(fresh)
        assert writers[asked.which].written(answers[-1]) == said(fresh)
        if asked.prior is not None:
            assert carries_on(answers[-1], asked.prior) is (prior_of(fresh) == unknowing)


def decided(program: Program, asked: Asked, prior: Prior | None) -> Decision:
    return program.decide(asked.facts, prior=prior, now=asked.now, phase=asked.phase)


def said(decision: Decision) -> bytes:
    return canonical(decision_document(decision, commit=None))
