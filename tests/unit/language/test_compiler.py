from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.language.compiler import compile_tree
from policyengine.model.decision import Outcome, Result, Tier
from policyengine.model.diagnostic import Level
from policyengine.model.policy import Action, Clause, Mode, Phase, Selector
from tests.unit.language.repository import NOW, base, compiled, replaced, shown


def test_a_right_repository_compiles_without_a_diagnostic() -> None:
    compilation = compiled()
    assert shown(compilation.diagnostics) == []
    assert compilation.bundle is not None
    assert compilation.digest is not None


def test_the_digest_does_not_depend_on_the_order_of_files() -> None:
    names = list(base())
    random.Random(7).shuffle(names)
    shuffled = compile_tree({name: base()[name] for name in names}, now=NOW)
    assert shuffled.digest == compiled().digest


def test_the_digest_does_not_depend_on_the_time_of_building() -> None:
    assert compiled(now=NOW + timedelta(hours=1)).digest == compiled().digest


def test_the_digest_changes_with_one_threshold() -> None:
    changed = compiled({"engineering/boot.yaml": replaced("engineering/boot.yaml", "default: 7", "default: 6")})
    assert changed.digest != compiled().digest


def test_the_digest_does_not_depend_on_the_order_of_selector_values() -> None:
    path = "fleet.yaml"
    assert (
        compiled({path: replaced(path, "[plant-a, lab, depot]", "[lab, depot, plant-a]")}).digest == compiled().digest
    )


def test_a_binding_fills_in_the_defaults_of_its_policy() -> None:
    bundle = compiled().bundle
    assert bundle is not None
    binding = next(one for one in bundle.bindings if one.name == "operations/boot-plant")
    assert binding.params == {
        "min_svn": 8,
        "max_age": "12h",
        "min_version": "4.2.0",
        "modes": ("production", "locked"),
        "motto": "none",
    }
    assert (binding.mode, binding.action, dict(binding.caps)) == (
        Mode.ENFORCE,
        Action.LIMITED,
        {"per_zone_per_hour": 5},
    )


def test_a_rule_that_reads_the_certificate_is_for_operation_only() -> None:
    bundle = compiled().bundle
    assert bundle is not None
    rules = {rule.id: rule for rule in bundle.policies["engineering/boot"].rules}  # type: ignore[index]
    assert rules["lasting"].phases == {Phase.OPERATE}
    assert rules["secure"].phases == {Phase.ENROLL, Phase.OPERATE}


def test_a_rule_remembers_its_line() -> None:
    bundle = compiled().bundle
    assert bundle is not None
    place = bundle.policies["engineering/boot"].rules[0].place  # type: ignore[index]
    assert (place.file, place.line) == ("engineering/boot.yaml", 22)


def test_a_vendors_select_is_intersected_with_its_scope() -> None:
    path = "vendors/vendor-acme/keys.yaml"
    wide = replaced(path, "  select: {model: {in: [gw-200]}}\n", "")
    compilation = compiled({path: wide})
    assert [one.code for one in compilation.diagnostics] == ["scope.narrowed"]
    assert compilation.bundle is not None
    policy = compilation.bundle.policies["vendor-acme/keys"]  # type: ignore[index]
    assert policy.select == Selector(clauses=(Clause(key="model", values=("gw-200",)),))


def test_warnings_do_not_keep_a_bundle_from_being_built() -> None:
    compilation = compiled({"facts/empty.yaml": "# nothing yet\n"})
    assert [one.severity for one in compilation.diagnostics] == [Level.WARNING]
    assert compilation.digest == compiled().digest


def test_an_error_leaves_neither_bundle_nor_digest() -> None:
    compilation = compiled({"fleet.yaml": None})
    assert compilation.bundle is None
    assert compilation.digest is None


def test_all_mistakes_are_reported_at_once_and_sorted() -> None:
    broken = replaced("engineering/boot.yaml", "boot.secure &&", "boot.secur &&").replace("1.4.0", "1.4")
    compilation = compiled({"engineering/boot.yaml": broken, "controls/etsi.yaml": "a: yes\n"})
    order = [(one.file, one.line, one.column) for one in compilation.diagnostics]
    assert order == sorted(order)
    assert {"schema.unquoted-number", "yaml.boolean", "schema.missing-key"} <= {
        one.code for one in compilation.diagnostics
    }


