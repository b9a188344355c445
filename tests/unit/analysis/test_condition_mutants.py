"""Conditions get one small mistake each: every kind that people make, none that means the same."""

from __future__ import annotations

import pytest

from policyengine.analysis.condition_mutants import mutants_of
from policyengine.language.cel.environment import Environment
from policyengine.model.expression_text import condition_text
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.types import INT

ENVIRONMENT = Environment.for_facts(CORE_SCHEMA, {"limit": INT})


def mutants(text: str) -> set[str]:
    return {condition_text(change.condition) for change in mutants_of(ENVIRONMENT.condition(text).node)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("boot.secure && evidence.fresh", {"boot.secure || evidence.fresh", "evidence.fresh", "boot.secure"}),
        ("boot.secure || evidence.fresh", {"boot.secure && evidence.fresh", "evidence.fresh", "boot.secure"}),
        ("!boot.secure", {"boot.secure"}),
        ("boot.svn == params.limit", {"boot.svn != params.limit"}),
        ("boot.svn >= params.limit", {"boot.svn < params.limit", "boot.svn > params.limit"}),
        ("boot.svn < params.limit", {"boot.svn >= params.limit", "boot.svn <= params.limit"}),
        ('boot.mode in ["a", "b"]', {'!(boot.mode in ["a", "b"])', 'boot.mode in ["a"]', 'boot.mode in ["b"]'}),
        ('boot.mode == "a"', {'boot.mode != "a"', 'boot.mode == "a~"'}),
        ("boot.secure == true", {"boot.secure != true", "boot.secure == false"}),
        ("vuln.all(v, v.kev)", {"vuln.exists(v, v.kev)"}),
        ("vuln.exists(v, v.kev)", {"vuln.all(v, v.kev)"}),
        ("vuln.exists_one(v, v.kev)", {"vuln.exists(v, v.kev)"}),
        (
            'cert.not_after - now > duration("48h")',
            {
                'cert.not_after - now <= duration("48h")',
                'cert.not_after - now >= duration("48h")',
                'cert.not_after - now > duration("24h")',
                'cert.not_after - now > duration("72h")',
            },
        ),
        (
            'model.latest_version.atLeast("4.2.0")',
            {'model.latest_version.atLeast("4.2.1")'},
        ),
        (
            'device.serial.matches("^A[0-9]{8}$")',
            {
                'device.serial.matches("A[0-9]{8}$")',
                'device.serial.matches("^A[0-9]{8}")',
                'device.serial.matches("^A[0-9]{7}$")',
                'device.serial.matches("^A[0-9]{9}$")',
            },
        ),
        (
            "boot.secure ? evidence.fresh : evidence.verified",
            {"boot.secure ? evidence.verified : evidence.fresh"},
        ),
        (
            "vuln.all(v, v.cvss < 7.0)",
            {
                "vuln.exists(v, v.cvss < 7.0)",
                "vuln.all(v, v.cvss >= 7.0)",
                "vuln.all(v, v.cvss <= 7.0)",
                "vuln.all(v, v.cvss < 6.9)",
                "vuln.all(v, v.cvss < 7.1)",
            },
        ),
    ],
)
def test_each_kind_of_part_gets_its_mistakes(text: str, expected: set[str]) -> None:
    assert mutants(text) == expected


def test_a_limit_is_not_shifted_twice_the_same_way() -> None:
    """`boot.svn > 7` and `boot.svn >= 8` mean the same."""
    assert mutants("boot.svn >= 7") == {"boot.svn < 7", "boot.svn > 7", "boot.svn >= 6"}


def test_a_denial_is_not_undone_twice() -> None:
    """`!(a == b)` without `!`, and with `!=`, mean the same."""
    assert mutants("!(boot.svn == params.limit)") == {"boot.svn == params.limit"}


def test_no_mutant_is_the_original_and_none_comes_twice() -> None:
    node = ENVIRONMENT.condition('boot.secure && (boot.secure || boot.mode in ["a", "a"])').node
    changed = [change.condition for change in mutants_of(node)]
    assert node not in changed
    assert len(set(changed)) == len(changed)


def test_mutants_come_in_the_same_order_each_time() -> None:
    node = ENVIRONMENT.condition('boot.secure && boot.svn >= 7 && boot.mode in ["a", "b"]').node
    assert list(mutants_of(node)) == list(mutants_of(node))


def test_a_change_names_the_part_and_where_it_stands() -> None:
    text = "boot.secure && boot.svn >= 7"
    changes = list(mutants_of(ENVIRONMENT.condition(text).node))
    (found,) = [change for change in changes if change.mutated == "boot.svn > 7"]
    assert (found.original, text[found.offset :], found.let) == ("boot.svn >= 7", "boot.svn >= 7", None)
    assert found.hint == "a device on which `boot.svn` and `7` are equal"


def test_a_change_in_a_let_says_so() -> None:
    node = ENVIRONMENT.with_let("old", "boot.svn < 7").condition("!let.old").node
    assert {change.let for change in mutants_of(node)} == {None, "old"}
