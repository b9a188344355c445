"""One way to a signature: both tokens, once, in order, and nothing in the certificate that the profile did not say."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from pki.authority import Authority, Order, issue, issuer_of
from pki.certificates import certificate_facts
from pki.chain import validate_path
from pki.errors import IssuanceError, KeyRefusedError, LintError, NameRefusedError
from pki.lint import Linted
from pki.request import held_key, parse_request
from pki.reservation import Registrar, Reserved
from pki.signatures import SignatureAlgorithm
from pki.software import SoftwareSigner
from tests.unit.pki.making import FIELDS, KEYS, NOW, csr, entropy, order, terms, world

WORLD = world()


def prepared(**changes: object) -> Linted:
    return WORLD.authority.prepare(order(**changes), now=NOW, entropy=entropy("serial"))


def issued(**changes: object) -> x509.Certificate:
    linted = prepared(**changes)
    return WORLD.authority.sign(linted, WORLD.ledger.registrar.committed(linted.reservation)).certificate


def test_an_issued_certificate_is_what_the_profile_says() -> None:
    facts = certificate_facts(issued())
    assert facts["subject"] == "CN=gw-0001,OU=gw-200"
    assert facts["san"] == ("dns:gw-0001.devices.example", "uri:urn:dev:gw-0001")
    assert facts["not_before"] == NOW - timedelta(minutes=5)
    assert facts["not_after"] == NOW + timedelta(days=14)


def test_an_issued_certificate_forms_a_path_to_the_root() -> None:
    path = validate_path(issued(), intermediates=[WORLD.issuing], anchors=[WORLD.root], at=NOW)
    assert path.anchor == WORLD.root


def test_a_tier_shortens_the_life() -> None:
    certificate = issued(terms=terms("limited"))
    assert certificate.not_valid_after_utc == NOW + timedelta(hours=24)


def test_a_certificate_is_backdated_within_the_issuers_life() -> None:
    linted = WORLD.authority.prepare(order(), now=NOW + timedelta(days=1), entropy=entropy("serial"))
    assert linted.reservation.not_before == NOW + timedelta(days=1) - timedelta(minutes=5)


def test_a_certificate_never_outlives_its_issuer() -> None:
    """RFC 5280 section 6.1.3 (a)(2)."""
    end = WORLD.authority.issuer.not_after
    linted = WORLD.authority.prepare(order(), now=end - timedelta(days=1), entropy=entropy("serial"))
    assert linted.reservation.not_after == end


def test_an_expired_issuer_issues_nothing() -> None:
    with pytest.raises(IssuanceError) as refused:
        WORLD.authority.prepare(
            order(), now=WORLD.authority.issuer.not_after + timedelta(seconds=1), entropy=entropy("serial")
        )
    assert refused.value.code == "issue.issuer-expired"


def test_an_issuer_issues_nothing_before_its_time() -> None:
    with pytest.raises(IssuanceError) as refused:
        WORLD.authority.prepare(order(), now=NOW - timedelta(days=1), entropy=entropy("serial"))
    assert refused.value.code == "issue.issuer-not-yet-valid"


def test_a_key_type_outside_the_profile_is_refused() -> None:
    key = held_key(SoftwareSigner(ed25519.Ed25519PrivateKey.generate()))
    with pytest.raises(KeyRefusedError) as refused:
        prepared(key=key, terms=terms(key=("p256",)))
    assert refused.value.code == "key.profile"


def test_a_name_outside_the_issuers_constraints_is_not_signed() -> None:
    """RFC 5280 section 4.2.1.10."""
    with pytest.raises(LintError) as refused:
        prepared(terms=terms(san_dns=("{device.id}.elsewhere.example",)))
    assert [violation[0] for violation in refused.value.violations] == ["lint.within-issuer-constraints"]


def test_an_address_is_not_signed_by_an_issuer_without_addresses() -> None:
    """RFC 5280 section 4.2.1.10: an issuing CA of devices excludes every address it was not given."""
    with pytest.raises(LintError):
        prepared(terms=replace(terms(), addresses=(str(ip_address("192.0.2.1")),)))


def test_the_same_bytes_are_signed_once() -> None:
    linted = prepared()
    reserved = WORLD.ledger.registrar.committed(linted.reservation)
    WORLD.authority.sign(linted, reserved)
    with pytest.raises(IssuanceError) as refused:
        WORLD.authority.sign(linted, reserved)
    assert refused.value.code == "issue.redeemed"


def test_of_many_threads_with_one_token_one_signs() -> None:
    linted = prepared()
    reserved = WORLD.ledger.registrar.committed(linted.reservation)
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            WORLD.authority.sign(linted, reserved)
            outcomes.append("signed")
        except IssuanceError as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["issue.redeemed"] * 7 + ["signed"]


def test_nobody_but_lint_makes_a_linted_token() -> None:
    linted = prepared()
    with pytest.raises(IssuanceError) as refused:
        Linted(linted.tbs, linted.plan, seal=object())
    assert refused.value.code == "issue.unlinted"


def test_a_look_alike_of_a_linted_token_is_refused() -> None:
    linted = prepared()

    class LookAlike(Linted):
        __slots__ = ()

        def __init__(self) -> None:
            self.tbs, self.plan, self.reservation = linted.tbs, linted.plan, linted.reservation
            self._unused = [True]

    with pytest.raises(IssuanceError) as refused:
        WORLD.authority.sign(LookAlike(), WORLD.ledger.registrar.committed(linted.reservation))
    assert refused.value.code == "issue.unlinted"


def test_a_reservation_that_nobody_committed_is_refused() -> None:
    linted = prepared()
    with pytest.raises(IssuanceError) as refused:
        WORLD.authority.sign(linted, linted.reservation)
    assert refused.value.code == "issue.unreserved"


def test_a_reservation_of_another_ledger_is_refused() -> None:
    linted = prepared()
    with pytest.raises(IssuanceError) as refused:
        WORLD.authority.sign(linted, Registrar().committed(linted.reservation))
    assert refused.value.code == "issue.unreserved"


def test_only_a_registrar_makes_a_reserved_token() -> None:
    with pytest.raises(IssuanceError):
        Reserved(prepared().reservation, object())


def test_a_reservation_for_another_certificate_is_refused() -> None:
    other = WORLD.authority.prepare(order(), now=NOW, entropy=entropy("another serial"))
    with pytest.raises(IssuanceError) as refused:
        WORLD.authority.sign(prepared(), WORLD.ledger.registrar.committed(other.reservation))
    assert refused.value.code == "issue.mismatch"


def test_bytes_changed_after_lint_are_refused() -> None:
    linted = prepared()
    reserved = WORLD.ledger.registrar.committed(linted.reservation)
    linted.tbs = linted.tbs.replace(b"gw-0001", b"gw-0002")
    with pytest.raises(IssuanceError) as refused:
        WORLD.authority.sign(linted, reserved)
    assert refused.value.code == "issue.mismatch"


def test_what_one_issuer_linted_another_does_not_sign() -> None:
    registrar = WORLD.ledger.registrar
    other = Authority(issuer=issuer_of(WORLD.root), signer=SoftwareSigner(KEYS[0]), registrar=registrar)
    linted = prepared()
    with pytest.raises(IssuanceError) as refused:
        other.sign(linted, registrar.committed(linted.reservation))
    assert refused.value.code == "issue.other-issuer"


def test_an_authority_with_another_key_than_its_certificate_is_refused() -> None:
    with pytest.raises(IssuanceError) as refused:
        Authority(issuer=issuer_of(WORLD.issuing), signer=SoftwareSigner(KEYS[3]), registrar=Registrar())
    assert refused.value.code == "issue.signer"


class ErringSigner:
    """An HSM that shows the right key and then returns a wrong signature."""

    public_key = KEYS[1].public_key()
    algorithm = SignatureAlgorithm.ECDSA_P256

    def sign(self, data: bytes) -> bytes:
        return SoftwareSigner(KEYS[1]).sign(data + b"x")


def test_a_signature_that_does_not_verify_never_leaves_and_its_serial_is_closed() -> None:
    authority = Authority(issuer=issuer_of(WORLD.issuing), signer=ErringSigner(), registrar=WORLD.ledger.registrar)
    with pytest.raises(IssuanceError) as refused:
        issue(authority, WORLD.ledger, order(), now=NOW, entropy=entropy("erring"))
    assert refused.value.code == "issue.signature"
    assert WORLD.ledger.steps[-1][0] == "aborted issue.signature"


def test_a_serial_is_recorded_before_it_is_signed() -> None:
    steps = world().ledger.steps
    assert [step for step, _ in steps] == ["reserved", "issued", "reserved", "issued"]


def test_a_device_certificate_cannot_issue() -> None:
    with pytest.raises(IssuanceError) as refused:
        issuer_of(issued())
    assert refused.value.code == "issue.not-a-ca"


def test_the_reservation_names_what_permitted_it() -> None:
    assert prepared(authorization="sha256:abc").reservation.authorization == "sha256:abc"


def test_a_serial_holds_all_of_its_entropy() -> None:
    """RFC 5280 section 4.1.2.2: positive and at most 20 octets, whatever is drawn."""
    for drawn in (bytes(16), b"\xff" * 16):
        linted = WORLD.authority.prepare(order(), now=NOW, entropy=drawn)
        assert linted.reservation.serial == "1" + drawn.hex()


HOSTILE_EXTENSIONS = [
    (x509.BasicConstraints(ca=True, path_length=9), True),
    (x509.SubjectAlternativeName([x509.DNSName("admin.devices.example")]), False),
    (x509.SubjectAlternativeName([x509.DNSName("a\x00.devices.example")]), True),
    (x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")]), False),
    (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x00" * 64), True),
    (x509.NameConstraints([x509.DNSName("")], None), True),
]
# RFC 5280 appendix A.1: a common name ends at 64; the library that makes the request counts bytes.
subjects = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=40).filter(
    lambda text: len(text.encode()) <= 64
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(HOSTILE_EXTENSIONS), unique_by=lambda pair: pair[0].oid, max_size=4), subjects)
def test_nothing_a_request_asks_for_reaches_the_certificate(
    extensions: list[tuple[x509.ExtensionType, bool]], subject: str
) -> None:
    """CA:TRUE, foreign names, NUL and homoglyphs: the certificate is byte for byte the one for a modest request."""
    hostile = parse_request(csr(KEYS[2], subject=subject, extensions=extensions))
    modest = parse_request(csr(KEYS[2]))
    assert prepared(key=hostile).tbs == prepared(key=modest).tbs


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_a_device_id_becomes_exactly_its_name_or_nothing(device_id: str) -> None:
    fields = {**FIELDS, "device.id": device_id}
    asked = Order(terms=terms(), key=order().key, fields=fields, authorization="sha256:decision")
    try:
        linted = WORLD.authority.prepare(asked, now=NOW, entropy=entropy("serial"))
    except NameRefusedError:
        return
    certificate = WORLD.authority.sign(linted, WORLD.ledger.registrar.committed(linted.reservation)).certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"{device_id}.devices.example"]
    assert names.get_values_for_type(x509.DNSName)[0].count(".") == 2
