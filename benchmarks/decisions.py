"""Decisions per second on the starter pack: facts in; decision, canonical bytes and all digests out.

`python -m benchmarks.decisions [--rounds 15]`
"""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from policyengine.adapters.tree import read_tree
from policyengine.decision.documents import DecisionWriter
from policyengine.decision.facts_parts import facts_digest
from policyengine.decision.ingest import read_facts
from policyengine.decision.prior import prior_of
from policyengine.decision.program import compile_program
from policyengine.language.compiler import compile_tree
from policyengine.model.policy import Phase
from policyengine.model.schema import CORE_SCHEMA

NOW = datetime(2026, 11, 23, 1, tzinfo=UTC)
POLICIES = Path(__file__).resolve().parent.parent / "policies"
SEEN = {"observed_at": "2026-11-23T00:30:00Z", "evidence_digest": "sha256:" + "1" * 64, "complete": True}
COMPONENT = {"type": "psa", "version": "4.2.1", "svn": 9, "digest": "ab" * 32, "match": "endorsed"}
DEVICE = {
    "device": {"id": "gw-0001", "model": "gw-200", "vendor": "vendor-acme", "class": "gateway", "site": "plant-a"}
    | {"zone": "line-1", "labels": {"ring": "canary"}},
    "identity": {"kind": "idevid", "verified": True, "key_thumbprint": "sha256:" + "a" * 64},
    "evidence": {"format": "psa", "verified": True, "fresh": True, "age": "30m", "algorithm": "ES256"},
    "boot": {"secure": True, "mode": "locked", "debug": "disabled", "lifecycle": "secured", "svn": 9, "count": 4},
    "software": [{"name": name, **COMPONENT} for name in ("bl", "tfm", "app", "spe")],
    "cert": {"subject": "CN=x", "not_before": "2026-11-20T00:00:00Z", "not_after": "2026-12-20T00:00:00Z"}
    | {"key_type": "p256", "key_bits": 256, "san": ["dns:x"], "status": "good"},
    "model": {"support_until": "2030-01-01T00:00:00Z", "min_version": "4.0.0", "max_version": "5.0.0"},
    "sbom": {"present": True, "subject_version": "4.2.1"},
    "net": {"open_ports": [22, 443], "protocols": ["mqtt"], "tls_min": "1.3", "mud_conformant": True},
    "config": {"default_credentials": False, "debug_services": [], "auto_update": True, "log_enabled": True},
    "fleet": {"key_reuse_count": 1, "identity_duplicates": 0},
}
DOCUMENT = {
    "device_id": "gw-0001",
    "facts": DEVICE,
    "provenance": {
        "": {**SEEN, "source": "attested"},
        "device": {**SEEN, "source": "certified"},
        "config": {**SEEN, "source": "reported"},
    },
}


def best(run: Callable[[], object], rounds: int) -> float:
    """Return the best microseconds of one run."""
    return min(timeit.repeat(run, number=20, repeat=rounds)) / 20 * 1e6


def report(rounds: int, out: Callable[[str], object]) -> None:
    compilation = compile_tree(read_tree(POLICIES), now=NOW)
    assert compilation.bundle is not None
    assert compilation.digest is not None
    program, writer = compile_program(compilation.bundle, compilation.digest), DecisionWriter("abc")
    facts = read_facts(DOCUMENT, schema=CORE_SCHEMA)
    prior = prior_of(program.decide(facts, prior=None, now=NOW, phase=Phase.OPERATE))
    decide = partial(program.decide, facts, prior=prior, now=NOW, phase=Phase.OPERATE)
    decision = decide()
    size = len(writer.written(decision))
    out(f"{len(decision.findings)} findings, {size} bytes; best microseconds of {rounds} rounds:")
    for name, run in {
        "facts document to facts": lambda: read_facts(DOCUMENT, schema=CORE_SCHEMA),
        "digest of the facts": lambda: facts_digest(facts),
        "decision, with the digests of facts and prior": decide,
        "its canonical bytes and id": lambda: writer.written(decision),
        "compiling the whole bundle": lambda: compile_program(program.bundle, program.digest),
    }.items():
        out(f"{best(run, 2 if 'compiling' in name else rounds):10.1f}  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    report(parser.parse_args().rounds, partial(print, file=sys.stdout))


if __name__ == "__main__":
    main()
