"""Selectors as sets, checked against the meaning: which of all small devices they match."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from policyengine.model.policy import Clause, Enforcement, Fleet, Model, Selector, UnknownDevices
from policyengine.model.selection import intersection, is_within, models_of, selects_nothing

MODELS = {
    name: Model(name=name, vendor=vendor, device_class=kind, version_scheme="semver")
    for name, vendor, kind in [("m1", "v1", "c1"), ("m2", "v1", "c2"), ("m3", "v2", "c2")]
}
FLEET = Fleet(
    name="f",
    enforcement=Enforcement.OBSERVE,
    unknown_devices=UnknownDevices.REFUSE,
    sites=("s1", "s2"),
    zones=(),
    models=MODELS,
)
VALUES = {"model": list(MODELS), "vendor": ["v1", "v2"], "class": ["c1", "c2"], "site": ["s1", "s2", "s3"]}
DEVICES = [
    {"model": name, "vendor": model.vendor, "class": model.device_class, "site": site}
    for (name, model), site in product(MODELS.items(), ["s1", "s2", "s3", "s4"])
]

clauses = st.sampled_from(sorted(VALUES)).flatmap(
    lambda key: st.builds(
        Clause,
        key=st.just(key),
        values=st.lists(st.sampled_from(VALUES[key]), min_size=1, unique=True).map(tuple),
        negated=st.booleans(),
    )
)
selectors = st.builds(Selector, clauses=st.lists(clauses, max_size=4).map(tuple))


def matches(selector: Selector, device: dict[str, str]) -> bool:
    return all((device[clause.key] in clause.values) is not clause.negated for clause in selector.clauses)


@given(selectors, selectors)
def test_an_intersection_matches_what_both_match(one: Selector, other: Selector) -> None:
    both = intersection(one, other)
    assert [matches(both, device) for device in DEVICES] == [
        matches(one, device) and matches(other, device) for device in DEVICES
    ]


@given(selectors)
def test_a_selector_that_selects_nothing_matches_no_device(selector: Selector) -> None:
    if selects_nothing(selector, FLEET):
        assert not any(matches(selector, device) for device in DEVICES)


@given(selectors)
def test_a_selector_that_matches_no_device_on_any_site_selects_nothing(selector: Selector) -> None:
    if not any(matches(selector, device) for device in DEVICES):
        assert selects_nothing(selector, FLEET)


@given(selectors, selectors)
def test_a_selector_within_another_matches_nothing_outside_it(inner: Selector, outer: Selector) -> None:
    if is_within(inner, outer, FLEET):
        assert all(matches(outer, device) for device in DEVICES if matches(inner, device))


@given(selectors)
def test_the_models_of_a_selector_are_those_its_model_clauses_admit(selector: Selector) -> None:
    named = Selector(clauses=tuple(clause for clause in selector.clauses if clause.key != "site"))
    assert models_of(selector, FLEET) == {device["model"] for device in DEVICES if matches(named, device)}


@given(selectors)
def test_an_intersection_has_one_form(selector: Selector) -> None:
    assert intersection(selector) == intersection(intersection(selector), selector)
