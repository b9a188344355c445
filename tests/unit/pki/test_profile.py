"""Profiles and names: what compiles is issuable, and what is not says why."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki import names
from pki.builtin import issuing_terms, result_signer_terms, root_terms, tls_server_terms
from pki.errors import NameRefusedError, PkiError, ProfileError, TierIssuesNothingError
from pki.names import fill_dns, fill_subject, fill_uri, subject_template
from pki.profile import KeyUsageBit, Use
from tests.unit.pki.making import TierSource, profile


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": ("p192",)}, "profile.key"),
        ({"key": ()}, "profile.key"),
        ({"lifetime": timedelta(days=2000)}, "profile.lifetime"),
        ({"lifetime": timedelta(0)}, "profile.lifetime"),
        ({"tiers": {"limited": TierSource(lifetime=timedelta(days=2000))}}, "profile.lifetime"),
        ({"renew_at": 1.0}, "profile.renew-at"),
        ({"late_renewal": timedelta(0)}, "profile.late-renewal"),
        ({"late_renewal": timedelta(days=367)}, "profile.late-renewal"),
        ({"renew_at": 0.0}, "profile.renew-at"),
        ({"eku": ("any",)}, "profile.eku"),
        ({"eku": ()}, "profile.eku"),
        ({"tiers": {"limited": TierSource(eku=("code-signing",))}}, "profile.eku"),
        ({"san_dns": ("{device.id}",)}, "profile.san"),
        ({"san_dns": ("{device.id}.com",)}, "profile.san"),
        ({"san_dns": ("*.devices.example",)}, "name.dns"),
        ({"san_dns": ("{device.secret}.devices.example",)}, "name.placeholder"),
        ({"san_dns": ("{device.id.devices.example",)}, "name.placeholder"),
        ({"san_uri": ("not a uri",)}, "name.uri"),
        ({"subject": "gw"}, "name.template"),
        ({"subject": "CN="}, "name.template"),
        ({"subject": "CN=" + "x" * 600}, "name.template"),
        ({"subject": "DC=example"}, "name.attribute"),
    ],
)
def test_a_profile_that_could_not_be_honoured_does_not_compile(changes: dict[str, object], code: str) -> None:
    with pytest.raises(PkiError) as refused:
        profile(**changes)
    assert refused.value.code == code


def test_a_tier_that_is_not_named_issues_nothing() -> None:
    with pytest.raises(TierIssuesNothingError):
        profile().for_tier("quarantine")


def test_a_tier_overrides_only_what_it_says() -> None:
    both = profile(tiers={"full": TierSource(), "limited": TierSource(lifetime=timedelta(hours=24))})
    assert both.for_tier("limited").lifetime == timedelta(hours=24)
    assert both.for_tier("limited").uses == both.for_tier("full").uses == (Use.CLIENT_AUTH,)


def test_the_digest_names_the_content() -> None:
    assert profile().digest == profile().digest
    assert profile().digest != profile(lifetime=timedelta(days=13)).digest


def test_an_issuing_ca_is_bound_to_a_domain() -> None:
    with pytest.raises(ProfileError):
        issuing_terms(domains=(), addresses=())


def test_built_in_profiles_separate_cas_from_everything_else() -> None:
    server = tls_server_terms(hosts=("localhost",), addresses=(ip_address("127.0.0.1"),))
    cas = [root_terms(), issuing_terms(domains=("devices.example",), addresses=())]
    assert all(KeyUsageBit.KEY_CERT_SIGN in terms.key_usage and terms.ca for terms in cas)
    assert all(terms.key_usage == {KeyUsageBit.DIGITAL_SIGNATURE} for terms in (server, result_signer_terms()))
    assert all(terms.ca is None for terms in (server, result_signer_terms()))


def test_two_devices_cannot_share_a_name_by_moving_a_dot() -> None:
    template = "{device.id}.{device.site}.devices.example"
    with pytest.raises(NameRefusedError) as refused:
        fill_dns(template, {"device.id": "a.b", "device.site": "c"})
    assert refused.value.code == "name.dns-label"


@pytest.mark.parametrize("value", ["", "a b", "a_b", "-a", "a-", "ä", "\uff41", "a\x00", "*", "a" * 64])
def test_a_value_that_is_no_label_makes_no_dns_name(value: str) -> None:
    with pytest.raises(NameRefusedError):
        fill_dns("{device.id}.devices.example", {"device.id": value})


@pytest.mark.parametrize("value", ["a,O=evil", "a=b", 'a"b', "a\\b", "a;b", "a<b", "\u0455", "a\n", " a", "", "x" * 65])
def test_a_value_cannot_add_to_a_subject(value: str) -> None:
    with pytest.raises(NameRefusedError):
        fill_subject(subject_template("CN={device.id}"), {"device.id": value})


@pytest.mark.parametrize("value", ["a/b", "a:b", "a@b", "a b", "a?b", "a#b", "é"])
def test_a_value_cannot_change_the_shape_of_a_uri(value: str) -> None:
    with pytest.raises(NameRefusedError):
        fill_uri("urn:dev:{device.id}", {"device.id": value})


def test_a_field_that_is_not_known_makes_no_name() -> None:
    with pytest.raises(NameRefusedError) as refused:
        fill_subject(subject_template("CN={device.serial}"), {"device.id": "gw"})
    assert refused.value.code == "name.missing"


@given(st.text(max_size=60))
def test_a_template_is_refused_or_kept_as_written(text: str) -> None:
    try:
        template = subject_template(text)
    except NameRefusedError:
        return
    assert template == subject_template(template.text)


@given(st.text(max_size=60))
def test_a_plain_dns_name_is_ascii_without_wildcards(text: str) -> None:
    if names.is_plain_dns(text):
        assert text.isascii()
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
