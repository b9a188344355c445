"""Coverage says which results and which parts of a condition no test device has shown, and where they stand."""

from __future__ import annotations

import pytest

from policyengine.language.source_places import SourcePlaces
from policyengine.services.authoring.policy_coverage import PolicyCoverage, coverage_of, percent
from tests.unit.language.repository import base, compiled

POLICY = """\
apiVersion: policyengine/v1
kind: Policy
metadata: {{name: small, version: 1.0.0, owner: engineering, title: Small}}
spec:
  severity: high
  controls: ["etsi:5.7-1"]
  params: {{limit: {{type: int, default: 7, tighter: higher}}}}
  {lets}
  rules:
    - id: only
      require: {require}
  ceiling: quarantine
"""
TEST = """\
apiVersion: policyengine/v1
kind: PolicyTest
metadata: {{name: small}}
spec:
  policy: engineering/small
  now: 2026-11-23T00:00:00Z
  devices:
{devices}
  expect: {{a: {{only: pass}}}}
"""


def measured(require: str, *devices: str, lets: str = "") -> PolicyCoverage:
    """Return the coverage of a policy with one rule by `devices`, each the facts of one."""
    listed = "\n".join(
        f"    {name}: {{model: gw-200, {facts}}}" for name, facts in zip("abcdefgh", devices, strict=False)
    )
    changes = {
        "engineering/small.yaml": POLICY.format(require=require, lets=f"let: {{{lets}}}" if lets else ""),
        "engineering/small_test.yaml": TEST.format(devices=listed),
    }
    found = compiled(dict(changes))
    assert found.bundle is not None and found.digest is not None, found.diagnostics
    files = {**base(), **{path: text.encode() for path, text in changes.items()}}
    small = [test for test in found.tests if test.name == "small"]
    coverage = coverage_of(found.bundle, found.digest, small, SourcePlaces(files))
    return next(one for one in coverage if one.policy == "engineering/small")


def missing(coverage: PolicyCoverage) -> set[tuple[str, bool]]:
    return {(goal.expression, goal.value) for goal in coverage.unseen if goal.value is not None}


def outcomes(coverage: PolicyCoverage) -> set[str]:
    return {goal.outcome.value for goal in coverage.unseen if goal.outcome is not None}


ON, OFF = "facts: {boot.secure: true, boot.svn: 9}", "facts: {boot.secure: false, boot.svn: 9}"
OLD = "facts: {boot.secure: true, boot.svn: 3}"
NEITHER, SILENT = "facts: {boot.secure: false, boot.svn: 3}", "facts: {}"


def test_a_rule_that_every_result_was_seen_of_is_covered() -> None:
    coverage = measured("boot.secure", ON, OFF, SILENT)
    assert (coverage.goals, coverage.reached, percent([coverage])) == (3, 3, 100.0)


def test_results_that_no_device_shows_are_named() -> None:
    assert outcomes(measured("boot.secure", ON)) == {"fail", "unknown"}


def test_a_rule_that_reads_no_fact_can_never_be_unknown() -> None:
    assert outcomes(measured('now < timestamp("2030-01-01T00:00:00Z")', ON)) == {"fail"}


def test_an_operand_of_a_conjunction_is_false_only_where_no_other_is() -> None:
    """With both false, either could be removed and nobody would notice."""
    require = "boot.secure && boot.svn >= params.limit"
    both = {("boot.secure", False), ("boot.svn >= params.limit", False)}
    assert missing(measured(require, ON, NEITHER)) == both
    assert missing(measured(require, ON, NEITHER, OFF)) == both - {("boot.secure", False)}
    assert missing(measured(require, ON, OFF, OLD)) == set()


def test_an_operand_of_a_disjunction_is_true_only_where_no_other_is() -> None:
    require = "boot.secure || boot.svn >= params.limit"
    assert missing(measured(require, ON, NEITHER)) == {("boot.secure", True), ("boot.svn >= params.limit", True)}
    assert missing(measured(require, OLD, OFF, NEITHER)) == set()


def test_an_unknown_operand_is_seen_as_neither() -> None:
    assert ("boot.secure", False) in missing(measured("boot.secure && boot.svn > 1", ON, SILENT))


def test_a_nested_operand_matters_only_where_its_group_does() -> None:
    """`boot.svn > 5` decides nothing on a device that fails `boot.secure` anyway."""
    require = "boot.secure && (boot.svn > 5 || boot.count > 5)"
    high = "facts: {boot.secure: false, boot.svn: 9, boot.count: 1}"
    low = "facts: {boot.secure: true, boot.svn: 1, boot.count: 1}"
    assert ("boot.svn > 5", True) in missing(measured(require, high, low))


def test_both_ways_of_a_choice_are_asked_for() -> None:
    require = "'boot.secure ? boot.svn > 5 : boot.mode == \"locked\"'"
    assert missing(measured(require, ON)) == {("boot.secure", False)}


def test_operands_inside_a_macro_are_seen_on_elements() -> None:
    require = 'software.all(c, c.match == "endorsed" || c.name == "app")'
    one = "facts: {software: [{name: app, match: endorsed}]}"
    other = "facts: {software: [{name: app, match: endorsed}, {name: os, match: unknown}]}"
    never = {('c.match == "endorsed"', False), ('c.name == "app"', False)}
    assert missing(measured(require, one)) == never
    assert missing(measured(require, one, other)) == set()


def test_operands_in_a_let_stand_in_the_lets_text() -> None:
    coverage = measured("let.fine", ON, lets="fine: boot.secure && boot.svn >= 5")
    (goal,) = [goal for goal in coverage.unseen if goal.expression == "boot.svn >= 5"]
    assert (goal.value, goal.place.line, goal.place.column) == (False, 8, 30)


def test_an_unseen_operand_has_the_line_and_column_of_its_first_character() -> None:
    coverage = measured("boot.secure && (boot.count > 1 || boot.svn >= params.limit)", ON)
    (goal,) = [goal for goal in coverage.unseen if goal.expression == "boot.svn >= params.limit" and not goal.value]
    assert (goal.place.file, goal.place.line, goal.place.column) == ("engineering/small.yaml", 11, 50)


@pytest.mark.parametrize("devices", [(), (ON,)], ids=["nothing", "one-device"])
def test_what_was_seen_and_what_was_not_make_up_all_goals(devices: tuple[str, ...]) -> None:
    coverage = measured("boot.secure && boot.svn > 1", *(devices or (SILENT,)))
    assert coverage.reached + len(coverage.unseen) == coverage.goals == 7


def test_a_policy_without_a_test_has_reached_nothing() -> None:
    found = compiled()
    assert found.bundle is not None and found.digest is not None
    coverage = coverage_of(found.bundle, found.digest, (), SourcePlaces(base()))
    assert [one.reached for one in coverage] == [0, 0]


def test_waivers_change_no_coverage() -> None:
    waived = "facts: {boot.secure: false}, waiver: {rules: [only], expires: 2026-12-01T00:00:00Z}"
    assert outcomes(measured("boot.secure", ON, waived)) == {"unknown"}
