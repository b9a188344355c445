"""One piece of evidence for each check of a TPM check-in that exactly this check refuses, and good evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from policyengine.attestation.anchors import TrustAnchors, thumbprint
from policyengine.attestation.checks import Outcome, Requirement
from policyengine.attestation.tpm import appraisal as tpm_format
from policyengine.attestation.tpm import certify as tpm_certify
from policyengine.attestation.tpm import ek, iak
from policyengine.attestation.tpm import quote as tpm_quote
from policyengine.attestation.tpm import statement as tpm_statement
from policyengine.attestation.tpm.statement import Rules
from policyengine.simulation import tpm, tpm_log
from tests.unit.attestation.tpm_device import (
    AK,
    ANCHORS,
    BOOT,
    DEVICE_KEY,
    EK,
    IAK_CHAIN,
    NONCE,
    OTHER,
    VALUES,
    anchors,
    appraised,
    ek_certificate,
    iak_certificate,
    parts,
    rsa_ak,
    rsa_key,
)
from tests.unit.attestation.tpm_device import ak as ak_with

Case = tuple[dict[str, object], TrustAnchors]


def stated(kind: int, body: bytes, *, by: tpm.TpmKey = AK, **changed: int | bytes) -> tuple[bytes, bytes]:
    """Return a signed TPMS_ATTEST with fields that a TPM would not sign so."""
    arguments = {"signer": by.qualified_name, "extra": NONCE} | changed
    signed = tpm.attest(kind, body, **arguments)
    return signed, tpm.sign(by.private, signed, hash_=by.template.hash, scheme=by.template.scheme)


def quote(*, kind: int = tpm.QUOTE, body: bytes = tpm.quote_body(VALUES), **changed: int | bytes) -> Case:
    signed, signature = stated(kind, body, **changed)
    return parts() | {"attest": signed, "signature": signature}, ANCHORS


def certification(
    *,
    kind: int = tpm.CERTIFY,
    body: bytes = tpm.certify_body(DEVICE_KEY),
    public: bytes = DEVICE_KEY.public,
    **changed: int | bytes,
) -> Case:
    signed, signature = stated(kind, body, **changed)
    return parts() | {"certify": {"attest": signed, "signature": signature, "public": public}}, ANCHORS


def resigned(name: str, hash_: str) -> Case:
    """Return a certification by the RSA AK that is signed otherwise than the AK is bound to."""
    key = rsa_ak()
    found = parts(key)
    signed = tpm.certify(key, DEVICE_KEY, nonce=NONCE)[0]
    scheme = tpm.RSAPSS if name == "scheme" else tpm.RSASSA
    over = tpm.sign(key.private, signed, hash_=hash_, scheme=scheme)
    return found | {"certify": {"attest": signed, "signature": over, "public": DEVICE_KEY.public}}, anchors(key)


def by(key: tpm.TpmKey, **changed: object) -> Case:
    return parts(key, **changed), anchors(key)


def flipped(signature: bytes) -> bytes:
    return signature[:-1] + bytes((signature[-1] ^ 1,))


def wrong_scheme() -> Case:
    key = rsa_ak()
    found = parts(key)
    signed = tpm.quote(key, nonce=NONCE, values=VALUES)[0]
    return found | {"signature": tpm.sign(key.private, signed, scheme=tpm.RSAPSS)}, anchors(key)


def weak_exponent() -> Case:
    return by(tpm.TpmKey(private=rsa_key("e3", exponent=3), template=tpm.RSA_AK, parent=EK.qualified_name))


def bank_twice() -> Case:
    value = VALUES["sha256"][0]
    one = tpm.selection({"sha256": {0: value}})[4:]
    body = (2).to_bytes(4, "big") + one + one + tpm.sized(hashlib.sha256(value + value).digest())
    found, trust = quote(body=body)
    del found["eventlog"]
    return found | {"pcrs": {"sha256": {0: value}}}, trust


def weak_bank() -> Case:
    return by(AK, values={"sha1": tpm_log.pcrs(BOOT, bank="sha1")}, eventlog=None)


def with_pcr(pcr: int, value: bytes) -> Case:
    """Return evidence that reports another value than was quoted."""
    return parts(eventlog=None) | {"pcrs": {"sha256": VALUES["sha256"] | {pcr: value}}}, ANCHORS


def log_of_another_boot() -> Case:
    return parts(eventlog=tpm_log.eventlog(tpm_log.boot(version="6.6.6"))), ANCHORS


def log_that_lies() -> Case:
    """The digests are those of a boot without secure boot, the data says that it was on."""
    off = tpm_log.boot(secure=False)
    lie = tuple(
        replace(record, data=tpm_log.variable("SecureBoot", b"\x01"), measured=record.data)
        if record.type == tpm_log.EFI_VARIABLE_DRIVER_CONFIG and b"S\x00e\x00c" in record.data
        else record
        for record in off
    )
    return parts(values={"sha256": tpm_log.pcrs(off)}, eventlog=tpm_log.eventlog(lie)), ANCHORS


def signing_ek() -> Case:
    key = replace(EK, template=replace(tpm.EK, attributes=tpm.EK.attributes | tpm.SIGN))
    below = replace(AK, parent=key.qualified_name)
    return by(below, ek=key, certified=replace(DEVICE_KEY, parent=key.qualified_name))


def exported_key(**template: int) -> Case:
    key = replace(DEVICE_KEY, template=replace(tpm.DEVICE_KEY, **template))
    return parts(certified=key), ANCHORS


OWNER_AK = replace(AK, parent=tpm.OWNER)
SHA1_AK = rsa_ak(name_hash="sha1")
STRANGER = replace(AK, private=OTHER)

CASES: dict[str, Callable[[], Case]] = {
    "tpm.magic": lambda: quote(magic=0x46414B45),
    "tpm.type": lambda: quote(kind=0x8019),
    "tpm.nonce": lambda: quote(extra=bytes(32)),
    "tpm.scheme": wrong_scheme,
    "tpm.hash": lambda: (parts(ak_with(hash="sha1"), certified=None, eventlog=None), anchors(AK)),
    "tpm.signature": lambda: (parts() | {"signature": flipped(tpm.quote(AK, nonce=NONCE, values=VALUES)[1])}, ANCHORS),
    "tpm.ak-trusted": lambda: (
        parts(certified=None),
        TrustAnchors(keys=(OTHER.public_key(),), certificates=ANCHORS.certificates),
    ),
    "tpm.ak-key": weak_exponent,
    "tpm.ak-attributes": lambda: by(ak_with(attributes=tpm.AK.attributes & ~tpm.RESTRICTED)),
    "tpm.name-alg": lambda: by(SHA1_AK),
    "tpm.qualified-signer": lambda: quote(signer=OWNER_AK.qualified_name),
    "tpm.pcr-selection": bank_twice,
    "tpm.pcr-bank": weak_bank,
    "tpm.pcr-values": lambda: with_pcr(23, bytes(32)),
    "tpm.pcr-digest": lambda: with_pcr(4, bytes(32)),
    "tpm.ek-chain": lambda: (parts(), TrustAnchors(keys=ANCHORS.keys)),
    "tpm.ek-purpose": lambda: (parts(ek_chain=(ek_certificate(purpose=None),)), ANCHORS),
    "tpm.ek-key": lambda: (parts(ek_chain=(ek_certificate(OTHER.public_key()),)), ANCHORS),
    "tpm.ek-attributes": signing_ek,
    "tpm.iak-chain": lambda: (parts(ek_chain=(), ak_chain=IAK_CHAIN), TrustAnchors(keys=ANCHORS.keys)),
    "tpm.iak-purpose": lambda: (parts(ak_chain=(iak_certificate(purpose=None),)), ANCHORS),
    "tpm.iak-key": lambda: (parts(ak_chain=(iak_certificate(OTHER.public_key()),)), ANCHORS),
    "tpm.eventlog-replay": log_of_another_boot,
    "tpm.eventlog-data": log_that_lies,
    "tpm.certify-magic": lambda: certification(magic=0x46414B45),
    "tpm.certify-type": lambda: certification(kind=0x8019),
    "tpm.certify-nonce": lambda: certification(extra=bytes(32)),
    "tpm.certify-scheme": lambda: resigned("scheme", "sha256"),
    "tpm.certify-signature": lambda: (parts() | {"certify": _flipped_certification()}, ANCHORS),
    "tpm.certify-signer": lambda: certification(signer=OWNER_AK.qualified_name),
    "tpm.certify-name": lambda: certification(public=replace(DEVICE_KEY, private=OTHER).public),
    "tpm.certify-attributes": lambda: exported_key(attributes=tpm.DEVICE_KEY.attributes & ~(1 << 1)),
}
# A signature that names another hash than its key is bound to fails by both: the hash and the scheme it belongs to.
BOTH = {"tpm.certify-hash": lambda: resigned("hash", "sha1")}


def _flipped_certification() -> dict[str, bytes]:
    signed, over = tpm.certify(AK, DEVICE_KEY, nonce=NONCE)
    return {"attest": signed, "signature": flipped(over), "public": DEVICE_KEY.public}


@pytest.mark.parametrize("check", CASES)
def test_each_defect_is_refused_by_exactly_its_check(check: str) -> None:
    """TPM 2.0 Parts 1 and 2, TCG EK profile, PFP: the clause stands with each requirement."""
    found, trust = CASES[check]()
    verified = appraised(found, trust=trust)
    assert (verified.failed, verified.accepted, verified.facts) == ((check,), False, {})


def test_a_certification_signed_with_sha1_is_refused() -> None:
    found, trust = BOTH["tpm.certify-hash"]()
    assert appraised(found, trust=trust).failed == ("tpm.certify-scheme", "tpm.certify-hash")


def requirements(*modules: object) -> set[str]:
    values = [value for module in modules for value in vars(module).values()]
    rules = [getattr(value, name) for value in values if isinstance(value, Rules) for name in Rules.__slots__]
    return {value.id for value in (*values, *rules) if isinstance(value, Requirement)}


def test_every_check_has_evidence_that_only_it_refuses() -> None:
    """Take any check out, and evidence of the table is believed that must not be, or refused for no stated reason."""
    known = requirements(tpm_statement, tpm_quote, tpm_certify, ek, iak, tpm_format)
    assert known - {"binding.csr-key"} == CASES.keys() | BOTH.keys()


def test_a_good_check_in_passes_every_check() -> None:
    verified = appraised(parts(ak_chain=IAK_CHAIN))
    assert {check.result for check in verified.checks} == {Outcome.PASS}
    assert {check.id for check in verified.checks} == CASES.keys() | BOTH.keys()


@pytest.mark.parametrize(
    "key",
    [
        rsa_ak(),
        rsa_ak(scheme=tpm.RSAPSS),
        rsa_ak(hash="sha384"),
        tpm.TpmKey(
            private=ec.derive_private_key(0x3010, ec.SECP384R1()),
            template=replace(tpm.AK, hash="sha384", name_hash="sha384"),
            parent=EK.qualified_name,
        ),
        tpm.TpmKey(
            private=ec.derive_private_key(0x3011, ec.SECP521R1()),
            template=replace(tpm.AK, hash="sha512"),
            parent=EK.qualified_name,
        ),
    ],
    ids=["RS256", "PS256", "RS384", "ES384", "ES512"],
)
def test_every_kind_of_attestation_key_is_believed(key: tpm.TpmKey, request: pytest.FixtureRequest) -> None:
    verified = appraised(parts(key), trust=anchors(key))
    name = request.node.callspec.id
    assert (verified.failed, verified.facts["evidence"]["algorithm"]) == ((), name)


@pytest.mark.parametrize("bit", [1 << 1, 1 << 4, 1 << 5, tpm.RESTRICTED, tpm.SIGN])
def test_an_attestation_key_that_lacks_an_attribute_is_refused(bit: int) -> None:
    """TPM 2.0 Part 2 section 8.3: without any of them the key could sign, or leave to where it signs, a forgery."""
    found, trust = by(ak_with(attributes=tpm.AK.attributes & ~bit))
    assert appraised(found, trust=trust).failed == ("tpm.ak-attributes",)


def test_an_attestation_key_that_decrypts_is_refused() -> None:
    found, trust = by(ak_with(attributes=tpm.AK.attributes | tpm.DECRYPT))
    assert appraised(found, trust=trust).failed == ("tpm.ak-attributes",)


def test_a_quote_of_no_pcr_is_refused() -> None:
    """CVE-2022-0317: a quote over nothing agrees with every set of values."""
    found, trust = quote(body=tpm.quote_body({}))
    del found["eventlog"]
    assert appraised(found | {"pcrs": {}}, trust=trust).failed == ("tpm.pcr-selection",)


def test_a_missing_pcr_value_is_refused() -> None:
    """CVE-2024-29039: what is reported must be what was selected."""
    values = {pcr: value for pcr, value in VALUES["sha256"].items() if pcr != 7}
    found = parts(eventlog=None) | {"pcrs": {"sha256": values}}
    assert appraised(found).failed == ("tpm.pcr-values",)


def test_the_nonce_is_compared_as_issued_and_never_decoded() -> None:
    found, _ = quote(extra=NONCE.hex().encode()[:64])
    assert appraised(found).failed == ("tpm.nonce",)


def test_an_empty_challenge_is_answered_by_nothing() -> None:
    found = parts(nonce=b"")
    assert "tpm.nonce" in appraised(found, nonce=b"").failed


def test_an_ek_chain_alone_makes_no_attestation_key_trusted() -> None:
    """CVE-2022-1053's class: anybody can show the public certificate of another's TPM."""
    verified = appraised(parts(), trust=TrustAnchors(certificates=ANCHORS.certificates))
    assert ("tpm.ak-trusted" in verified.failed, verified.accepted) == (True, False)


def test_evidence_of_another_trusted_key_is_not_taken_for_the_key_shown() -> None:
    other = tpm.TpmKey(private=OTHER, template=tpm.AK, parent=EK.qualified_name)
    found = parts(certified=None) | {"ak": other.public}
    assert "tpm.signature" in appraised(found, trust=anchors(AK, other)).failed


def test_a_key_is_certified_only_by_the_key_that_quoted() -> None:
    other = tpm.TpmKey(private=OTHER, template=tpm.AK, parent=EK.qualified_name)
    signed, over = tpm.certify(other, DEVICE_KEY, nonce=NONCE)
    found = parts() | {"certify": {"attest": signed, "signature": over, "public": DEVICE_KEY.public}}
    assert "tpm.certify-signature" in appraised(found, trust=anchors(AK, other)).failed


def test_a_restricted_key_is_not_certified_for_a_certificate() -> None:
    found, trust = exported_key(attributes=tpm.DEVICE_KEY.attributes | tpm.RESTRICTED)
    assert appraised(found, trust=trust).failed == ("tpm.certify-attributes",)


def test_the_certified_key_is_bound_to_the_certificate_request() -> None:
    """TPM 2.0 Part 3 section 18.2; only the key that the TPM certified may be in the request."""
    binding = appraised(parts()).key_binding
    assert binding is not None
    requested = thumbprint(DEVICE_KEY.private.public_key())
    results = [
        tpm_certify.csr_key(binding.certified, requested=requested).result,
        tpm_certify.csr_key(binding.certified, requested=thumbprint(OTHER.public_key())).result,
        tpm_certify.csr_key(None, requested=requested).result,
    ]
    assert results == [Outcome.PASS, Outcome.FAIL, Outcome.FAIL]


def test_a_chain_for_another_purpose_is_refused() -> None:
    found = parts(ek_chain=(ek_certificate(purpose="2.23.133.8.3"),))
    assert appraised(found).failed == ("tpm.ek-purpose",)


def test_a_log_without_the_quoted_bank_is_refused() -> None:
    found = parts(values={"sha384": tpm_log.pcrs(BOOT, bank="sha384")})
    assert appraised(found).failed == ("tpm.eventlog-replay",)


def test_a_log_that_is_silent_about_a_firmware_pcr_is_refused() -> None:
    """Leaving out all records of PCR 7 must not hide that secure boot was off."""
    silent = tuple(record for record in BOOT if record.pcr != 7)
    assert appraised(parts(eventlog=tpm_log.eventlog(silent))).failed == ("tpm.eventlog-replay",)


def test_a_pcr_that_no_log_covers_may_be_quoted() -> None:
    """PCR 10 is extended by the running system, whose log is another one."""
    values = {"sha256": VALUES["sha256"] | {10: bytes([9] * 32)}}
    assert appraised(parts(values=values)).failed == ()


def test_a_chain_is_not_asked_for() -> None:
    assert appraised(parts(ek=None, ek_chain=(), eventlog=None, certified=None)).accepted


def test_an_ak_that_its_devices_maker_certified_needs_no_other_trust() -> None:
    """TCG TPM 2.0 Keys for Device Identity and Attestation section 5.2: the maker activated it."""
    found = appraised(parts(ak_chain=IAK_CHAIN), trust=TrustAnchors(certificates=ANCHORS.certificates))
    assert found.failed == ()
    assert found.key_binding is not None
    assert [each.subject.rfc4514_string() for each in found.key_binding.own_chain][-1] == "CN=TPM Vendor EK CA"


def test_a_certificate_of_another_ak_admits_none() -> None:
    certified = (iak_certificate(OTHER.public_key()),)
    found = appraised(parts(ak_chain=certified), trust=TrustAnchors(certificates=ANCHORS.certificates))
    assert {"tpm.iak-key", "tpm.ak-trusted"} <= set(found.failed)


def test_the_certificate_of_an_idevid_admits_no_ak() -> None:
    """It says who the device is, not that its key makes only statements of a TPM."""
    certified = (iak_certificate(purpose=None),)
    found = appraised(parts(ak_chain=certified), trust=TrustAnchors(certificates=ANCHORS.certificates))
    assert {"tpm.iak-purpose", "tpm.ak-trusted"} <= set(found.failed)
