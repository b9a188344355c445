"""Revocation on a path: covered by a current CRL of the issuer and not on it, or refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pki.chain import PathReport, examine_path
from pki.crls import load_crl
from pki.errors import PathError
from tests.unit.pki.making import KEYS, NOW, Chain, name, swapped

SOUND = Chain()
LEAF, ISSUING, ROOT = SOUND.leaf(), SOUND.issuing(), SOUND.root()
NUMBER = (x509.CRLNumber(7), False)


def crl(
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    revoked: tuple[x509.Certificate, ...] = (),
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (NUMBER,),
    until: timedelta = timedelta(days=1),
) -> x509.CertificateRevocationList:
    start = NOW - timedelta(days=2)
    builder = x509.CertificateRevocationListBuilder().issuer_name(name(issuer)).last_update(start)
    builder = builder.next_update(NOW + until)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(start)
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
        crl(
            "issuing",
            KEYS[1],
            extensions=(
                NUMBER,
                (
                    x509.IssuingDistributionPoint(
                        full_name=None,
                        relative_name=None,
                        only_contains_user_certs=True,
                        only_contains_ca_certs=False,
                        only_some_reasons=None,
                        indirect_crl=False,
                        only_contains_attribute_certs=False,
                    ),
                    True,
                ),
            ),
        ),
    ],
    ids=["out-of-date", "signed-by-another-key", "without-number", "number-critical", "partitioned"],
)
def test_a_list_that_proves_nothing_covers_nothing(unusable: x509.CertificateRevocationList) -> None:
    assert "no usable CRL" in seen(judged(ROOT_CRL, unusable))


def test_a_delta_list_is_not_ignored() -> None:
    delta = crl("issuing", KEYS[1], extensions=(NUMBER, (x509.DeltaCRLIndicator(6), True)))
    assert "delta" in seen(judged(ROOT_CRL, ISSUING_CRL, delta))


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
