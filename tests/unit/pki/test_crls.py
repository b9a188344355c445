"""Revocation on a path: covered by a current CRL of the issuer and not on it, or refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pki.chain import PathReport, examine_path
from pki.crl_lists import ALL_REASONS, load_crl, load_crls
from pki.errors import PathError
from tests.unit.pki.making import KEYS, NOW, Chain, ca_extensions, made, name, swapped

SOUND = Chain()
LEAF, ISSUING, ROOT = SOUND.leaf(), SOUND.issuing(), SOUND.root()
NUMBER = (x509.CRLNumber(7), False)


URL = x509.UniformResourceIdentifier("http://pki.example/crl/7")
COMPROMISE = frozenset({x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise})
OTHERS = ALL_REASONS - COMPROMISE
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def scope(**changes: object) -> x509.IssuingDistributionPoint:
    plain = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(plain | changes))


def crl(
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    revoked: tuple[x509.Certificate, ...] = (),
    entry_extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (NUMBER,),
    start: datetime = NOW - timedelta(days=2),
    until: timedelta = timedelta(days=1),
) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(name(issuer)).last_update(start)
    builder = builder.next_update(NOW + until)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(start)
        for value, critical in entry_extensions:
            entry = entry.add_extension(value, critical=critical)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, hashes.SHA256())


ROOT_CRL = crl("root", KEYS[0])
ISSUING_CRL = crl("issuing", KEYS[1])


def judged(*crls: x509.CertificateRevocationList, chain: Chain = SOUND) -> PathReport:
    return examine_path(chain.leaf(), intermediates=[chain.issuing()], anchors=[chain.root()], at=NOW, crls=list(crls))


def seen(report: PathReport) -> str:
    return next(check.seen or "" for check in report.checks if check.id == "path.revocation")


def test_a_path_covered_by_clean_lists_is_accepted() -> None:
    assert judged(ROOT_CRL, ISSUING_CRL).accepted


def test_a_revoked_leaf_is_refused() -> None:
    report = judged(ROOT_CRL, crl("issuing", KEYS[1], revoked=(LEAF,)))
    assert not report.accepted
    assert "is revoked since" in seen(report)


def test_a_revoked_issuer_is_refused() -> None:
    report = judged(crl("root", KEYS[0], revoked=(ISSUING,)), ISSUING_CRL)
    assert "is revoked since" in seen(report)


def test_a_certificate_that_no_list_covers_is_refused() -> None:
    assert "no usable CRL" in seen(judged(ROOT_CRL))


@pytest.mark.parametrize(
    "unusable",
    [
        crl("issuing", KEYS[1], until=-timedelta(seconds=1)),
        crl("issuing", KEYS[3]),
        crl("issuing", KEYS[1], extensions=()),
        crl("issuing", KEYS[1], extensions=((x509.CRLNumber(7), True),)),
        crl("issuing", KEYS[1], extensions=(NUMBER, (scope(only_contains_ca_certs=True), True))),
        crl("issuing", KEYS[1], extensions=(NUMBER, (scope(only_contains_attribute_certs=True), True))),
        crl("issuing", KEYS[1], extensions=(NUMBER, (scope(only_contains_user_certs=True), False))),
        crl("issuing", KEYS[1], extensions=(NUMBER, (scope(full_name=[URL]), True))),
        crl("issuing", KEYS[1], extensions=(NUMBER, (scope(only_some_reasons=COMPROMISE), True))),
        crl("issuing", KEYS[1], extensions=(NUMBER, (UNKNOWN, True))),
    ],
    ids=[
        "out-of-date",
        "signed-by-another-key",
        "without-number",
        "number-critical",
        "for-cas-only",
        "for-attribute-certificates-only",
        "scope-not-critical",
        "of-another-distribution-point",
        "for-some-reasons-only",
        "unknown-critical-extension",
    ],
)
def test_a_list_that_proves_nothing_covers_nothing(unusable: x509.CertificateRevocationList) -> None:
    assert "no usable CRL" in seen(judged(ROOT_CRL, unusable))


def numbered(number: int, base: int | None = None) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    complete = ((x509.CRLNumber(number), False),)
    return complete if base is None else (*complete, (x509.DeltaCRLIndicator(base), True))


HELD = ((x509.CRLReason(x509.ReasonFlags.certificate_hold), False),)
RELEASED = ((x509.CRLReason(x509.ReasonFlags.remove_from_crl), False),)


def test_a_delta_list_adds_to_its_complete_list() -> None:
    delta = crl("issuing", KEYS[1], extensions=numbered(8, 7), revoked=(LEAF,))
    assert "is revoked since" in seen(judged(ROOT_CRL, ISSUING_CRL, delta))


def test_a_delta_list_releases_what_its_complete_list_holds() -> None:
    """RFC 5280 section 5.3.1: removeFromCRL."""
    complete = crl("issuing", KEYS[1], revoked=(LEAF,), entry_extensions=HELD)
    delta = crl("issuing", KEYS[1], extensions=numbered(8, 7), revoked=(LEAF,), entry_extensions=RELEASED)
    assert "is on hold since" in seen(judged(ROOT_CRL, complete))
    assert judged(ROOT_CRL, complete, delta).accepted


def test_a_delta_list_does_not_bring_back_what_its_complete_list_revokes_for_good() -> None:
    """RFC 5280 section 5.3.1: removeFromCRL is for what was on hold, or has expired."""
    complete = crl("issuing", KEYS[1], revoked=(LEAF,))
    delta = crl("issuing", KEYS[1], extensions=numbered(8, 7), revoked=(LEAF,), entry_extensions=RELEASED)
    assert "is revoked since" in seen(judged(ROOT_CRL, complete, delta))


LATER = NOW - timedelta(days=1)


def test_the_later_of_two_lists_decides_when_both_are_current() -> None:
    """RFC 5280 section 5: a list may be replaced before its nextUpdate; the older one does not know of a revocation."""
    later = crl("issuing", KEYS[1], extensions=numbered(8), revoked=(LEAF,), start=LATER)
    for lists in ((ISSUING_CRL, later), (later, ISSUING_CRL)):
        assert "is revoked since" in seen(judged(ROOT_CRL, *lists))


def test_a_later_list_without_the_certificate_ends_a_hold() -> None:
    held = crl("issuing", KEYS[1], revoked=(LEAF,), entry_extensions=HELD)
    released = crl("issuing", KEYS[1], extensions=numbered(8), start=LATER)
    assert judged(ROOT_CRL, held, released).accepted


def test_of_two_lists_made_in_one_second_the_higher_number_decides() -> None:
    """RFC 5280 section 5.2.3: numbers rise, also where the clock has not moved."""
    higher = crl("issuing", KEYS[1], extensions=numbered(8), revoked=(LEAF,))
    assert "is revoked since" in seen(judged(ROOT_CRL, ISSUING_CRL, higher))


def test_a_delta_list_makes_its_complete_list_as_late_as_itself() -> None:
    scoped = (scope(only_contains_user_certs=True), True)
    other = crl("issuing", KEYS[1], extensions=(*numbered(3), scoped), start=LATER)
    delta = crl("issuing", KEYS[1], extensions=numbered(8, 7), revoked=(LEAF,), start=NOW)
    assert "is revoked since" in seen(judged(ROOT_CRL, ISSUING_CRL, other, delta))


def test_a_complete_list_that_a_delta_has_left_behind_proves_nothing() -> None:
    """RFC 5280 section 5.2.4: the base of the delta is newer than the list at hand."""
    delta = crl("issuing", KEYS[1], extensions=numbered(9, 8))
    assert "no usable CRL" in seen(judged(ROOT_CRL, ISSUING_CRL, delta))


def test_a_delta_list_alone_covers_nothing() -> None:
    assert "no usable CRL" in seen(judged(ROOT_CRL, crl("issuing", KEYS[1], extensions=numbered(8, 7))))


def test_lists_for_some_reasons_cover_together() -> None:
    """RFC 5280 section 6.3.3 (l)."""
    some, rest = (
        crl("issuing", KEYS[1], extensions=(NUMBER, (scope(only_some_reasons=reasons), True)))
        for reasons in (COMPROMISE, OTHERS)
    )
    assert "for every reason" in seen(judged(ROOT_CRL, some))
    assert judged(ROOT_CRL, some, rest).accepted


def with_point(**parts: object) -> Chain:
    plain = {"full_name": None, "relative_name": None, "reasons": None, "crl_issuer": None}
    points = x509.CRLDistributionPoints([x509.DistributionPoint(**(plain | parts))])
    return replace(SOUND, leaf_extensions=swapped(SOUND.leaf_extensions, points, critical=False))


def test_a_partition_covers_the_certificates_that_point_to_it() -> None:
    chain = with_point(full_name=[URL])
    partition = crl("issuing", KEYS[1], extensions=(NUMBER, (scope(full_name=[URL]), True)))
    assert judged(ROOT_CRL, partition, chain=chain).accepted
    listed = crl("issuing", KEYS[1], extensions=(NUMBER, (scope(full_name=[URL]), True)), revoked=(chain.leaf(),))
    assert "is revoked" in seen(judged(ROOT_CRL, listed, chain=chain))


def revoker(*, end: timedelta = timedelta(days=1), key_usage: bool = True) -> x509.Certificate:
    """A certificate of the root that signs lists for others, with KEYS[3]."""
    lists_only = crl_signing(key_usage)
    extensions = swapped(
        ca_extensions(KEYS[3], KEYS[0]), x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    extensions = swapped(extensions, lists_only, critical=True)
    return made(name("revoker"), name("root"), KEYS[3].public_key(), KEYS[0], extensions, SOUND, NOW + end)


def crl_signing(allowed: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=allowed,
        encipher_only=False,
        decipher_only=False,
    )


DELEGATED = with_point(crl_issuer=[x509.DirectoryName(name("revoker"))])
OF_THE_LEAF = (x509.CertificateIssuer([x509.DirectoryName(name("issuing"))]), True)


def indirect(**changes: object) -> x509.CertificateRevocationList:
    return crl("revoker", KEYS[3], extensions=(NUMBER, (scope(indirect_crl=True), True)), **changes)


def judged_with(signer: x509.Certificate, *lists: x509.CertificateRevocationList) -> PathReport:
    pool = [DELEGATED.issuing(), signer]
    return examine_path(DELEGATED.leaf(), intermediates=pool, anchors=[ROOT], at=NOW, crls=list(lists))


def test_an_indirect_list_covers_the_certificates_that_name_its_issuer() -> None:
    assert judged_with(revoker(), ROOT_CRL, indirect()).accepted


def test_an_indirect_list_revokes_by_issuer_and_serial() -> None:
    """RFC 5280 section 5.3.3: without certificateIssuer, the entry is one of the list's own issuer."""
    leaf = DELEGATED.leaf()
    theirs = indirect(revoked=(leaf,), entry_extensions=(OF_THE_LEAF,))
    assert "is revoked" in seen(judged_with(revoker(), ROOT_CRL, theirs))
    assert judged_with(revoker(), ROOT_CRL, indirect(revoked=(leaf,))).accepted


