"""Lint judges the bytes, clause by clause: each defect is put into the bytes and named by the clause it breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import der, names, tbs
from pki.authority import Authority
from pki.clauses import CLAUSES
from pki.errors import LintError
from pki.lint import MAX_TBS_BYTES, lint
from pki.profile import CaTerms, KeyUsageBit, Use
from pki.publication import distribution_points
from pki.tbs import Plan
from tests.unit.pki.making import NOW, entropy, order, terms, world

WORLD = world()


def plan_of(authority: Authority = WORLD.authority, **changes: object) -> Plan:
    return authority.prepare(order(**changes), now=NOW + timedelta(days=1), entropy=entropy("serial")).plan


PLAN = plan_of()


def fields(encoded: bytes) -> list[bytes]:
    return [element.encoded for element in der.children(der.whole(encoded, der.SEQUENCE).content)]


def with_field(position: int, content: bytes) -> bytes:
    parts = fields(tbs.encode(PLAN))
    parts[position] = content
    return der.sequence(*parts)


def extensions() -> list[der.Element]:
    explicit = der.children(der.whole(tbs.encode(PLAN), der.SEQUENCE).content)[7]
    return list(der.children(der.whole(explicit.content, der.SEQUENCE).content))


def with_extensions(*parts: bytes) -> bytes:
    return with_field(7, der.context(3, der.sequence(*parts)))


def without(dotted: str) -> bytes:
    return with_extensions(*(each.encoded for each in extensions() if der.oid(dotted) not in each.encoded))


def changed(dotted: str, value: bytes, *, critical: bytes = b"") -> bytes:
    """The same certificate with one extension's value replaced, or that extension added."""
    kept = [each.encoded for each in extensions() if der.oid(dotted) not in each.encoded]
    return with_extensions(*kept, der.sequence(der.oid(dotted), critical, der.octet_string(value)))


CRITICAL = der.boolean_true()
CA = der.sequence(der.boolean_true(), der.integer(0))


def encoded(**changes: object) -> bytes:
    return tbs.encode(replace(PLAN, **changes))


def with_terms(**changes: object) -> bytes:
    return encoded(terms=replace(PLAN.terms, **changes))


DEFECTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "serial-zero": ("lint.serial", lambda: encoded(serial=0)),
    "serial-negative": ("lint.serial", lambda: encoded(serial=-(2**100))),
    "serial-short": ("lint.serial", lambda: encoded(serial=2**32)),
    "serial-21-octets": ("lint.serial", lambda: encoded(serial=2**165)),
    "serial-not-the-reserved-one": ("lint.serial", lambda: encoded(serial=PLAN.serial + 1)),
    "algorithm-sha1": (
        "lint.signature-algorithm",
        lambda: with_field(2, der.sequence(der.oid("1.2.840.10045.4.1"))),
    ),
    "issuer-empty": ("lint.issuer", lambda: with_field(3, der.sequence())),
    "issuer-another": ("lint.issuer", lambda: with_field(3, names.encode_name((("CN", "Plant B issuing CA"),)))),
    "time-generalized-before-2050": (
        "lint.validity-encoding",
        lambda: with_field(
            4, der.sequence(der.tlv(der.GENERALIZED_TIME, b"20261123235500Z"), der.time(PLAN.not_after))
        ),
    ),
    "validity-longer-than-the-plan": ("lint.validity", lambda: encoded(not_after=PLAN.not_after + timedelta(days=1))),
    "validity-reversed": ("lint.validity", lambda: encoded(not_after=PLAN.not_before - timedelta(seconds=1))),
    "outlives-issuer": ("lint.outlives-issuer", lambda: encoded(not_after=datetime(2049, 1, 1, tzinfo=UTC))),
    "starts-before-issuer": ("lint.outlives-issuer", lambda: encoded(not_before=datetime(2020, 1, 1, tzinfo=UTC))),
    "subject-empty": ("lint.subject", lambda: encoded(subject=())),
    "subject-another-device": ("lint.subject", lambda: encoded(subject=(("CN", "gw-0002"), ("OU", "gw-200")))),
    "subject-with-nul": ("lint.subject-bounds", lambda: encoded(subject=(("CN", "gw-0001\x00"),))),
    "subject-too-long": ("lint.subject-bounds", lambda: encoded(subject=(("CN", "g" * 65),))),
    "key-of-somebody-else": ("lint.key", lambda: with_field(6, _other_key())),
    "extension-of-nobody": ("lint.known-extensions", lambda: changed("1.2.3.4", b"\x05\x00")),
    "key-usage-not-critical": ("lint.known-extensions", lambda: changed(tbs.KEY_USAGE, b"\x03\x02\x07\x80")),
    "aki-missing": ("lint.authority-key-identifier", lambda: without(tbs.AUTHORITY_KEY_IDENTIFIER)),
    "aki-of-another-issuer": (
        "lint.authority-key-identifier",
        lambda: changed(tbs.AUTHORITY_KEY_IDENTIFIER, der.sequence(der.context_primitive(0, b"\x01" * 20))),
    ),
    "ski-missing": ("lint.subject-key-identifier", lambda: without(tbs.SUBJECT_KEY_IDENTIFIER)),
    "ski-not-of-the-key": (
        "lint.subject-key-identifier",
        lambda: changed(tbs.SUBJECT_KEY_IDENTIFIER, der.octet_string(b"\x02" * 20)),
    ),
    "key-usage-missing": ("lint.key-usage", lambda: without(tbs.KEY_USAGE)),
    "key-usage-empty": ("lint.key-usage", lambda: with_terms(key_usage=frozenset())),
    "key-usage-signs-certificates": (
        "lint.key-usage",
        lambda: with_terms(key_usage=frozenset({KeyUsageBit.DIGITAL_SIGNATURE, KeyUsageBit.KEY_CERT_SIGN})),
    ),
    "key-usage-encipherment": (
        "lint.key-usage",
        lambda: changed(tbs.KEY_USAGE, der.named_bits(frozenset({0, 2})), critical=CRITICAL),
    ),
    "key-usage-with-trailing-zero-bits": (
        "lint.key-usage",
        lambda: changed(tbs.KEY_USAGE, b"\x03\x02\x00\x80", critical=CRITICAL),
    ),
    "san-missing": ("lint.subject-alt-name", lambda: without(tbs.SUBJECT_ALT_NAME)),
    "san-of-another-device": ("lint.subject-alt-name", lambda: encoded(dns=("gw-0002.devices.example",))),
    "san-in-addition": (
        "lint.subject-alt-name",
        lambda: encoded(dns=(*PLAN.dns, "admin.devices.example")),
    ),
    "san-with-nul": ("lint.dns-syntax", lambda: encoded(dns=("gw-0001\x00.devices.example",))),
    "san-wildcard": ("lint.dns-syntax", lambda: encoded(dns=("*.devices.example",))),
    "basic-constraints-missing": ("lint.basic-constraints", lambda: without(tbs.BASIC_CONSTRAINTS)),
    "ca-true": ("lint.basic-constraints", lambda: changed(tbs.BASIC_CONSTRAINTS, CA, critical=CRITICAL)),
    "ca-below-path-length-0": ("lint.path-length", lambda: changed(tbs.BASIC_CONSTRAINTS, CA, critical=CRITICAL)),
    "name-constraints-in-leaf": (
        "lint.name-constraints",
        lambda: changed(
            tbs.NAME_CONSTRAINTS,
            der.sequence(der.context(0, der.sequence(der.context_primitive(2, b"x.example")))),
            critical=CRITICAL,
        ),
    ),
    "dns-outside-the-issuers-domain": (
        "lint.within-issuer-constraints",
        lambda: encoded(dns=("gw-0001.elsewhere.example",)),
    ),
    "eku-missing": ("lint.extended-key-usage", lambda: without(tbs.EXTENDED_KEY_USAGE)),
    "eku-server": ("lint.extended-key-usage", lambda: with_terms(uses=(Use.SERVER_AUTH,))),
    "eku-any": (
        "lint.extended-key-usage",
        lambda: changed(tbs.EXTENDED_KEY_USAGE, der.sequence(der.oid("2.5.29.37.0"))),
    ),
    "place-to-ask-of-nobody": (
        "lint.publication",
        lambda: changed(tbs.CRL_DISTRIBUTION_POINTS, distribution_points("http://pki.elsewhere.example/0.crl")),
    ),
    "never-checked-device": (
        "lint.publication",
        lambda: changed(tbs.OCSP_NO_CHECK, b"\x05\x00"),
    ),
    "extension-twice": (
        "lint.duplicate-extension",
        lambda: with_extensions(*(each.encoded for each in (*extensions(), extensions()[0]))),
    ),
    "trailing-bytes": ("lint.encoding", lambda: tbs.encode(PLAN) + b"\x00"),
    "version-1-with-its-field": ("lint.encoding", lambda: with_field(0, der.context(0, der.integer(0)))),
    "version-1": ("lint.encoding", lambda: der.sequence(*fields(tbs.encode(PLAN))[1:7])),
    "version-2": ("lint.encoding", lambda: with_field(0, der.context(0, der.integer(1)))),
    "oversized": (
        "lint.size",
        lambda: encoded(dns=tuple(f"gw-{n}.devices.example" for n in range(MAX_TBS_BYTES // 16))),
    ),
}


def _other_key() -> bytes:
    return WORLD.authority.prepare(order(), now=NOW, entropy=entropy("x")).plan.key.spki[:-1] + b"\x00"


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_a_certificate_with_this_defect_is_not_signed(defect: str) -> None:
    clause, make = DEFECTS[defect]
    with pytest.raises(LintError) as refused:
        lint(make(), PLAN)
    assert clause in {violation[0] for violation in refused.value.violations}


def test_every_clause_has_a_certificate_that_breaks_it() -> None:
    assert {clause.id for clause in CLAUSES} <= {clause for clause, _ in DEFECTS.values()}


def test_a_certificate_without_defects_passes() -> None:
    assert lint(tbs.encode(PLAN), PLAN).reservation.serial == f"{PLAN.serial:x}"


def test_all_violations_are_listed_at_once_with_their_clauses() -> None:
    with pytest.raises(LintError) as refused:
        lint(encoded(serial=0, subject=()), PLAN)
    cited = [violation[1] for violation in refused.value.violations]
    assert cited == ["RFC 5280 section 4.1.2.2", "RFC 5280 section 4.1.2.6"]


def test_a_ca_certificate_carries_exactly_its_constraints() -> None:
    """RFC 5280 section 4.2.1.10."""
    issuing = Authority(
        issuer=replace(PLAN.issuer, path_length=1, constraints=None), signer=_signer(), registrar=WORLD.ledger.registrar
    )
    ca = CaTerms(path_length=0, dns=("devices.example",), addresses=(ip_network("192.0.2.0/24"),))
    bits = frozenset({KeyUsageBit.KEY_CERT_SIGN})
    plan = plan_of(issuing, terms=replace(terms(), ca=ca, key_usage=bits))
    wider = replace(plan.terms, ca=replace(ca, dns=("example",)))
    with pytest.raises(LintError) as refused:
        lint(tbs.encode(replace(plan, terms=wider)), plan)
    assert [violation[0] for violation in refused.value.violations] == ["lint.name-constraints"]


def _signer() -> object:
    from pki.software import SoftwareSigner
    from tests.unit.pki.making import KEYS

    return SoftwareSigner(KEYS[1])


@settings(max_examples=150, deadline=None)
@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_is_never_signed(position: int, bit: int) -> None:
    """The bytes either break a clause or are not the plan's; no flip goes unnoticed."""
    original = bytearray(tbs.encode(PLAN))
    original[position % len(original)] ^= 1 << bit
    with pytest.raises(LintError):
        lint(bytes(original), PLAN)
