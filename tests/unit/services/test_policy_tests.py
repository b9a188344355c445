"""Policy tests judge rules as the fleet would, and say exactly what differs from what their author expects."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from policyengine.language.compiler import compile_tree
from policyengine.language.diagnostics import Level
from policyengine.model.decision import Outcome
from policyengine.services.authoring.policy_tests import PolicyTestReport, run_policy_tests

NOW = datetime(2026, 11, 23, tzinfo=UTC)

FLEET = """apiVersion: policyengine/v1
kind: Fleet
metadata: {name: small}
spec:
  enforcement: observe
  enrollment: {unknown: refuse}
  sites: [plant-a, lab-berlin]
  zones: [line-1]
  models:
    gw-200: {vendor: vendor-acme, class: gateway, versionScheme: semver}
    sn-40: {vendor: vendor-acme, class: sensor, versionScheme: semver}
"""
PARTIES = "---\n".join(
    f"""apiVersion: policyengine/v1
kind: Party
metadata: {{name: {name}}}
spec:
  role: {role}
  keys: [{{id: k-{name}, ed25519: "{key}"}}]
  scope: {scope}
  may: [{rights}]
"""
    for name, role, key, scope, rights in (
        ("engineering", "engineering", "l9Yi8UeHiYUOiVVEEBMlRtB3RQHdquHX0REpElxrhY0=", "{}", "tighten, loosen"),
        ("operations", "operations", "vX6FHkVXq68iSOReKjxE5H2rM3S+XWi3FGqaC41QJNw=", "{}", "tighten, enforce, waive"),
        (
            "vendor-acme",
            "vendor",
            "9Z82grkfJiMW7gAy0DbHoyS4t98ncQbbRJW7j5NcLQY=",
            "{model: {in: [gw-200, sn-40]}}",
            "tighten",
        ),
    )
)
POLICY = """apiVersion: policyengine/v1
kind: Policy
metadata: {name: gateway-integrity, version: 1.4.0, owner: engineering, title: Gateways run attested firmware}
spec:
  severity: high
  select: {model: {in: [gw-200]}}
  exclude: {zone: {in: [line-1]}}
  params:
    min_svn: {type: int, default: 7, tighter: higher, tunable_by: [operations]}
  rules:
    - id: secure-boot
      require: boot.secure && boot.mode in ["production", "locked"]
      evidence: {min: attested, fresh: 24h, onUnknown: {hold: 72h}}
    - id: firmware-floor
      require: boot.svn >= params.min_svn
    - id: key-strength
      require: csr.key_type == "p256"
  ceiling: quarantine
  waivers: {max: 30d, approvals: [operations]}
"""
BINDINGS = """apiVersion: policyengine/v1
kind: Binding
metadata: {name: gateway-integrity-plant-a, owner: operations}
spec:
  policy: engineering/gateway-integrity
  where: {site: {in: [plant-a]}}
  params: {min_svn: 8}
  mode: enforce
  action: limited
---
apiVersion: policyengine/v1
kind: Binding
metadata: {name: gateway-integrity-lab, owner: operations}
spec:
  policy: engineering/gateway-integrity
  where: {site: {in: [lab-berlin]}}
  mode: warn
  action: notify
"""
TEST = """apiVersion: policyengine/v1
kind: PolicyTest
metadata: {name: gateway-integrity}
spec:
  policy: engineering/gateway-integrity
  now: 2026-11-23T00:00:00Z
  devices:
    good:
      model: gw-200
      facts: {boot.secure: true, boot.mode: locked, boot.svn: 9}
      evidence: {source: attested, age: 1h}
    silent: {from: good, unset: [boot.secure]}
    old: {from: good, set: {boot.svn: 3}}
