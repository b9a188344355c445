"""Path validation: every defect is refused by the check that names it, and what is sound is accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pki.chain import ANY_LEAF, PathReport, examine_path, validate_path
from pki.errors import PathError
from pki.path_rules import RULES, PathRules
from pki.paths import MAX_SIGNATURE_CHECKS
from tests.unit.pki.making import (
    KEYS,
    NOW,
    Chain,
    ca_extensions,
    leaf_extensions,
    made,
    name,
    swapped,
    usage,
    without,
)

CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string
SOUND = Chain()


def judged(chain: Chain, *, rules: PathRules = PathRules(), at: datetime = NOW) -> PathReport:  # noqa: B008 - frozen
    return examine_path(chain.leaf(), intermediates=[chain.issuing()], anchors=[chain.root()], at=at, rules=rules)


def failed(report: PathReport) -> set[str]:
    return {check.id for check in report.checks if check.result == "fail"}


def test_a_sound_chain_is_accepted_leaf_first_anchor_last() -> None:
    chain = Chain()
    path = validate_path(chain.leaf(), intermediates=[chain.issuing()], anchors=[chain.root()], at=NOW)
    assert [each.subject for each in path.chain] == [name("gw-0001"), name("issuing"), name("root")]


def test_links_seen_once_say_nothing_about_a_look_alike_issuer() -> None:
    """Verified signatures are kept by certificate and key: another CA of the same names vouches for nobody."""
    chain = Chain()
    leaf, issuing, root = chain.leaf(), chain.issuing(), chain.root()
    validate_path(leaf, intermediates=[issuing], anchors=[root], at=NOW)
    twin = made(name("issuing"), name("root"), KEYS[3].public_key(), KEYS[0], chain.issuing_extensions, chain, NOW)
    report = examine_path(leaf, intermediates=[twin], anchors=[root], at=NOW)
    assert failed(report) == {"path.signature"}


def test_a_path_that_held_is_judged_anew_at_another_moment() -> None:
    """RFC 5280 section 6.1.3 (a)(2): what is kept of a path is its signatures, never its verdict."""
    chain = Chain()
    leaf, issuing, root = chain.leaf(), chain.issuing(), chain.root()
    validate_path(leaf, intermediates=[issuing], anchors=[root], at=NOW)
    later = examine_path(leaf, intermediates=[issuing], anchors=[root], at=NOW + timedelta(days=2))
    assert failed(later) == {"path.validity"}


def with_leaf(value: x509.ExtensionType, *, critical: bool) -> Chain:
    return replace(SOUND, leaf_extensions=swapped(SOUND.leaf_extensions, value, critical=critical))


def with_issuing(value: x509.ExtensionType, *, critical: bool) -> Chain:
    return replace(SOUND, issuing_extensions=swapped(SOUND.issuing_extensions, value, critical=critical))


def with_root(value: x509.ExtensionType, *, critical: bool) -> Chain:
    return replace(SOUND, root_extensions=swapped(SOUND.root_extensions, value, critical=critical))


def constrained(
    permitted: list[x509.GeneralName] | None, excluded: list[x509.GeneralName] | None, san: list[x509.GeneralName]
) -> Chain:
    chain = with_issuing(x509.NameConstraints(permitted, excluded), critical=True)
    leaf = swapped(chain.leaf_extensions, x509.SubjectAlternativeName(san), critical=False) if san else None
    return replace(chain, leaf_extensions=leaf or chain.leaf_extensions)


NO_CA = x509.BasicConstraints(ca=False, path_length=None)
TOO_SHORT = x509.BasicConstraints(ca=True, path_length=0)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
ALIEN_KEY = x509.AuthorityKeyIdentifier(b"\x01" * 20, None, None)

DEFECTS: dict[str, tuple[str, Callable[[], Chain]]] = {
    "leaf-expired": ("path.validity", lambda: replace(SOUND, leaf_end=NOW - timedelta(seconds=1))),
    "issuing-expired": ("path.validity", lambda: replace(SOUND, issuing_end=NOW - timedelta(seconds=1))),
    "root-expired": ("path.validity", lambda: replace(SOUND, root_end=NOW - timedelta(seconds=1))),
    "not-yet-valid": ("path.validity", lambda: replace(SOUND, start=NOW + timedelta(seconds=1))),
    "signed-by-another-key": ("path.signature", lambda: replace(SOUND, leaf_signer=KEYS[3])),
    "signed-with-sha224": ("path.signature", lambda: replace(SOUND, leaf_hash=hashes.SHA224())),
    "issuer-of-another-name": ("path.anchor", lambda: replace(SOUND, leaf_issuer=name("elsewhere"))),
    "issuing-no-ca": ("path.basic-constraints", lambda: with_issuing(NO_CA, critical=True)),
    "root-no-ca": ("path.basic-constraints", lambda: with_root(NO_CA, critical=True)),
    "issuing-without-basic-constraints": (
        "path.basic-constraints",
        lambda: replace(SOUND, issuing_extensions=without(SOUND.issuing_extensions, x509.BasicConstraints)),
    ),
    "anchor-with-basic-constraints-not-critical": (
        "path.basic-constraints",
        lambda: with_root(x509.BasicConstraints(ca=True, path_length=None), critical=False),
    ),
    "path-too-long": ("path.path-length", lambda: with_root(TOO_SHORT, critical=True)),
    "issuing-without-cert-sign": (
        "path.key-usage",
        lambda: with_issuing(usage(sign_certificates=False), critical=True),
    ),
    "leaf-with-cert-sign": ("path.key-usage", lambda: with_leaf(usage(sign_certificates=True), critical=True)),
    "leaf-key-usage-empty": (
        "path.key-usage",
        lambda: with_leaf(x509.KeyUsage(*[False] * 9), critical=True),
    ),
    "leaf-path-length-without-cert-sign": (
        "path.key-usage",
        lambda: with_leaf(x509.BasicConstraints(ca=True, path_length=0), critical=True),
    ),
    "leaf-is-a-ca": (
        "path.leaf",
        lambda: replace(
            SOUND,
            leaf_extensions=[
                *swapped(SOUND.leaf_extensions, x509.BasicConstraints(ca=True, path_length=None), critical=True),
                (x509.SubjectKeyIdentifier.from_public_key(KEYS[2].public_key()), False),
            ],
        ),
    ),
    "leaf-is-a-ca-without-ski": (
        "path.key-identifiers",
        lambda: with_leaf(x509.BasicConstraints(ca=True, path_length=None), critical=True),
    ),
    "leaf-key-p224": (
        "path.key",
        lambda: replace(SOUND, leaf_key=ec.generate_private_key(ec.SECP224R1()).public_key()),
    ),
    "leaf-key-rsa-1024": ("path.key", lambda: replace(SOUND, leaf_key=_weak_rsa())),
    "leaf-key-dsa": ("path.key", lambda: replace(SOUND, leaf_key=dsa.generate_private_key(1024).public_key())),
    "leaf-without-aki": (
        "path.key-identifiers",
        lambda: replace(SOUND, leaf_extensions=without(SOUND.leaf_extensions, x509.AuthorityKeyIdentifier)),
    ),
    "leaf-aki-of-another-key": ("path.key-identifiers", lambda: with_leaf(ALIEN_KEY, critical=False)),
    "aki-critical": (
        "path.key-identifiers",
        lambda: with_leaf(x509.AuthorityKeyIdentifier.from_issuer_public_key(KEYS[1].public_key()), critical=True),
    ),
    "issuing-without-ski": (
        "path.key-identifiers",
        lambda: replace(SOUND, issuing_extensions=without(SOUND.issuing_extensions, x509.SubjectKeyIdentifier)),
    ),
    "root-aki-of-another-key": ("path.anchor-key-identifier", lambda: with_root(ALIEN_KEY, critical=False)),
    "unknown-critical-in-leaf": ("path.critical-extensions", lambda: with_leaf(UNKNOWN, critical=True)),
    "unknown-critical-in-issuing": ("path.critical-extensions", lambda: with_issuing(UNKNOWN, critical=True)),
    "explicit-policy-demanded": (
        "path.policies",
        lambda: with_issuing(x509.PolicyConstraints(0, None), critical=False),
    ),
    "leaf-without-any-name": ("path.names", lambda: replace(SOUND, leaf_subject=x509.Name([]))),
    "ca-without-subject": (
        "path.names",
        lambda: replace(SOUND, issuing_subject=x509.Name([]), leaf_issuer=x509.Name([])),
    ),
    "name-constraints-not-critical": (
        "path.name-constraints-form",
        lambda: with_issuing(x509.NameConstraints([x509.DNSName("devices.example")], None), critical=False),
    ),
    "name-constraints-in-leaf": (
        "path.name-constraints-form",
        lambda: with_leaf(x509.NameConstraints([x509.DNSName("devices.example")], None), critical=True),
    ),
    "dns-not-permitted": (
        "path.name-constraints",
        lambda: constrained([x509.DNSName("devices.example")], None, [x509.DNSName("gw.elsewhere.example")]),
    ),
    "dns-excluded": (
        "path.name-constraints",
        lambda: constrained(None, [x509.DNSName("devices.example")], [x509.DNSName("a.devices.example")]),
    ),
    "dns-with-a-trailing-dot-below-a-permitted-name": (
        "path.name-constraints",
        lambda: constrained([x509.DNSName("devices.example")], None, [x509.DNSName("a.devices.example.")]),
    ),
    "dns-with-a-trailing-dot-below-an-excluded-name": (
        "path.name-constraints",
        lambda: constrained(None, [x509.DNSName("devices.example")], [x509.DNSName("a.devices.example.")]),
    ),
    "dns-below-an-excluded-name-with-a-trailing-dot": (
        "path.name-constraints",
        lambda: constrained(None, [x509.DNSName("devices.example.")], [x509.DNSName("a.devices.example")]),
    ),
    "uri-host-with-a-trailing-dot-below-a-permitted-name": (
        "path.name-constraints",
        lambda: constrained(
            [x509.UniformResourceIdentifier(".example")], None, [x509.UniformResourceIdentifier("https://a.example./")]
        ),
    ),
    "uri-host-with-a-trailing-dot-below-an-excluded-name": (
        "path.name-constraints",
        lambda: constrained(
            None, [x509.UniformResourceIdentifier(".example")], [x509.UniformResourceIdentifier("https://a.example./")]
        ),
    ),
    "wildcard-over-an-excluded-name": (
        "path.name-constraints",
        lambda: constrained(None, [x509.DNSName("a.devices.example")], [x509.DNSName("*.devices.example")]),
    ),
    "host-like-common-name-not-permitted": (
        "path.name-constraints",
        lambda: replace(
            constrained([x509.DNSName("devices.example")], None, []), leaf_subject=name("gw.elsewhere.example")
        ),
    ),
    "address-not-permitted": (
        "path.name-constraints",
        lambda: constrained(
            [x509.IPAddress(ip_network("192.0.2.0/24"))],
            None,
            [x509.IPAddress(ip_network("198.51.100.1").network_address)],
        ),
    ),
    "uri-not-permitted": (
        "path.name-constraints",
        lambda: constrained(
            [x509.UniformResourceIdentifier(".devices.example")],
            None,
            [x509.UniformResourceIdentifier("https://elsewhere.example/gw")],
        ),
    ),
    "uri-without-host": (
        "path.name-constraints",
        lambda: constrained(
            None, [x509.UniformResourceIdentifier("elsewhere.example")], [x509.UniformResourceIdentifier("urn:x:y")]
        ),
    ),
    "email-not-permitted": (
        "path.name-constraints",
        lambda: constrained([x509.RFC822Name("plant.example")], None, [x509.RFC822Name("a@sub.plant.example")]),
    ),
    "directory-not-permitted": (
        "path.name-constraints",
        lambda: constrained([x509.DirectoryName(name("another"))], None, []),
    ),
    "other-name-under-an-exclusion": (
        "path.name-constraints",
        lambda: constrained(
            None,
            [x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")],
            [x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")],
        ),
    ),
    "purpose-of-others": (
        "path.purpose",
        lambda: with_leaf(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False),
    ),
    "purpose-of-issuing-for-others": (
        "path.purpose",
        lambda: with_issuing(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False),
    ),
}


def _weak_rsa() -> rsa.RSAPublicKey:
    modulus = (1 << 1023) + (1 << 512) + 1
    return rsa.RSAPublicNumbers(65537, modulus).public_key()


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_a_chain_with_this_defect_is_refused(defect: str) -> None:
    check, make = DEFECTS[defect]
    report = judged(make(), rules=PathRules(purpose=CLIENT))
    assert not report.accepted
    assert check in failed(report)


def test_every_rule_has_a_chain_that_only_it_refuses() -> None:
    alone = set()
    for check, make in DEFECTS.values():
        if failed(judged(make(), rules=PathRules(purpose=CLIENT))) == {check}:
            alone.add(check)
    assert {rule.id for rule in RULES} <= alone


def test_the_refusal_carries_the_check_as_its_code() -> None:
    chain = replace(SOUND, leaf_end=NOW - timedelta(seconds=1))
    with pytest.raises(PathError) as refused:
        validate_path(chain.leaf(), intermediates=[chain.issuing()], anchors=[chain.root()], at=NOW)
    assert refused.value.code == "path.validity"


ACCEPTED: dict[str, Callable[[], Chain]] = {
    "basic-constraints-of-an-intermediate-not-critical": lambda: with_issuing(
        x509.BasicConstraints(ca=True, path_length=None), critical=False
    ),
    "an-idevid-without-alternative-names": lambda: SOUND,
    "an-idevid-that-never-expires": lambda: replace(SOUND, leaf_end=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    "an-old-ca-without-key-usage": lambda: replace(
        SOUND, issuing_extensions=without(SOUND.issuing_extensions, x509.KeyUsage)
    ),
    "an-unknown-extension-that-is-not-critical": lambda: with_leaf(UNKNOWN, critical=False),
    "a-hardware-module-name": lambda: with_leaf(
        x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4"), b"\x05\x00")]),
        critical=False,
    ),
    "a-name-inside-the-constraints": lambda: constrained(
        [x509.DNSName("devices.example")], None, [x509.DNSName("gw-0001.DEVICES.example")]
    ),
    "a-name-of-an-unconstrained-form": lambda: constrained(
        [x509.DNSName("devices.example")], None, [x509.UniformResourceIdentifier("urn:dev:1")]
    ),
    "an-issuer-name-in-other-case-and-spacing": lambda: replace(SOUND, leaf_issuer=name("ISSUING ")),
    "a-leaf-with-the-purpose": lambda: with_leaf(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
    ),
}


@pytest.mark.parametrize("case", sorted(ACCEPTED))
def test_a_sound_chain_of_this_kind_is_accepted(case: str) -> None:
    report = judged(ACCEPTED[case](), rules=PathRules(purpose=CLIENT))
    assert failed(report) == set()


def test_both_ends_of_the_validity_are_valid_to_the_second() -> None:
    """RFC 5280 section 4.1.2.5: the validity includes notBefore and notAfter."""
    for moment in (SOUND.start, SOUND.leaf_end, SOUND.leaf_end + timedelta(microseconds=999_999)):
        assert judged(SOUND, at=moment).accepted
    for moment in (SOUND.start - timedelta(seconds=1), SOUND.leaf_end + timedelta(seconds=1)):
        assert failed(judged(SOUND, at=moment)) == {"path.validity"}


def test_a_ca_is_a_leaf_only_where_that_is_asked() -> None:
    root, issuing = SOUND.root(), SOUND.issuing()
    assert failed(examine_path(issuing, intermediates=(), anchors=[root], at=NOW)) == {"path.leaf"}
    assert examine_path(issuing, intermediates=(), anchors=[root], at=NOW, rules=ANY_LEAF).accepted


def test_an_anchor_given_as_intermediate_only_is_not_trusted() -> None:
    report = examine_path(SOUND.leaf(), intermediates=[SOUND.issuing(), SOUND.root()], anchors=(), at=NOW)
    assert failed(report) == {"path.anchor"}


def test_a_look_alike_of_the_issuer_does_not_hide_the_real_one() -> None:
    """Same subject, another key: path building goes on to the one whose signature verifies."""
    fake = made(
        name("issuing"), name("root"), KEYS[3].public_key(), KEYS[3], ca_extensions(KEYS[3], KEYS[0]), SOUND, NOW
    )
    report = examine_path(SOUND.leaf(), intermediates=[fake, SOUND.issuing()], anchors=[SOUND.root()], at=NOW)
    assert report.accepted


def test_an_unreadable_intermediate_is_no_obstacle() -> None:
    report = examine_path(
        SOUND.leaf(), intermediates=[b"\x30\x03junk", SOUND.issuing()], anchors=[SOUND.root()], at=NOW
    )
    assert report.accepted


def test_a_chain_deeper_than_the_limit_is_refused() -> None:
    report = judged(SOUND, rules=PathRules(max_depth=0))
    assert failed(report) == {"path.depth"}


def test_a_crowd_of_look_alikes_ends_in_a_refusal_not_in_a_hang() -> None:
    crowd = [
        made(
            name("issuing"),
            name("root"),
            KEYS[3].public_key(),
            KEYS[3],
            ca_extensions(KEYS[3], KEYS[0]),
            SOUND,
            NOW + timedelta(seconds=position),
        )
        for position in range(MAX_SIGNATURE_CHECKS + 1)
    ]
    report = examine_path(SOUND.leaf(), intermediates=crowd, anchors=[SOUND.root()], at=NOW)
    assert failed(report) == {"path.budget"}


def test_a_mesh_of_cross_signed_cas_ends_in_a_refusal_not_in_a_hang() -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(8)]
    mesh = [
        made(name(f"ca {below}"), name(f"ca {above}"), keys[below].public_key(), keys[above], extensions, SOUND, NOW)
        for below in range(8)
        for above in range(8)
        if below != above
        for extensions in [ca_extensions(keys[below], keys[above])]
    ]
    leaf = made(name("gw"), name("ca 0"), KEYS[2].public_key(), keys[0], leaf_extensions(keys[0]), SOUND, NOW)
    report = examine_path(leaf, intermediates=mesh, anchors=[SOUND.root()], at=NOW)
    assert failed(report) <= {"path.budget", "path.depth", "path.anchor"}
    assert not report.accepted


def test_too_many_constrained_names_end_in_a_refusal_not_in_a_hang() -> None:
    chain = constrained(
        [x509.DNSName(f"d{position}.example") for position in range(500)],
        None,
        [x509.DNSName(f"gw.d{position}.example") for position in range(499)],
    )
    assert judged(chain).accepted is False


def test_spelt_out_curve_parameters_are_refused() -> None:
    """RFC 5480 section 2.1.1; CVE-2020-0601 hid in spelt-out curves."""
    encoded = SOUND.leaf().public_bytes(Encoding.DER)
    named = bytes.fromhex("06082a8648ce3d030107")
    report = examine_path(encoded.replace(named, b"\x04\x08" + named[2:]), intermediates=(), anchors=(), at=NOW)
    assert failed(report) == {"path.malformed"}


def test_an_over_long_common_name_is_judged_without_a_warning() -> None:
    with pytest.warns(UserWarning, match="length"):
        long = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "g" * 65, _validate=False)])
    assert judged(replace(SOUND, leaf_subject=long)).accepted


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_that_are_no_certificate_are_a_refusal(data: bytes) -> None:
    report = examine_path(data, intermediates=[data], anchors=[data], at=NOW)
    assert failed(report) == {"path.malformed"}


LEAF = SOUND.leaf().public_bytes(Encoding.DER)
ABOVE = {"intermediates": [SOUND.issuing()], "anchors": [SOUND.root()]}


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0, max_value=len(LEAF) * 8 - 1))
def test_a_flipped_bit_is_never_accepted(position: int) -> None:
    flipped = bytearray(LEAF)
    flipped[position // 8] ^= 1 << position % 8
    assert not examine_path(bytes(flipped), at=NOW, **ABOVE).accepted
