"""A change to a policy that its tests do not notice survives, and is shown with its place and a hint."""

from __future__ import annotations

import pytest

from policyengine.language.source_places import SourcePlaces
from policyengine.services.authoring import policy_mutation
from policyengine.services.authoring.policy_mutation import PolicyMutation, mutations_of, score
from tests.unit.language.repository import base, compiled

SMALL = """\
apiVersion: policyengine/v1
kind: Policy
metadata: {name: small, version: 1.0.0, owner: engineering, title: Small}
spec:
  severity: high
  controls: ["etsi:5.7-1"]
  params: {limit: {type: int, default: 7, tighter: higher}}
  rules:
    - id: floor
      require: boot.svn >= params.limit
      evidence: {min: attested, fresh: 24h, onUnknown: {hold: 72h}}
  ceiling: quarantine
"""
BINDING = """\
apiVersion: policyengine/v1
kind: Binding
metadata: {name: small, owner: operations}
spec: {policy: engineering/small, mode: enforce, action: limited}
"""
HEAD = """\
apiVersion: policyengine/v1
kind: PolicyTest
metadata: {name: small}
spec:
  policy: engineering/small
  now: 2026-11-23T00:00:00Z
  devices:
    good: {model: gw-200, facts: {boot.svn: 7}, evidence: {source: attested, age: 23h}}
    old: {from: good, set: {boot.svn: 6}}
    stale: {from: good, evidence: {source: attested, age: 24h}}
    hearsay: {from: good, evidence: {source: certified, age: 1h}}
    quiet: {from: good, unset: [boot], prior: {device: good, ago: 1h}}
    quiet-long: {from: quiet, prior: {device: quiet, ago: 71h}}
    gone: {from: quiet, prior: {device: quiet, ago: 72h}}
  expect:
"""
ALL = (
    "good: {floor: pass}",
    "old: {floor: fail, tier: limited}",
    "stale: {floor: unknown}",
    "hearsay: {floor: unknown}",
    "quiet: {tier: full}",
    "quiet-long: {tier: full}",
    "gone: {tier: limited}",
)


def mutated(*expectations: str) -> PolicyMutation:
    changes: dict[str, bytes | str | None] = {
        "engineering/small.yaml": SMALL,
        "engineering/small_test.yaml": HEAD + "".join(f"    {line}\n" for line in expectations),
        "operations/small.yaml": BINDING,
    }
    found = compiled(changes)
    assert found.bundle is not None and found.digest is not None, found.diagnostics
    files = {**base(), **{path: str(text).encode() for path, text in changes.items()}}
    listed = mutations_of(found.bundle, found.digest, found.tests, SourcePlaces(files))
    return next(one for one in listed if one.policy == "engineering/small")


def without(name: str) -> PolicyMutation:
    return mutated(*(line for line in ALL if not line.startswith(f"{name}:")))


def test_a_thorough_test_notices_every_change() -> None:
    found = mutated(*ALL)
    assert found.survivors == ()
    assert (found.mutants, found.killed, score([found])) == (13, 13, 100.0)


@pytest.mark.parametrize(
    ("device", "change"),
    [
        ("old", "params.limit = 6"),
        ("stale", "fresh: 25h"),
        ("hearsay", "min: certified"),
        ("quiet-long", "onUnknown: {hold: 48h}"),
        ("gone", "onUnknown: {hold: 96h}"),
    ],
)
def test_a_change_survives_without_the_device_that_shows_it(device: str, change: str) -> None:
    assert change in {survivor.mutated for survivor in without(device).survivors}


def test_a_survivor_has_line_and_column_and_a_hint() -> None:
    (found,) = without("hearsay").survivors
    assert (found.rule, found.place.file, found.place.line) == ("floor", "engineering/small.yaml", 11)
    assert found.place.column == 23
    assert found.hint == "a device whose evidence is only `certified`"


def test_a_survivor_in_a_param_stands_at_its_default() -> None:
    found = {survivor.mutated: survivor.place for survivor in without("old").survivors}
    assert (found["params.limit = 6"].line, found["params.limit = 6"].column) == (7, 40)


def test_a_survivor_in_a_binding_stands_in_the_bindings_file() -> None:
    found = {survivor.mutated: survivor.place for survivor in mutated("good: {floor: pass}").survivors}
    assert (found["mode: warn"].file, found["mode: warn"].line) == ("operations/small.yaml", 4)


def test_a_policy_without_a_test_keeps_all_its_mutants() -> None:
    found = compiled({"engineering/boot_test.yaml": None})
    assert found.bundle is not None and found.digest is not None
    (boot, _) = mutations_of(found.bundle, found.digest, found.tests, SourcePlaces(base()))
    assert boot.killed == 0 < boot.mutants


def test_what_no_expectation_looks_at_is_not_noticed() -> None:
    survivors = {survivor.mutated for survivor in mutated("stale: {floor: unknown}").survivors}
    assert {"boot.svn > params.limit", "min: certified", "mode: warn"} <= survivors


def test_two_runs_find_the_same() -> None:
    assert mutated(*ALL[:2]) == mutated(*ALL[:2])


def test_beyond_the_limit_mutants_are_thinned_out_evenly_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_mutation, "MAX_MUTANTS", 5)
    found = mutated(*ALL)
    assert (found.mutants, found.left_out) == (5, 8)


def test_nothing_to_change_is_a_full_score() -> None:
    assert score([]) == 100.0
