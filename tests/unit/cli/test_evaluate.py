"""`policyengine evaluate`: a Decision on stdout, or a problem document on stderr and exit 2 (DESIGN section 11)."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from policyengine.cli.main import app

SHAPE = json.loads((files("policyengine.model") / "shapes" / "decision.schema.json").read_text())
PARTIES = """\
apiVersion: policyengine/v1
kind: Party
metadata: {name: engineering}
spec:
  role: engineering
  keys: [{id: e, ed25519: "A5OKzGAJOAfeGhYOlkhmEBxzHlnS5KuBLhVb1GRpCO0="}]
  scope: {}
  may: [tighten, loosen, enforce, waive]
---
apiVersion: policyengine/v1
kind: Party
metadata: {name: acme}
spec:
  role: vendor
  keys: [{id: a, ed25519: "9Z82grkfJiMW7gAy0DbHoyS4t98ncQbbRJW7j5NcLQY="}]
  scope: {model: {in: [gw-200]}}
  may: [tighten]
"""
FLEET = """\
apiVersion: policyengine/v1
kind: Fleet
metadata: {name: test}
spec:
  enforcement: enforce
  enrollment: {unknown: refuse}
  sites: [plant-a]
  zones: [line-1]
  models: {gw-200: {vendor: acme, class: gateway, versionScheme: semver}}
"""
POLICY = """\
apiVersion: policyengine/v1
kind: Policy
metadata: {name: boot, version: 1.0.0, owner: engineering, title: Boot}
spec:
  severity: high
  controls: []
  select: {model: {in: [gw-200]}}
  rules:
    - id: secure
      require: boot.secure
      evidence: {fresh: 24h, onUnknown: {hold: 72h}}
      message: "secure boot is {boot.secure}"
      remediation: Turn it on.
  ceiling: quarantine
  waivers: {max: 30d, approvals: [engineering]}
---
apiVersion: policyengine/v1
kind: Binding
metadata: {name: boot, owner: engineering}
spec: {policy: engineering/boot, where: {}, mode: enforce, action: quarantine}
"""
WAIVER = """\
apiVersion: policyengine/v1
kind: Waiver
metadata: {name: spare, owner: engineering}
spec:
  policy: engineering/boot
  rules: [secure]
  where: {device: {in: [gw-0001]}}
  reason: Spare part ordered
  ticket: OPS-1
  compensatingControl: Isolated
  approvals: [engineering]
  expires: "2026-12-15T00:00:00Z"