"""


def report(rest: str, *, devices: str = "", bindings: str = BINDINGS) -> PolicyTestReport:
    """Return the report of TEST with more `devices` and with `rest` (its `expect` and `coverage`) added."""
    files = {
        "fleet.yaml": FLEET,
        "parties.yaml": PARTIES,
        "engineering/gateway-integrity.yaml": POLICY,
        "engineering/gateway-integrity_test.yaml": TEST + devices + rest,
        "operations/bindings.yaml": bindings,
    }
    compilation = compile_tree({name: text.encode() for name, text in files.items()}, now=NOW)
    assert compilation.bundle is not None, compilation.diagnostics
    assert compilation.digest is not None
    return run_policy_tests(compilation.bundle, compilation.digest, compilation.tests)


def expecting(*lines: str, devices: str = "", bindings: str = BINDINGS) -> PolicyTestReport:
    return report("  expect:\n" + "".join(f"    {line}\n" for line in lines), devices=devices, bindings=bindings)


def test_expectations_that_hold_pass() -> None:
    seen = expecting(
        "good: {secure-boot: pass, tier: full}",
        "silent: {secure-boot: unknown}",
        "old: {firmware-floor: fail, tier: limited}",
    )
    assert seen.passed
    assert len(seen.cases) == 5


def test_an_expectation_that_does_not_hold_shows_both_results_the_facts_and_its_place() -> None:
    (failure,) = expecting("old: {firmware-floor: pass}").failures
    assert (failure.expected, failure.seen, failure.reason) == ("pass", "fail", "rule.false")
    assert failure.facts["boot.svn"].value == 3
    assert (failure.place.file, failure.place.line) == ("engineering/gateway-integrity_test.yaml", 15)


def test_a_wrong_tier_is_a_failure() -> None:
    (failure,) = expecting("old: {tier: full}").failures
    assert (failure.subject, failure.expected, failure.seen) == ("tier", "full", "limited")


def test_tiers_are_judged_as_if_the_fleet_enforced() -> None:
    """The fleet of these tests observes."""
    assert expecting("old: {tier: limited}").passed


def test_a_device_without_a_site_stands_under_every_binding_and_gets_the_strictest_result() -> None:
    middling = "    middling: {from: good, set: {boot.svn: 7}}\n"
    assert expecting("middling: {firmware-floor: fail}", devices=middling).passed


def test_a_device_with_a_site_stands_under_its_bindings_only() -> None:
    here = "    here: {from: good, set: {boot.svn: 7, device.site: lab-berlin}}\n"
    there = "    there: {from: good, set: {boot.svn: 7, device.site: plant-a}}\n"
    seen = expecting(
        "here: {firmware-floor: pass, tier: full}",
        "there: {firmware-floor: fail, tier: limited}",
        devices=here + there,
    )
    assert seen.passed


def test_an_exclusion_resting_on_what_a_device_leaves_open_does_not_exclude() -> None:
    assert expecting("good: {secure-boot: pass}").passed


def test_a_device_in_the_excluded_zone_is_skipped() -> None:
    excluded = "    excluded: {from: old, set: {device.zone: line-1}}\n"
    assert expecting("excluded: {firmware-floor: skip, tier: full}", devices=excluded).passed


def test_a_device_of_another_model_is_skipped() -> None:
    sensor = "    sensor: {from: old, model: sn-40}\n"
    assert expecting("sensor: {firmware-floor: skip}", devices=sensor).passed


def test_a_rule_of_enrolment_is_judged_at_enrolment() -> None:
    asking = "    asking: {from: good, set: {csr.key_type: p256}}\n"
    assert expecting("asking: {key-strength: pass}", devices=asking).passed


def test_a_device_that_names_enrolment_is_judged_at_enrolment() -> None:
    """Where nothing passes, enrolment denies; operation only acts on what does not pass."""
    stranger = "    stranger: {from: good, phase: enroll, unset: [boot]}\n"
    known = "    known: {from: good, unset: [boot]}\n"
    assert expecting("stranger: {tier: deny}", "known: {tier: limited}", devices=stranger + known).passed


def test_facts_weaker_than_the_rule_asks_are_unknown() -> None:
    hearsay = "    hearsay: {from: good, evidence: {source: reported, age: 1h}}\n"
    assert expecting("hearsay: {secure-boot: unknown, firmware-floor: pass}", devices=hearsay).passed


def test_facts_as_old_as_the_limit_are_unknown() -> None:
    stale = "    stale: {from: good, evidence: {source: attested, age: 24h}}\n"
    assert expecting("stale: {secure-boot: unknown}", devices=stale).passed


def test_an_audited_failure_costs_no_tier() -> None:
    assert expecting(
        "old: {firmware-floor: fail, tier: full}", bindings=BINDINGS.replace("mode: enforce", "mode: audit")
    ).passed


def test_a_result_that_no_device_shows_is_a_gap() -> None:
    seen = report("  expect: {good: {secure-boot: pass}}\n  coverage: {per_rule: [pass, fail, unknown]}\n")
    missing = {gap.rule: gap.missing for gap in seen.gaps}
    assert missing["secure-boot"] == (Outcome.FAIL,)
    assert missing["firmware-floor"] == (Outcome.UNKNOWN,)
    assert not seen.passed


def test_without_coverage_no_gap_is_reported() -> None:
    assert expecting("good: {secure-boot: pass}").gaps == ()


def test_a_policy_that_no_test_is_about_is_named() -> None:
    files = {
        "fleet.yaml": FLEET,
        "parties.yaml": PARTIES,
        "engineering/gateway-integrity.yaml": POLICY,
        "operations/bindings.yaml": BINDINGS,
    }
    compilation = compile_tree({name: text.encode() for name, text in files.items()}, now=NOW)
    assert compilation.bundle is not None
    assert compilation.digest is not None
    seen = run_policy_tests(compilation.bundle, compilation.digest, compilation.tests)
    assert seen.untested == ("engineering/gateway-integrity",)


def quiet(ago: str, device: str = "good") -> str:
    return f"    quiet: {{from: good, unset: [boot.secure], prior: {{device: {device}, ago: {ago}}}}}\n"


def test_an_unknown_holds_what_was_decided_before() -> None:
    """DESIGN section 6: `{hold: d}` is that rule's last decisive action for at most d."""
    assert expecting("quiet: {secure-boot: unknown, tier: full}", devices=quiet("2h")).passed


