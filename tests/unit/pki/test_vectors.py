"""Third-party vectors: x509-limbo, NIST PKITS, IDevID hierarchies. What differs is listed with its reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from pki.certificates import certificate_facts, load_certificate, split_certificates
from pki.chain import ANY_LEAF, examine_path, refused, validate_path
from pki.crl_lists import load_crl
from pki.errors import PathError, PkiError
from pki.path_rules import Leaf, PathRules
from pki.request import parse_request, request_der
from pki.signatures import verify_certificate

AT = datetime(2026, 11, 23, tzinfo=UTC)
PURPOSES = {"serverAuth": "1.3.6.1.5.5.7.3.1", "clientAuth": "1.3.6.1.5.5.7.3.2"}

_SERVER_NAME = "matching a server's name is TLS's business (RFC 9525), not the path's"
_WEB_PKI = "a rule of the CA/Browser Forum for web servers"
LIMBO_DIFFERENCES = {
    "rfc5280::aki::cross-signed-root-missing-aki": "a given anchor is trusted as it is (marked pedantic)",
    "rfc5280::pc::ica-noncritical-pc": "processed, critical or not; NIST PKITS's valid paths carry it so",
    "rfc5280::san::ip-in-dns": _SERVER_NAME,
    "rfc5280::ca-as-leaf-wrong-san": _SERVER_NAME,
    "webpki::aki::root-with-aki-missing-keyidentifier": _WEB_PKI,
    "webpki::aki::root-with-aki-all-fields": _WEB_PKI,
    "webpki::eku::ee-anyeku": _WEB_PKI,
    "webpki::eku::ee-critical-eku": _WEB_PKI,
    "webpki::eku::root-has-eku": _WEB_PKI,
    "webpki::san::mismatch-domain-san": _SERVER_NAME,
    "webpki::san::mismatch-subdomain-san": _SERVER_NAME,
    "webpki::san::mismatch-apex-subdomain-san": _SERVER_NAME,
    "webpki::san::public-suffix-private-namespace-wildcard-san": _WEB_PKI,
    "webpki::san::wildcard-embedded-leftmost-san": _SERVER_NAME,
    "webpki::san::wildcard-not-in-leftmost-san": _SERVER_NAME,
    "webpki::san::unicode-emoji-san": _SERVER_NAME,
    "webpki::san::san-critical-with-nonempty-subject": "RFC 5280 section 4.2.1.6 says SHOULD",
    "webpki::san::san-wildcard-only": _SERVER_NAME,
    "webpki::san::san-wildcard-only-tld": _SERVER_NAME,
    "webpki::ee-basicconstraints-ca": "the same chain is a SUCCESS as rfc5280::ca-as-leaf; devices use the other rule",
    "webpki::ca-as-leaf": "the same chain is a SUCCESS as rfc5280::ca-as-leaf; devices use the other rule",
}


def der(pems: list[str]) -> list[bytes]:
    return [each for pem in pems for each in split_certificates(pem.encode())]


def limbo_verdict(case: dict[str, object]) -> bool:
    asked = case["extended_key_usage"] or ["serverAuth" if case["validation_kind"] == "SERVER" else "clientAuth"]
    depth = case["max_chain_depth"]
    rules = PathRules(leaf=Leaf.ANY, purpose=PURPOSES[asked[0]], max_depth=8 if depth is None else depth)
    time = case["validation_time"]
    try:
        report = examine_path(
            der([case["peer_certificate"]])[0],
            intermediates=der(case["untrusted_intermediates"]),
            anchors=der(case["trusted_certs"]),
            at=datetime.fromisoformat(time) if time else AT,
            rules=rules,
            crls=[load_crl(crl.encode()) for crl in case["crls"]],
        )
    except PathError as error:
        report = refused(error)
    return report.accepted


def test_limbo_verdicts_are_as_expected_but_for_the_listed_ones(vectors: Path) -> None:
    cases = json.loads((vectors / "pki" / "limbo" / "limbo-subset.json").read_text())["testcases"]
    different = {case["id"] for case in cases if limbo_verdict(case) is not (case["expected_result"] == "SUCCESS")}
    assert different == set(LIMBO_DIFFERENCES)


@cache
def pkits(vectors: Path) -> dict[str, tuple[str, bool]]:
    folder = vectors / "pki" / "pkits"
    pool = [file.read_bytes() for file in sorted((folder / "ca").glob("*.crt"))]
    crls = [load_crl(file.read_bytes()) for file in sorted((folder / "crl").glob("*.crl"))]
    anchor = (folder / "ca" / "TrustAnchorRootCertificate.crt").read_bytes()
    rows = [line.split("\t") for line in (folder / "index.tsv").read_text().splitlines()[1:]]
    return {
        file: (
            expected,
            examine_path(
                (folder / "ee" / file).read_bytes(),
                intermediates=pool,
                anchors=[anchor],
                at=datetime(2020, 1, 1, tzinfo=UTC),
                rules=ANY_LEAF,
                crls=crls,
            ).accepted,
        )
        for file, expected in rows
    }


PKITS_DIFFERENCES = {"ValidDSASignaturesTest4EE.crt": "DSA is not believed; FIPS 186-5 withdrew it"}


def test_pkits_verdicts_are_as_expected_but_for_the_listed_ones(vectors: Path) -> None:
    """Invalid paths are refused and valid ones found in the pool, CRLs of every kind included."""
    different = {
        file
        for file, (expected, accepted) in pkits(vectors).items()
        if expected != "policy-dependent" and accepted is not (expected == "valid")
    }
    assert different == set(PKITS_DIFFERENCES)


PKITS_REFUSED_BY_POLICY = {
    "DifferentPoliciesTest5EE.crt": "its CA demands explicit policies, and no policy is in every certificate",
    "DifferentPoliciesTest9EE.crt": "its CA demands explicit policies, and no policy is in every certificate",
    "DifferentPoliciesTest12EE.crt": "its CA demands explicit policies, and no policy is in every certificate",
}


def test_pkits_paths_that_depend_on_wanted_policies_pass_where_none_is_wanted(vectors: Path) -> None:
    """NIST PKITS 4.8: under the default settings all but those whose CAs demand a policy themselves."""
    refused = {
        file for file, (expected, accepted) in pkits(vectors).items() if expected == "policy-dependent" and not accepted
    }
    assert refused == set(PKITS_REFUSED_BY_POLICY)


def test_ml_dsa_trust_anchors_of_others_verify(vectors: Path) -> None:
    anchors = sorted((vectors / "pki" / "pqc").glob("*/ml-dsa-*_ta.der"))
    assert len(anchors) >= 6
    for file in anchors:
        certificate = load_certificate(file.read_bytes())
        verify_certificate(certificate, certificate.public_key())


def test_ml_kem_end_entities_of_others_are_read(vectors: Path) -> None:
    for file in sorted((vectors / "pki" / "pqc").glob("*/ml-kem-*_ee.der")):
        assert certificate_facts(load_certificate(file.read_bytes()))["key_type"].startswith("mlkem"), file.name


HIERARCHIES = ("ecc2", "ecc3", "rsa2", "rsa3")


@pytest.mark.parametrize("hierarchy", HIERARCHIES)
@pytest.mark.parametrize("serial", ["123", "321"])
def test_idevids_of_other_makers_reach_their_root(vectors: Path, hierarchy: str, serial: str) -> None:
    folder = vectors / "pki" / "idevid" / hierarchy
    issuing, root = split_certificates((folder / f"{hierarchy}_chain.pem").read_bytes())
    _, idevid, _ = pkcs12.load_key_and_certificates((folder / f"{hierarchy}_{serial}.p12").read_bytes(), b"")
    assert idevid is not None
    assert len(validate_path(idevid, intermediates=[issuing], anchors=[root], at=AT).chain) == 3


def test_no_request_of_others_ends_in_a_traceback(vectors: Path) -> None:
    files = [file for folder in ("pyca/requests", "cmp") for file in (vectors / "pki" / folder).rglob("*.*")]
    assert len(files) > 10
    for file in files:
        try:
            parse_request(request_der(file.read_bytes()))
        except PkiError as error:
            assert error.code.split(".")[0] in {"csr", "key", "der"}, file.name


def test_no_odd_certificate_or_list_of_others_ends_in_a_traceback(vectors: Path) -> None:
    files = [file for file in (vectors / "pki" / "pyca" / "custom").rglob("*.*") if file.is_file()]
    assert len(files) > 10
    for file in files:
        data = file.read_bytes()
        try:
            leaf = split_certificates(data)[0]
            assert not examine_path(leaf, intermediates=(), anchors=(), at=AT).accepted
            load_crl(data)
        except PathError as error:
            assert error.code in {"path.malformed", "path.crl-malformed"}, file.name