def test_a_reference_to_a_broken_document_is_not_reported_as_well() -> None:
    broken = replaced("engineering/boot.yaml", "severity: high", "severity: hihg")
    assert [one.code for one in compiled({"engineering/boot.yaml": broken}).diagnostics] == ["schema.enum"]


def test_a_reference_to_a_policy_that_the_reader_refuses_is_not_reported_as_well() -> None:
    broken = replaced("engineering/boot.yaml", "min: attested", "min: &x attested")
    assert [one.code for one in compiled({"engineering/boot.yaml": broken}).diagnostics] == ["yaml.anchor"]


def test_a_policy_test_has_typed_facts() -> None:
    test = next(one for one in compiled().tests if one.name == "boot")
    good = test.fixtures["good"]
    assert good.values == {
        "device": {"id": "good", "model": "gw-200", "vendor": "vendor-acme", "class": "gateway"},
        "boot": {"secure": True, "mode": "locked", "svn": 9},
        "cert": {"not_after": datetime(2027, 3, 1, tzinfo=UTC)},
    }
    assert good.age == timedelta(hours=1)


def test_a_policy_test_device_differs_from_the_one_it_is_from() -> None:
    test = next(one for one in compiled().tests if one.name == "boot")
    assert test.fixtures["silent"].values["boot"] == {"mode": "locked", "svn": 9}
    assert test.fixtures["old"].values["boot"] == {"secure": True, "mode": "locked", "svn": 3}


def test_a_policy_test_says_what_it_expects() -> None:
    test = next(one for one in compiled().tests if one.name == "boot")
    old = test.expectations[2]
    assert (old.fixture, dict(old.results), old.tier) == ("old", {"floor": Result.FAIL}, Tier.LIMITED)
    assert test.per_rule == {Outcome.PASS, Outcome.FAIL}


def test_a_waiver_is_judged_at_the_time_given() -> None:
    late = compiled(now=datetime(2026, 12, 15, tzinfo=UTC))
    assert [one.code for one in late.diagnostics] == ["waiver.expired"]


def test_a_policy_that_nothing_binds_is_worth_knowing() -> None:
    compilation = compiled(
        {
            "operations/bindings.yaml": None,
            "vendors/vendor-acme/keys.yaml": None,
            "vendors/vendor-acme/keys_test.yaml": None,
        }
    )
    assert [(one.code, one.severity) for one in compilation.diagnostics] == [("policy.unbound", Level.INFO)]


def test_a_profile_is_found_beside_its_reference_values() -> None:
    bundle = compiled().bundle
    assert bundle is not None
    assert bundle.reference_values[0].releases[0].until == datetime(2027, 6, 30, tzinfo=UTC)
    assert bundle.profiles[0].renew_at == 0.5


@given(st.sampled_from(sorted(base())), st.binary(max_size=400))
def test_any_bytes_in_any_file_give_diagnostics_only(path: str, content: bytes) -> None:
    compiled({path: content})


@given(st.sampled_from([path for path in base() if path.endswith(".yaml")]), st.data())
def test_any_cut_or_overwritten_file_gives_diagnostics_only(path: str, data: st.DataObject) -> None:
    text = base()[path]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    patch = data.draw(
        st.sampled_from([b"", b"x", b"[]", b"{}", b"''", b"0", b"1.5", b"true", b"- ", b"\n", b"{a: [b]}"])
    )
    compilation = compiled({path: text[:start] + patch + text[end:]})
    assert (compilation.bundle is None) == any(one.severity is Level.ERROR for one in compilation.diagnostics)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("fleet.yaml", "north"),
        ("facts/own.yaml", "own"),
        ("controls/etsi.yaml", "etsi"),
        ("engineering/boot_test.yaml", "boot"),
    ],
)
def test_every_kind_but_a_party_may_name_its_owner(path: str, name: str) -> None:
    def owned_by(owner: str) -> list[str]:
        changed = replaced(path, f"metadata: {{name: {name}}}", f"metadata: {{name: {name}, owner: {owner}}}")
        return [one.code for one in compiled({path: changed}).diagnostics]

    assert owned_by("engineering") == []
    assert owned_by("nobody") == ["party.unknown"]