def test_an_unknown_that_lasted_as_long_as_the_hold_acts_as_a_failure() -> None:
    """The hold counts from the first decision that found it unknown, and is half-open."""
    silent = "    gone: {from: good, unset: [boot.secure], prior: {device: good, ago: 1h}}\n"
    for ago, tier in (("71h", "full"), ("72h", "limited")):
        devices = silent + quiet(ago, "gone")
        assert expecting(f"quiet: {{secure-boot: unknown, tier: {tier}}}", devices=devices).passed


def test_an_unknown_with_nothing_decided_before_acts_at_once() -> None:
    assert expecting("silent: {secure-boot: unknown, tier: limited}").passed


def test_an_unknown_holds_a_failure_as_it_was() -> None:
    unsigned = "    open: {from: good, set: {boot.secure: false}}\n"
    assert expecting("quiet: {tier: limited}", devices=unsigned + quiet("2h", "open")).passed


def excused(expires: str, of: str = "old") -> str:
    return f"    excused: {{from: {of}, waiver: {{rules: [firmware-floor], expires: {expires}}}}}\n"


def test_a_waiver_of_a_device_covers_its_failure() -> None:
    devices = excused("2026-12-01T00:00:00Z")
    assert expecting("excused: {firmware-floor: waived, tier: full}", devices=devices).passed


def test_a_waiver_of_a_device_covers_no_other_device() -> None:
    assert expecting("old: {firmware-floor: fail}", devices=excused("2026-12-01T00:00:00Z")).passed


@pytest.mark.parametrize("expires", ["2026-11-23T00:00:00Z", "2026-12-23T00:00:01Z"], ids=["ended", "longer-than-max"])
def test_a_waiver_outside_its_policys_terms_covers_nothing(expires: str) -> None:
    assert expecting("excused: {firmware-floor: fail}", devices=excused(expires)).passed


def test_a_failed_expectation_names_the_rule_its_place_and_the_facts_that_are_absent() -> None:
    (failure,) = expecting("silent: {secure-boot: pass}").failures
    assert failure.rule_place is not None
    assert (failure.rule_place.file, failure.rule_place.line) == ("engineering/gateway-integrity.yaml", 11)
    assert failure.require == 'boot.secure && boot.mode in ["production", "locked"]'
    assert failure.absent == ("boot.secure",)


def test_a_failed_tier_names_the_findings_that_ask_for_one() -> None:
    (failure,) = expecting("old: {tier: full}").failures
    assert "engineering/gateway-integrity#firmware-floor" in {finding.rule for finding in failure.findings}


@pytest.mark.parametrize(
    ("devices", "code"),
    [
        ("    a: {from: good, prior: {device: nobody, ago: 1h}}\n", "test.unknown-device"),
        ("    a: {from: good, prior: {device: a, ago: 1h}}\n", "test.circle"),
        (
            "    a: {from: good, prior: {device: b, ago: 1h}}\n    b: {from: good, prior: {device: a, ago: 1h}}\n",
            "test.circle",
        ),
        ("    a: {from: good, waiver: {rules: [floor], expires: 2026-12-01T00:00:00Z}}\n", "test.unknown-rule"),
        ("    a: {from: good, prior: {device: good, ago: 0s}}\n", "value.zero"),
    ],
)
def test_a_history_that_cannot_have_been_is_a_mistake(devices: str, code: str) -> None:
    files = {
        "fleet.yaml": FLEET,
        "parties.yaml": PARTIES,
        "engineering/gateway-integrity.yaml": POLICY,
        "engineering/gateway-integrity_test.yaml": TEST + devices + "  expect: {good: {secure-boot: pass}}\n",
    }
    compilation = compile_tree({name: text.encode() for name, text in files.items()}, now=NOW)
    assert {one.code for one in compilation.diagnostics if one.severity is Level.ERROR} == {code}


def test_the_tests_in_the_language_page_hold() -> None:
    page = (Path(__file__).parents[3] / "docs" / "policy-language.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    compilation = compile_tree({path: text.encode() for path, text in blocks}, now=NOW)
    assert compilation.bundle is not None and compilation.digest is not None
    assert run_policy_tests(compilation.bundle, compilation.digest, compilation.tests).passed
