"""Facts in a shared and an own part: nothing is lost, nothing of one device leaks into what is shared."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.decision.facts_json import provenance_document, provenance_text
from policyengine.decision.facts_parts import KEPT_NAMED_BYTES, SharedFacts, facts_digest, split
from policyengine.model.canonical import canonical
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.ids import DeviceId, Digest, digest_of
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.types import Kind, Type

NOW = datetime(2026, 11, 23, 1, 2, 3, 456789, tzinfo=UTC)


def facts_of(name: str, *, seed: str = "00", at: datetime = NOW) -> Facts:
    attested = Provenance(
        source=Source.ATTESTED, observed_at=at, received_at=at, evidence_digest=digest_of(name.encode()), complete=True
    )
    declared = Provenance(source=Source.DECLARED, observed_at=at)
    values: dict[str, object] = {
        "device": {"id": name, "model": "gw-200", "serial": name.upper(), "labels": {"owner": name}},
        "boot": {"secure": True, "svn": 8, "seed": seed},
        "evidence": {"age": timedelta(seconds=3), "digest": digest_of(name.encode()), "fresh": True},
        "software": ({"name": "app", "version": "4.2.1"},),
        "cert": {"not_after": at + timedelta(days=3), "san": ("dns:x",)},
        "vuln": ({"id": "CVE-2026-1", "cvss": 9.8},),
    }
    groups = ("boot", "evidence", "software", "cert", "vuln")
    return Facts(
        device_id=DeviceId(name), values=values, provenance={"device": declared, **dict.fromkeys(groups, attested)}
    )


@given(name=st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), seed=st.text(alphabet="0123456789abcdef"))
def test_joined_parts_are_the_facts_that_were_split(name: str, seed: str) -> None:
    facts = facts_of(name, seed=seed)
    parts = split(facts)
    again = SharedFacts(CORE_SCHEMA).join(parts.shared, parts.own)
    assert (again, split(again)) == (facts, parts)


def test_devices_alike_share_one_document() -> None:
    """DESIGN section 12: the stable part is hashed and shared by many devices."""
    first, second = facts_of("gw-1"), facts_of("gw-2", seed="ff", at=NOW + timedelta(hours=1))
    assert split(first).shared == split(second).shared


def test_shared_part_names_no_device() -> None:
    assert b"gw-77" not in split(facts_of("gw-77")).shared.lower()


def test_other_firmware_is_another_document() -> None:
    facts = facts_of("gw-1")
    other = replace(facts, values={**facts.values, "software": ({"name": "app", "version": "4.2.2"},)})
    assert split(facts).shared != split(other).shared


def test_parts_do_not_depend_on_the_order_of_gathering() -> None:
    """A decision replayed from stored facts, or made again from a facts file, must name them as it did at first."""
    facts = facts_of("gw-1")
    turned = Facts(
        device_id=facts.device_id,
        values=dict(reversed(facts.values.items())),
        provenance={path: replace(kept) for path, kept in reversed(facts.provenance.items())},
    )
    assert split(turned) == split(facts)


def test_every_difference_of_facts_changes_their_digest() -> None:
    facts = facts_of("gw-1")
    later = {path: replace(kept, observed_at=NOW + timedelta(seconds=1)) for path, kept in facts.provenance.items()}
    others = [
        replace(facts, device_id=DeviceId("gw-2")),
        replace(facts, values={**facts.values, "boot": {"secure": False, "svn": 8, "seed": "00"}}),
        replace(facts, values={**facts.values, "boot": {"secure": True, "svn": 8, "seed": "01"}}),
        replace(facts, provenance=later),
        replace(facts, provenance={path: replace(kept, complete=True) for path, kept in facts.provenance.items()}),
    ]
    assert len({facts_digest(found) for found in [facts, *others]}) == len(others) + 1


def test_own_part_is_the_canonical_json_of_what_it_holds() -> None:
    """It is put together from pieces that are written straight; RFC 8785 must not notice."""
    facts = facts_of("gw-1")
    first, *others = facts.provenance
    parts = [
        split(
            replace(facts, provenance={**facts.provenance, first: replace(facts.provenance[first], complete=complete)})
        )
        for complete in (True, False)
    ]
    assert others
    assert [part.own for part in parts] == [canonical(json.loads(part.own)) for part in parts]


@pytest.mark.parametrize("received_at", [None, NOW])
@pytest.mark.parametrize("digest", [None, digest_of(b"evidence")])
@pytest.mark.parametrize("source", list(Source))
def test_provenance_written_straight_is_its_document(
    source: Source, digest: Digest | None, received_at: datetime | None
) -> None:
    kept = Provenance(
        source=source, observed_at=NOW + timedelta(microseconds=7), received_at=received_at, evidence_digest=digest
    )
    whole = replace(kept, complete=True)
    assert [provenance_text(each).encode() for each in (kept, whole)] == [
        canonical(provenance_document(each)) for each in (kept, whole)
    ]


def test_no_fact_of_one_device_is_a_fraction() -> None:
    """Its part is written by an encoder whose form of such numbers is not RFC 8785's."""
    kinds = {
        kind.kind
        for group, declared in CORE_SCHEMA.roots.items()
        for kind in [declared.type, *fields_below(declared.type)]
        if group in {"cert", "csr", "ops", "pcrs", "ca", "device", "identity", "evidence", "boot"}
    }
    assert Kind.DOUBLE not in kinds


def fields_below(kind: Type) -> list[Type]:
    inside = [declared.type for declared in CORE_SCHEMA.structs[kind.name].values()] if kind.kind is Kind.STRUCT else []
    return [found for each in (*inside, *kind.parameters) for found in (each, *fields_below(each))]


def test_a_hostile_device_cannot_fill_what_is_kept_of_shared_parts() -> None:
    """A request may have 512 KiB, so a thousand of the largest would be a gigabyte."""
    texts = [f"{number:04}" + "x" * 60_000 for number in range(400)]

    def names() -> list[bytes]:
        return [split(replace(facts_of("gw-1"), values={"org": {"motto": text}})).shared for text in texts]

    tracemalloc.start()
    first = digest_of(b"".join(names()))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (held < 1.1 * KEPT_NAMED_BYTES, digest_of(b"".join(names()))) == (True, first)