@pytest.mark.parametrize(
    "signer",
    [revoker(end=-timedelta(seconds=1)), revoker(key_usage=False)],
    ids=["expired", "without-crl-sign"],
)
def test_an_indirect_list_of_a_signer_without_a_valid_path_covers_nothing(signer: x509.Certificate) -> None:
    assert "no usable CRL" in seen(judged_with(signer, ROOT_CRL, indirect()))


def test_an_indirect_list_of_a_revoked_signer_covers_nothing() -> None:
    signer = revoker()
    assert "no usable CRL" in seen(judged_with(signer, crl("root", KEYS[0], revoked=(signer,)), indirect()))


def test_a_critical_entry_extension_spoils_the_whole_list() -> None:
    """RFC 5280 section 5.3, also for a certificate that is not the entry's."""
    odd = crl("issuing", KEYS[1], revoked=(ISSUING,), entry_extensions=((UNKNOWN, True),))
    assert "no usable CRL" in seen(judged(ROOT_CRL, odd))


def test_a_list_of_an_issuer_that_may_not_sign_lists_covers_nothing() -> None:
    """RFC 5280 section 6.3.3 (f)."""
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    chain = replace(SOUND, issuing_extensions=swapped(SOUND.issuing_extensions, usage, critical=True))
    assert "no usable CRL" in seen(judged(ROOT_CRL, ISSUING_CRL, chain=chain))


