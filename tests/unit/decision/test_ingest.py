"""Facts from outside are strict, typed and bounded; what is refused is named by code and path (DESIGN section 5)."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.decision.facts_json import facts_document, quick_canonical
from policyengine.decision.facts_parts import facts_digest
from policyengine.decision.ingest import FactError, read_facts
from policyengine.model.canonical import canonical
from policyengine.model.facts import Source
from policyengine.model.schema import CORE_SCHEMA

DOCUMENT: dict[str, Any] = {
    "device_id": "gw-1",
    "facts": {
        "device": {"model": "gw-200", "labels": {"ring": "canary"}},
        "boot": {"secure": True, "svn": 7},
        "evidence": {"age": "90s"},
        "cert": {"not_after": "2027-01-01T02:00:00+02:00"},
        "software": [{"name": "app", "version": "1.2.3"}],
        "vuln": [{"id": "CVE-2026-1", "cvss": 7, "epss": 0.25}],
    },
    "provenance": {
        "": {"source": "attested", "observed_at": "2026-11-23T00:00:00Z"},
        "device": {"source": "certified", "observed_at": "2026-11-23T00:00:00Z", "complete": True},
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    *above, last = path.split("/")
    inner = document
    for step in above:
        inner = inner[step]
    inner[last] = value
    return document


def test_facts_have_the_python_values_of_their_types() -> None:
    values = read_facts(DOCUMENT, schema=CORE_SCHEMA).values
    assert values["evidence"] == {"age": timedelta(seconds=90)}
    assert values["cert"] == {"not_after": datetime(2027, 1, 1, tzinfo=UTC)}
    assert values["software"] == ({"name": "app", "version": "1.2.3"},)


def test_a_whole_number_is_a_double_where_one_is_declared() -> None:
    vulnerabilities = read_facts(DOCUMENT, schema=CORE_SCHEMA).values["vuln"]
    assert [type(row["cvss"]) for row in vulnerabilities] == [float]  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", [[{"name": 7}], [{"name": "app", "secret": 1}], [True], {"name": "app"}])
def test_list_that_was_read_before_lets_no_other_in(wrong: object) -> None:
    """Lists that many devices send alike are read once, by their text."""
    good = [{"name": "app"}, {"name": "app"}]
    read = [read_facts(changed("facts/software", good), schema=CORE_SCHEMA).values["software"] for _ in range(2)]
    assert read == [tuple(good)] * 2
    with pytest.raises(FactError):
        read_facts(changed("facts/software", wrong), schema=CORE_SCHEMA)


@pytest.mark.parametrize("score", [7, 7.0, 7.5])
def test_number_that_was_read_before_keeps_its_type(score: float) -> None:
    document = changed("facts/vuln", [{"cvss": score}])
    found = [read_facts(document, schema=CORE_SCHEMA).values["vuln"] for _ in range(2)]
    assert [(values, type(values[0]["cvss"])) for values in found] == [(({"cvss": score},), float)] * 2


@pytest.mark.parametrize("first", [0.0, -0.0])
def test_a_fact_has_one_zero(first: float) -> None:
    """RFC 8785 section 3.2.2.3 writes both zeros `0`: facts of one digest that divide differently had two answers."""
    (row,) = read_facts(changed("facts/vuln", [{"cvss": first}]), schema=CORE_SCHEMA).values["vuln"]  # type: ignore[misc]
    assert str(row["cvss"]) == "0.0"


def test_provenance_is_kept_by_path() -> None:
    provenance = read_facts(DOCUMENT, schema=CORE_SCHEMA).provenance
    assert (provenance[""].source, provenance["device"].complete) == (Source.ATTESTED, True)


@pytest.mark.parametrize(
    ("document", "code", "path"),
    [
        (changed("facts/boot/secure", "true"), "facts.type", "boot.secure"),
        (changed("facts/boot/secure", None), "facts.type", "boot.secure"),
        (changed("facts/boot/secure", 1), "facts.type", "boot.secure"),
        (changed("facts/boot/svn", True), "facts.type", "boot.svn"),
        (changed("facts/boot/svn", 7.0), "facts.type", "boot.svn"),
        (changed("facts/boot/svn", 2**53), "facts.number", "boot.svn"),
        (changed("facts/boot/mode", 3), "facts.type", "boot.mode"),
        (changed("facts/boot/mode", "admin\0evil"), "facts.text", "boot.mode"),
        (changed("facts/boot/mode", "\ud800"), "facts.text", "boot.mode"),
        (changed("facts/boot/mode", "x" * 65_537), "facts.bound", "boot.mode"),
        (changed("facts/boot", []), "facts.type", "boot"),
        (changed("facts/boot/securely", True), "facts.undeclared", "boot.securely"),
        (changed("facts/boots", {}), "facts.undeclared", "boots"),
        (changed("facts/software", {}), "facts.type", "software"),
        (changed("facts/software", [{}] * 257), "facts.bound", "software"),
        (changed("facts/software", [{"nome": "x"}]), "facts.undeclared", "software[0].nome"),
        (changed("facts/vuln", [{"cvss": float("nan")}]), "facts.number", "vuln[0].cvss"),
        (changed("facts/cert/not_after", "2027-01-01T00:00:00"), "facts.time", "cert.not_after"),
        (changed("facts/cert/not_after", "2027-02-30T00:00:00Z"), "facts.time", "cert.not_after"),
        (changed("facts/evidence/age", "90"), "facts.time", "evidence.age"),
        (changed("facts/device/labels", {"ring": 3}), "facts.type", "device.labels.ring"),
        (changed("facts/device/id", "other"), "facts.device-id", "device.id"),
        (changed("device_id", "../etc"), "facts.device-id", "device_id"),
        (changed("device_id", 7), "facts.device-id", "device_id"),
        (changed("provenance", {}), "facts.provenance", "device"),
        (changed("provenance//source", "rumour"), "facts.source", "provenance"),
        (changed("provenance//source", None), "facts.source", "provenance"),
        (changed("provenance//observed_at", "yesterday"), "facts.time", "provenance.observed_at"),
        (changed("provenance//complete", "yes"), "facts.type", "provenance.complete"),
        (changed("provenance//received_at", None), "facts.type", "provenance.received_at"),
        (changed("provenance//evidence_digest", "sha256:xyz"), "facts.provenance", "provenance"),
        (changed("provenance//trust", 1), "facts.shape", "provenance"),
        (changed("provenance/bot", DOCUMENT["provenance"][""]), "facts.undeclared", "provenance.bot"),
        (
            changed("provenance/software.name", DOCUMENT["provenance"][""]),
            "facts.provenance",
            "provenance.software.name",
        ),
        (changed("extra", 1), "facts.shape", ""),
        ([], "facts.shape", ""),
        ({"device_id": "gw-1", "facts": {}}, "facts.shape", ""),
    ],
)
def test_bad_facts_are_refused_with_code_and_path(document: object, code: str, path: str) -> None:
    with pytest.raises(FactError) as caught:
        read_facts(document, schema=CORE_SCHEMA)
    assert (caught.value.code, caught.value.path) == (code, path)


def test_facts_without_provenance_of_their_own_group_are_refused() -> None:
    document = changed("provenance", {"boot": DOCUMENT["provenance"][""]})
    with pytest.raises(FactError, match="provenance"):
        read_facts(document, schema=CORE_SCHEMA)


def test_a_facts_document_reads_back_as_the_same_facts() -> None:
    facts = read_facts(DOCUMENT, schema=CORE_SCHEMA)
    assert read_facts(facts_document(facts), schema=CORE_SCHEMA) == facts


def test_the_quick_bytes_are_the_canonical_bytes() -> None:
    facts = read_facts(DOCUMENT, schema=CORE_SCHEMA)
    assert quick_canonical(facts_document(facts)) == canonical(facts_document(facts))


@given(st.floats(0, 10), st.text(max_size=8).filter(lambda text: "\0" not in text and text.isprintable()))
def test_the_quick_bytes_are_canonical_for_any_double_and_text(score: float, text: str) -> None:
    """RFC 8785 writes doubles and sorts keys in its own way; the C encoder's short cut must not show."""
    document = changed("facts/vuln", [{"cvss": score}])
    document["facts"]["device"]["labels"] = {text: text, "\ue000": "a", "\U0001f600": "b"}
    facts = read_facts(document, schema=CORE_SCHEMA)
    assert quick_canonical(facts_document(facts)) == canonical(facts_document(facts))


def test_facts_that_differ_in_age_only_have_different_digests() -> None:
    facts = read_facts(DOCUMENT, schema=CORE_SCHEMA)
    older = read_facts(changed("provenance//observed_at", "2026-11-22T00:00:00Z"), schema=CORE_SCHEMA)
    assert facts_digest(facts) != facts_digest(older)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["boot", "svn", "", "a"]), inner),
    max_leaves=8,
)


@given(_JSON, _JSON, _JSON)
def test_no_json_at_all_ends_in_anything_but_facts_or_a_refusal(device: object, facts: object, source: object) -> None:
    document = {"device_id": device, "facts": facts, "provenance": source}
    try:
        read_facts(document, schema=CORE_SCHEMA)
    except FactError as error:
        assert error.code.startswith("facts.")
        json.dumps(error.path)
