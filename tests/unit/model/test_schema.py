import pytest

from policyengine.model.schema import CORE_SCHEMA, UnknownFactError
from policyengine.model.types import BOOL, INT, STRING, VERSION


def test_a_fact_has_its_declared_type() -> None:
    assert CORE_SCHEMA.type_of(("boot", "svn")) == INT


def test_a_field_of_a_list_element_is_named_without_index() -> None:
    assert CORE_SCHEMA.type_of(("software", "version")) == VERSION


def test_a_map_has_values_under_any_key() -> None:
    assert CORE_SCHEMA.type_of(("device", "labels", "ring")) == STRING


@pytest.mark.parametrize("path", [(), ("bot",), ("boot", "secur"), ("boot", "secure", "x"), ("org", "ring")])
def test_an_undeclared_path_is_refused(path: tuple[str, ...]) -> None:
    with pytest.raises(UnknownFactError):
        CORE_SCHEMA.type_of(path)


def test_a_fleet_declares_its_own_facts_below_org() -> None:
    assert CORE_SCHEMA.with_org({"inspected": BOOL}).type_of(("org", "inspected")) == BOOL


def test_every_structure_is_reachable_and_every_leaf_is_explained() -> None:
    leaves = dict(CORE_SCHEMA.leaves())
    assert ("sbom", "components", "purl") in leaves
    assert all(spec.meaning for spec in leaves.values())