"""
NOW = "2026-11-23T12:00:00Z"


def facts(**boot: object) -> dict[str, Any]:
    seen = {"source": "attested", "observed_at": "2026-11-23T00:00:00Z"}
    return {
        "device_id": "gw-0001",
        "facts": {"device": {"model": "gw-200"}, "boot": boot},
        "provenance": {"": seen, "device": {**seen, "source": "certified"}},
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    written = {"fleet.yaml": FLEET, "parties.yaml": PARTIES, "engineering/boot.yaml": POLICY}
    for name, content in written.items():
        path = tmp_path / "policies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def evaluate(tree: Path, document: object, *more: str, now: str = NOW) -> Result:
    path = tree / "facts.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    options = ["--policies", str(tree / "policies"), "--facts", str(path), "--now", now, *more]
    return CliRunner().invoke(app, ["evaluate", *options])


def decision(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_a_decision_has_the_published_shape(tree: Path) -> None:
    jsonschema.validate(decision(evaluate(tree, facts(secure=True))), SHAPE)


def test_a_table_of_the_findings_ends_with_the_tier_and_until_when_it_holds(tree: Path) -> None:
    shown = evaluate(tree, facts(secure=False), "--output", "table").stdout.splitlines()
    assert shown[1].split() == [
        "engineering/boot#secure",
        "engineering/boot",
        "fail",
        "enforce",
        "quarantine",
        "rule.false",
    ]
    assert shown[-1].startswith("gw-0001: quarantine until 2026-11-")


def test_a_failure_names_rule_file_line_and_fact(tree: Path) -> None:
    found = decision(evaluate(tree, facts(secure=False)))
    (finding,) = found["findings"]
    assert (found["tier"], finding["rule"], finding["message"]) == (
        "quarantine",
        "engineering/boot#secure",
        "secure boot is false",
    )
    assert (finding["source"]["file"], finding["source"]["line"]) == ("engineering/boot.yaml", 9)
    assert finding["facts"]["boot.secure"]["source"] == "attested"


def test_the_same_inputs_print_the_same_bytes(tree: Path) -> None:
    assert evaluate(tree, facts(secure=True)).stdout == evaluate(tree, facts(secure=True)).stdout


def test_an_enrolment_without_any_pass_is_denied(tree: Path) -> None:
    found = decision(evaluate(tree, facts(), "--phase", "enroll"))
    assert (found["phase"], found["tier"], found["reason"]) == ("enroll", "deny", "decision.no-policy")


def test_a_previous_decision_lets_an_unknown_hold(tree: Path) -> None:
    before = tree / "before.json"
    before.write_text(evaluate(tree, facts(secure=True)).stdout)
    later = evaluate(tree, facts(secure=True), "--prior", str(before), now="2026-11-24T12:00:00Z")
    found = decision(later)
    assert (found["tier"], found["previous_tier"], found["findings"][0]["reason"]) == ("full", "full", "fact.stale")


def test_a_rule_that_is_not_for_the_device_is_listed_as_skipped(tree: Path) -> None:
    document = facts(secure=True)
    document["facts"]["device"]["model"] = "plc-1"
    (found,) = decision(evaluate(tree, document))["findings"]
    assert (found["rule"], found["result"], found["reason"]) == ("engineering/boot#secure", "skip", "selector.no-match")


def test_a_waiver_is_judged_at_the_time_given(tree: Path) -> None:
    path = tree / "policies" / "waivers" / "spare.yaml"
    path.parent.mkdir()
    path.write_text(WAIVER)
    running = decision(evaluate(tree, facts(secure=False)))
    ended = decision(evaluate(tree, facts(secure=False), now="2026-12-15T00:00:00Z"))
    assert (running["tier"], running["findings"][0]["waiver"]) == ("full", "spare")
    assert ended["tier"] == "quarantine"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('expires: "2026-12-15T00:00:00Z"', 'expires: "2027-12-15T00:00:00Z"'),
        ("rules: [secure]", "rules: [no-such-rule]"),
    ],
    ids=["too long", "no such rule"],
)
def test_a_waiver_that_check_refuses_covers_nothing(tree: Path, written: str, meant: str) -> None:
    """DESIGN section 6: such a waiver is a `check` error and covers nothing."""
    path = tree / "policies" / "waivers" / "spare.yaml"
    path.parent.mkdir()
    assert written in WAIVER
    path.write_text(WAIVER.replace(written, meant))
    found = decision(evaluate(tree, facts(secure=False)))
    assert (found["tier"], found["findings"][0]["waiver"]) == ("quarantine", None)


def test_a_refused_waiver_leaves_others_in_its_file_as_they_are(tree: Path) -> None:
    path = tree / "policies" / "waivers" / "spare.yaml"
    path.parent.mkdir()
    ended = WAIVER.replace("name: spare", "name: ended").replace("2026-12-15", "2026-11-01")
    path.write_text(f"{ended}---\n{WAIVER}")
    found = decision(evaluate(tree, facts(secure=False)))
    assert (found["tier"], found["findings"][0]["waiver"]) == ("full", "spare")


def test_a_policy_that_cannot_be_waived_is_not(tree: Path) -> None:
    boot = tree / "policies" / "engineering" / "boot.yaml"
    boot.write_text(boot.read_text().replace("  waivers: {max: 30d, approvals: [engineering]}\n", ""))
    path = tree / "policies" / "waivers" / "spare.yaml"
    path.parent.mkdir()
    path.write_text(WAIVER)
    assert decision(evaluate(tree, facts(secure=False)))["findings"][0]["result"] == "fail"


@pytest.mark.parametrize(
    ("document", "code", "path"),
    [
        (facts(secure=None), "facts.type", "boot.secure"),
        (facts(sekure=True), "facts.undeclared", "boot.sekure"),
        ('{"device_id": "a", "device_id": "b"}', "json.duplicate-key", None),
        ("{", "json.syntax", None),
    ],
)
def test_refused_facts_are_a_problem_document_and_exit_2(
    tree: Path, document: object, code: str, path: str | None
) -> None:
    result = evaluate(tree, document)
    problem = json.loads(result.stderr)
    assert (result.exit_code, result.stdout, problem["code"], problem.get("path")) == (2, "", code, path)


def test_policies_that_do_not_compile_are_refused_with_their_first_error(tree: Path) -> None:
    (tree / "policies" / "engineering" / "boot.yaml").write_text(POLICY.replace("boot.secure\n", "boot.sekure\n"))
    result = evaluate(tree, facts(secure=True))
    problem = json.loads(result.stderr)
    assert (result.exit_code, problem["code"]) == (2, "policies.invalid")
    assert problem["first"].startswith("engineering/boot.yaml:")


def test_a_missing_file_and_an_ill_formed_time_are_refused(tree: Path) -> None:
    missing = evaluate(tree, facts(), "--prior", str(tree / "none.json"))
    ill_formed = evaluate(tree, facts(), now="yesterday")
    assert (missing.exit_code, ill_formed.exit_code) == (2, 2)
    assert json.loads(ill_formed.stderr)["code"] == "time.invalid"


def test_a_previous_decision_on_another_device_carries_nothing_over(tree: Path) -> None:
    """A hold repeats what was decided last on this device (DESIGN section 6), never what was on another."""
    other = tree / "other.json"
    other.write_text(json.dumps({**decision(evaluate(tree, facts(secure=True))), "device_id": "gw-9999"}))
    refused = evaluate(tree, facts(), "--prior", str(other))
    assert (refused.exit_code, json.loads(refused.stderr)["code"]) == (2, "prior.invalid")


def test_a_file_without_end_is_refused_when_it_is_too_large(tree: Path) -> None:
    endless = evaluate(tree, facts(), "--prior", "/dev/zero")
    assert (endless.exit_code, json.loads(endless.stderr)["code"]) == (2, "json.too-large")
