"""The worst-case cost of a condition follows from the bounds of the lists it runs over."""

from __future__ import annotations

import pytest

from policyengine.language.cel.cost import MAX_COST, worst_cost
from policyengine.language.cel.environment import ConditionError, Environment
from policyengine.model.schema import CORE_SCHEMA, MAX_COMPONENTS, MAX_SOFTWARE, MAX_VULNERABILITIES
from policyengine.model.types import STRING, list_of

ENVIRONMENT = Environment.for_facts(CORE_SCHEMA, {"names": list_of(STRING)})


def cost(text: str) -> int:
    return worst_cost(ENVIRONMENT.condition(text).node, CORE_SCHEMA)


def test_a_condition_without_lists_costs_its_nodes() -> None:
    assert cost("boot.svn > 1") == 3


def test_a_quantifier_multiplies_its_body_by_the_bound_of_its_list() -> None:
    assert cost("software.all(s, s.svn > 1)") == 2 + MAX_SOFTWARE * 5


def test_nested_quantifiers_multiply() -> None:
    assert cost("software.all(s, vuln.exists(v, v.component == s.name))") > MAX_SOFTWARE * MAX_VULNERABILITIES


def test_a_list_inside_a_structure_has_its_own_bound() -> None:
    assert cost("sbom.components.all(c, c.name != 'x')") > MAX_COMPONENTS


def test_a_filtered_list_keeps_the_bound_of_its_source() -> None:
    assert cost("sbom.components.filter(c, c.name != 'x').all(c, c.license != 'y')") > 2 * MAX_COMPONENTS


def test_a_list_literal_has_its_length() -> None:
    assert cost("[1, 2, 3].all(x, x > 0)") < 30


def test_a_bound_list_keeps_its_bound() -> None:
    direct = cost("sbom.components.all(c, c.name != 'x')")
    assert cost("cel.bind(all_of_them, sbom.components, all_of_them.all(c, c.name != 'x'))") >= direct


def test_a_let_counts_where_it_is_used() -> None:
    environment = ENVIRONMENT.with_let("names", "sbom.components.map(c, c.name)")
    assert worst_cost(environment.condition("let.names.size() > 0").node, CORE_SCHEMA) > MAX_COMPONENTS


def test_looking_into_a_list_costs_its_length() -> None:
    assert cost("22 in net.open_ports") > 256


def test_comparing_all_pairs_costs_the_square() -> None:
    assert cost("sets.contains(net.protocols, ['mqtt'])") > 256 * 256


def test_two_small_lists_of_facts_may_be_nested() -> None:
    assert cost("software.all(s, vuln.exists(v, v.kev))") <= MAX_COST


def test_two_large_lists_of_facts_may_not_be_nested() -> None:
    with pytest.raises(ConditionError) as caught:
        ENVIRONMENT.condition("vuln.all(v, sbom.components.exists(c, c.name == v.component))")
    assert [problem.code for problem in caught.value.problems] == ["cel.cost"]


@pytest.mark.parametrize(
    ("marked", "because"),
    [
        (
            "boot.secure && vuln.^all(v, sbom.components.exists(c, c.name == v.component))",
            "`all` over `vuln` goes round 1024 times, each time `exists` over `sbom.components` goes round 4096 times, "
            "each time 6 steps",
        ),
        (
            "sets.^contains(sbom.components.map(c, c.name), sbom.components.map(c, c.license))",
            "`sets.contains` takes 16777217 steps",
        ),
        (
            "lists.range(60000).^all(i, vuln.exists(v, v.kev))",
            "`all` over what `lists.range` gives goes round 60000 times, each time "
            "`exists` over `vuln` goes round 1024 times, each time 2 steps",
        ),
    ],
)
def test_a_condition_that_is_too_dear_is_told_which_part_costs_what_at_its_place(marked: str, because: str) -> None:
    with pytest.raises(ConditionError) as caught:
        ENVIRONMENT.condition(marked.replace("^", ""))
    (problem,) = caught.value.problems
    assert problem.offset == marked.index("^")
    assert problem.message.endswith(f"the limit is {MAX_COST}: {because}")
