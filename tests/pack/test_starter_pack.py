"""The starter pack keeps its promises: clean, tested, tied to controls, and right for a healthy device."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from policyengine.adapters.starter import starter_files
from policyengine.decision.program import compile_program
from policyengine.language.compiler import Compilation, compile_tree
from policyengine.language.source_places import SourcePlaces
from policyengine.model.decision import Outcome, Result, Tier
from policyengine.model.expression import facts_read
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.ids import DeviceId, digest_of
from policyengine.model.policy import Action, Bundle, Mode, Phase, Role, Rule
from policyengine.services.authoring.policy_coverage import coverage_of
from policyengine.services.authoring.policy_mutation import mutations_of, score
from policyengine.services.authoring.policy_tests import run_policy_tests

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def compilation() -> Compilation:
    return compile_tree(starter_files(), now=NOW)


@pytest.fixture(scope="module")
def bundle(compilation: Compilation) -> Bundle:
    assert compilation.bundle is not None
    return compilation.bundle


def rules(bundle: Bundle) -> Iterator[Rule]:
    for policy in bundle.policies.values():
        yield from policy.rules


def test_checking_the_pack_finds_nothing(compilation: Compilation) -> None:
    assert compilation.diagnostics == ()


def test_the_pack_stays_clean_for_years() -> None:
    assert compile_tree(starter_files(), now=NOW + timedelta(days=3650)).diagnostics == ()


def test_the_pack_has_thirty_rules_and_more(bundle: Bundle) -> None:
    assert len(list(rules(bundle))) >= 30


def test_all_four_kinds_of_party_write_policies(bundle: Bundle) -> None:
    roles = {bundle.parties[policy.owner].role for policy in bundle.policies.values()}
    assert roles == set(Role)


def test_every_rule_tells_what_is_wrong_and_what_to_do(bundle: Bundle) -> None:
    assert [rule.name for rule in rules(bundle) if not rule.message or not rule.remediation] == []


def test_every_policy_is_tied_to_controls_of_the_catalogs(bundle: Bundle) -> None:
    untied = [policy.name for policy in bundle.policies.values() if not policy.controls]
    foreign = {control for policy in bundle.policies.values() for control in policy.controls} - set(bundle.controls)
    assert (untied, foreign) == ([], set())


def test_the_catalogs_have_exactly_the_clauses_of_the_mapping(bundle: Bundle, vectors: Path) -> None:
    mapping = vectors.parent / "controls-mapping.csv"
    if not mapping.is_file():
        pytest.skip(f"the controls mapping is not at {mapping}")
    with mapping.open(encoding="utf-8") as lines:
        mapped = {control for row in csv.DictReader(lines) for control in mapped_controls(row)}
    assert set(bundle.controls) == mapped


def mapped_controls(row: dict[str, str]) -> Iterator[str]:
    yield from (f"etsi:{clause}" for clause in clauses(row["etsi_303645"]))
    yield from (f"cra:{clause}" for clause in clauses(row["cra_annex_i"]))
    for clause in clauses(row["iec_62443"]):
        part = "iec62443-3-3" if clause.startswith("SR") else "iec62443-4-2"
        yield f"{part}:{clause.replace(' ', '-')}"
    capability, _, subs = row["nist_8425_or_8259a"].partition("(")
    yield f"nist8425:{capability.strip()}"
    yield from (f"nist800-213a:{sub}" for sub in re.findall(r"[A-Z:]+", subs))


def clauses(cell: str) -> list[str]:
    return [clause.strip() for clause in cell.split(";") if clause.strip()]


def test_every_policy_test_holds_and_shows_every_outcome_of_every_rule(compilation: Compilation) -> None:
    assert compilation.bundle is not None
    assert compilation.digest is not None
    report = run_policy_tests(compilation.bundle, compilation.digest, compilation.tests)
    assert (report.failures, report.gaps, report.untested) == ((), (), ())


def test_the_policy_tests_have_seen_every_operand_of_every_rule(compilation: Compilation) -> None:
    assert compilation.bundle is not None and compilation.digest is not None
    places = SourcePlaces(starter_files())
    coverage = coverage_of(compilation.bundle, compilation.digest, compilation.tests, places)
    assert [goal for one in coverage for goal in one.unseen] == []


def test_the_policy_tests_notice_nearly_every_small_mistake_in_a_policy(compilation: Compilation) -> None:
    """At least 90% of all mutants are killed, and at least 80% of those of any one policy."""
    assert compilation.bundle is not None and compilation.digest is not None
    places = SourcePlaces(starter_files())
    mutations = list(mutations_of(compilation.bundle, compilation.digest, compilation.tests, places))
    assert score(mutations) >= 90, [one.survivors for one in mutations]
    assert {one.policy: score([one]) for one in mutations if score([one]) < 80} == {}


def test_every_policy_test_demands_every_outcome(compilation: Compilation) -> None:
    assert [test.name for test in compilation.tests if test.per_rule != frozenset(Outcome)] == []


def test_every_model_has_a_certificate_profile_an_anchor_and_two_releases(bundle: Bundle) -> None:
    for model in bundle.fleet.models:
        assert [profile.name for profile in bundle.profiles if model in profile.models]
        assert [anchor.vendor for anchor in bundle.anchors if model in anchor.models]
        releases = [one for values in bundle.reference_values if model in values.models for one in values.releases]
        assert len(releases) == 2


def test_example_roots_are_certificate_authorities(bundle: Bundle) -> None:
    for anchor in bundle.anchors:
        certificate = x509.load_pem_x509_certificate(anchor.certificate.encode())
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_no_two_parties_share_an_example_key(bundle: Bundle) -> None:
    keys = [key.ed25519 for party in bundle.parties.values() for key in party.keys]
    assert len(set(keys)) == len(keys) == len(bundle.parties)


def test_rules_on_a_devices_own_certificate_never_act_harder_than_notify(bundle: Bundle) -> None:
    """A held device has no certificate to show; a harder action would keep it out for ever."""
    about_certificates = {
        name
        for name, policy in bundle.policies.items()
        if any(path[0] == "cert" for rule in policy.rules for path in facts_read(rule.require))
    }
    acting = [one for one in bundle.bindings if one.policy in about_certificates and one.mode is Mode.ENFORCE]
    assert {binding.action for binding in acting} == {Action.NOTIFY}


def test_rules_on_facts_that_no_part_supplies_yet_only_record(bundle: Bundle) -> None:
    waiting = {
        name
        for name, policy in bundle.policies.items()
        if any(path[0] in {"sbom", "vuln", "model"} for rule in policy.rules for path in facts_read(rule.require))
    }
    assert waiting
    assert {binding.mode for binding in bundle.bindings if binding.policy in waiting} == {Mode.AUDIT}


def test_only_liveness_asks_for_a_check_in_a_day_by_itself(bundle: Bundle) -> None:
    """The demo shortens this one limit; all others leave a silent device alone for a day or more."""
    limits = {rule.evidence.fresh for rule in rules(bundle) if rule.evidence.fresh is not None}
    assert min(limits) == timedelta(hours=24)


CASES = [
    (model, site) for model in ("gw-200", "gw-210", "sn-40", "plc-9") for site in ("plant-a", "plant-b", "lab-berlin")
]


@pytest.mark.parametrize(("model", "site"), CASES)
@pytest.mark.parametrize("phase", list(Phase))
def test_a_healthy_device_is_full_everywhere(bundle: Bundle, model: str, site: str, phase: Phase) -> None:
    assert decided(bundle, healthy(bundle, model, site), phase) == (Tier.FULL, [])


@pytest.mark.parametrize(
    ("defect", "tier"),
    [
        ({"software": ({"name": "app", "match": "unknown", "signer": "a" * 64},)}, Tier.QUARANTINE),
        ({"boot": {"secure": False, "mode": "debug", "debug": "enabled", "lifecycle": "debug"}}, Tier.QUARANTINE),
        ({"fleet": {"key_reuse_count": 2, "identity_duplicates": 0}}, Tier.LIMITED),
    ],
    ids=["tampered", "debug", "shared key"],
)
def test_the_demos_defects_get_their_tiers(bundle: Bundle, defect: dict[str, object], tier: Tier) -> None:
    for model in bundle.fleet.models:
        facts = healthy(bundle, model, "plant-a")
        assert decided(bundle, replace(facts, values={**facts.values, **defect}), Phase.ENROLL)[0] is tier


def test_raising_the_gateway_floor_by_one_line_limits_the_older_release() -> None:
    name = "engineering/gateway-firmware.yaml"
    raised = starter_files()[name].replace(b"default: 7", b"default: 8")
    bundle = compile_tree({**starter_files(), name: raised}, now=NOW).bundle
    assert bundle is not None
    older = healthy(bundle, "gw-200", "plant-a", svn=7)
    tier, failed = decided(bundle, older, Phase.OPERATE)
    assert (tier, failed) == (Tier.LIMITED, ["engineering/gateway-firmware#firmware-floor"])


def decided(bundle: Bundle, facts: Facts, phase: Phase) -> tuple[Tier, list[str]]:
    """Return the tier, and every rule that fails, or is unknown beyond audit."""
    decision = compile_program(bundle, digest_of(b"the pack")).decide(facts, prior=None, now=NOW, phase=phase)
    bad = [
        finding.rule
        for finding in decision.findings
        if finding.result is Result.FAIL or (finding.result is Result.UNKNOWN and finding.mode is not Mode.AUDIT)
    ]
    return decision.tier, bad


def healthy(bundle: Bundle, model: str, site: str, *, svn: int | None = None) -> Facts:
    """Return a healthy device's facts as a check-in gathers them; what it reports is its own word, and partial."""
    declared = bundle.fleet.models[model]
    release = max(
        (one for values in bundle.reference_values if model in values.models for one in values.releases),
        key=lambda one: one.svn or 0,
    )
    values: dict[str, object] = {
        "device": {
            "id": "d-0001",
            "vendor": declared.vendor,
            "model": model,
            "class": declared.device_class,
            "serial": "AC-00000001" if declared.vendor == "vendor-acme" else "BO-00000001",
            "site": site,
            "zone": "line-1",
            "criticality": "medium",
            "lifecycle": "operational",
            "labels": {"ring": "rest"},
        },
        "identity": {"kind": "idevid", "verified": True, "anchor": "CN=root"},
        "evidence": {
            "format": "psa",
            "profile": "tag:psacertified.org,2023:psa#tfm",
            "verified": True,
            "fresh": True,
            "algorithm": "ES256",
        },
        "boot": {
            "secure": True,
            "mode": "production",
            "debug": "disabled",
            "lifecycle": "secured",
            "svn": release.svn if svn is None else svn,
        },
        "software": tuple(
            {"name": one.name, "version": release.version, "match": "endorsed", "signer": "a" * 64}
            for one in release.components
        ),
        "cert": {
            "key_type": "p256",
            "key_bits": 256,
            "signature_algorithm": "ecdsa-with-SHA256",
            "not_before": NOW - timedelta(days=1),
            "not_after": NOW + timedelta(days=13),
            "status": "good",
        },
        "csr": {"key_type": "p256", "key_bits": 256, "subject": "CN=d-0001"},
        "fleet": {"key_reuse_count": 1, "identity_duplicates": 0},
        "net": {"open_ports": (443, 8883), "protocols": ("https", "mqtts"), "tls_min": "1.2", "mud_conformant": True},
        "config": {"default_credentials": False, "debug_services": (), "auto_update": True, "log_enabled": True},
    }
    attested = Provenance(source=Source.ATTESTED, observed_at=NOW - timedelta(seconds=5), complete=True)
    ours = replace(attested, source=Source.CERTIFIED)
    reported = replace(attested, source=Source.REPORTED, complete=False)
    provenance = {
        "": attested,
        "device": ours,
        "identity": ours,
        "cert": ours,
        "fleet": replace(ours, source=Source.OBSERVED),
    }
    return Facts(
        device_id=DeviceId("d-0001"), values=values, provenance={**provenance, "net": reported, "config": reported}
    )