def test_bytes_that_are_no_list_are_refused() -> None:
    with pytest.raises(PathError) as refused:
        load_crl(b"\x30\x03abc")
    assert refused.value.code == "path.crl-malformed"


def test_pem_and_der_lists_are_read() -> None:
    assert load_crl(ROOT_CRL.public_bytes(Encoding.PEM)) == load_crl(ROOT_CRL.public_bytes(Encoding.DER))


def pem(*crls: x509.CertificateRevocationList) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in crls)


def test_every_list_of_a_pem_file_is_read() -> None:
    assert load_crls(pem(ROOT_CRL, ISSUING_CRL)) == (ROOT_CRL, ISSUING_CRL)
    assert load_crls(ISSUING_CRL.public_bytes(Encoding.DER)) == (ISSUING_CRL,)


@pytest.mark.parametrize(
    "spoilt",
    [pem(ROOT_CRL, ISSUING_CRL)[:-40], pem(ROOT_CRL) + LEAF.public_bytes(Encoding.PEM), b"-----BEGIN X509 CRL-----"],
    ids=["cut-in-the-second-list", "certificate-among-lists", "nothing-but-a-beginning"],
)
def test_a_file_with_a_block_that_is_no_whole_list_is_refused(spoilt: bytes) -> None:
    """A list that is passed over could be the one that revokes."""
    with pytest.raises(PathError) as refused:
        load_crls(spoilt)
    assert refused.value.code == "path.crl-malformed"
