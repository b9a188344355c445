"""The doors of TPM evidence: what parses, what does not, and that nothing but MalformedEvidenceError comes out."""

from __future__ import annotations

import struct
from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given
from hypothesis import strategies as st

from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm.evidence import read_evidence
from policyengine.attestation.tpm.keys import key_of, name_of, qualified_name
from policyengine.attestation.tpm.structures import (
    GENERATED,
    Certified,
    Quoted,
    Signature,
    read_attest,
    read_public,
    read_signature,
)
from policyengine.simulation import tpm
from tests.unit.attestation.tpm_device import (
    AK,
    ANCHORS,
    DEVICE_KEY,
    EK,
    NONCE,
    VALUES,
    appraised,
    parts,
    rsa_ak,
    rsa_key,
)

QUOTE, SIGNATURE = tpm.quote(AK, nonce=NONCE, values=VALUES)
READERS = {
    "attest": (read_attest, QUOTE),
    "certify": (read_attest, tpm.certify(AK, DEVICE_KEY, nonce=NONCE)[0]),
    "signature": (read_signature, SIGNATURE),
    "rsa-signature": (read_signature, tpm.quote(rsa_ak(), nonce=NONCE, values=VALUES)[1]),
    "public": (read_public, AK.public),
    "rsa-public": (read_public, rsa_ak().public),
    "storage-public": (read_public, EK.public),
}


NUMBERS = st.sampled_from([0, 31, 32, 33, 66]).flatmap(lambda size: st.binary(min_size=size, max_size=size))


def refusal(read: object, data: bytes) -> str:
    with pytest.raises(MalformedEvidenceError) as caught:
        read(data)
    return caught.value.code


@pytest.mark.parametrize("name", READERS)
def test_a_structure_cut_anywhere_is_truncated(name: str) -> None:
    read, whole = READERS[name]
    assert {refusal(read, whole[:size]) for size in range(len(whole))} == {"tpm.truncated"}


@pytest.mark.parametrize("name", READERS)
def test_bytes_after_a_structure_are_refused(name: str) -> None:
    """What follows is signed or named by nobody."""
    read, whole = READERS[name]
    assert refusal(read, whole + b"\x00") == "tpm.trailing"


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_any_changed_structure_parses_or_is_malformed(name: str, data: st.DataObject) -> None:
    read, whole = READERS[name]
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(0, 8)) :]
    try:
        read(changed)
    except MalformedEvidenceError as error:
        assert error.code.startswith("tpm.")


@given(signer=st.sampled_from([0, 33, 34, 35, 50]).map(bytes), nonce=st.sampled_from([0, 31, 32, 33, 64]).map(bytes))
@example(signer=b"\x0b" * 34, nonce=b"\x0c" * 32)
def test_a_quote_says_the_same_with_names_and_nonces_of_every_size(signer: bytes, nonce: bytes) -> None:
    """The usual sizes are read by a shorter way (Part 2 section 10.12.12): it must find the same fields."""
    body = tpm.quote_body(VALUES)
    found = read_attest(tpm.attest(tpm.QUOTE, body, signer=signer, extra=nonce, resets=9, restarts=4))
    assert (found.magic, found.type, found.signer, found.extra) == (GENERATED, tpm.QUOTE, signer, nonce)
    assert (found.clock, found.reset_count, found.restart_count) == (61_939, 9, 4)
    assert (found.safe, found.firmware_version) == (True, 7 << 48)
    assert isinstance(found.body, Quoted)
    assert tpm.sized(found.body.pcr_digest) == body[-34:]


@given(parts=st.tuples(NUMBERS, NUMBERS))
@example(parts=(b"\x01" * 32, b"\x02" * 32))
def test_a_signature_has_the_same_numbers_whatever_their_size(parts: tuple[bytes, bytes]) -> None:
    """As above, for TPMS_SIGNATURE_ECC (Part 2 section 11.3.2)."""
    written = struct.pack(">HH", 0x0018, 0x000B) + b"".join(map(tpm.sized, parts))
    assert read_signature(written) == Signature(scheme=0x0018, hash=0x000B, parts=parts)


@pytest.mark.parametrize("count", [17, 2**32 - 1])
def test_a_selection_of_more_banks_than_a_tpm_has_is_refused_before_it_is_read(count: int) -> None:
    signed = tpm.attest(tpm.QUOTE, count.to_bytes(4, "big"), signer=b"", extra=b"")
    assert refusal(read_attest, signed) == "tpm.count"


def test_a_selection_of_more_pcrs_than_a_tpm_has_is_refused() -> None:
    body = (1).to_bytes(4, "big") + b"\x00\x0b\x05" + bytes(5) + tpm.sized(bytes(32))
    assert refusal(read_attest, tpm.attest(tpm.QUOTE, body, signer=b"", extra=b"")) == "tpm.count"


def test_a_truth_value_other_than_0_and_1_is_refused() -> None:
    at = QUOTE.index(NONCE) + len(NONCE) + 16
    assert refusal(read_attest, QUOTE[:at] + b"\x02" + QUOTE[at + 1 :]) == "tpm.value"


@pytest.mark.parametrize("kind", [0x0008, 0x0025])
def test_a_key_that_is_neither_rsa_nor_ecc_is_refused(kind: int) -> None:
    assert refusal(read_public, kind.to_bytes(2, "big") + AK.public[2:]) == "tpm.key-type"


def test_a_structure_larger_than_any_tpm_makes_is_refused() -> None:
    assert refusal(read_attest, bytes(4097)) == "tpm.size"


def test_a_buffer_larger_than_its_field_is_refused() -> None:
    assert refusal(read_attest, tpm.attest(tpm.QUOTE, b"", signer=bytes(67), extra=b"")) == "tpm.size"


def test_a_point_off_its_curve_is_no_key() -> None:
    found = read_public(AK.public)
    bad = replace(found, unique=(found.unique[0], bytes(32)))
    assert refusal(key_of, bad) == "tpm.key"


def test_a_curve_that_is_not_believed_gives_no_key() -> None:
    found = replace(read_public(AK.public), size=0x0010)
    assert refusal(key_of, found) == "tpm.key"


@pytest.mark.parametrize(
    "key",
    [AK, EK, rsa_ak(), tpm.TpmKey(private=ec.derive_private_key(5, ec.SECP521R1()), template=tpm.AK)],
    ids=["ecc", "storage", "rsa", "p521"],
)
def test_names_and_keys_are_those_of_the_tpm(key: tpm.TpmKey) -> None:
    """Part 1 section 16, as the TPM's side computes them."""
    public = read_public(key.public)
    assert (name_of(public), qualified_name(key.parent, public)) == (key.name, key.qualified_name)
    assert key_of(public) == key.private.public_key()


def test_an_unusual_exponent_is_read_as_written() -> None:
    key = tpm.TpmKey(private=rsa_key("e3", exponent=3), template=tpm.RSA_AK)
    assert key_of(read_public(key.public)).public_numbers().e == 3


def test_a_quote_and_a_certification_say_what_they_are() -> None:
    quoted, certified = read_attest(QUOTE).body, read_attest(READERS["certify"][1]).body
    assert isinstance(quoted, Quoted)
    assert quoted.selections[0].pcrs == tuple(range(8))
    assert isinstance(certified, Certified)
    assert certified.name == DEVICE_KEY.name


@pytest.mark.parametrize(
    "changed",
    [
        {"attest": None},
        {"signature": "text"},
        {"ak": 7},
        {"pcrs": []},
        {"pcrs": {7: {}}},
        {"pcrs": {"sha256": []}},
        {"pcrs": {"sha256": {24: bytes(32)}}},
        {"pcrs": {"sha256": {-1: bytes(32)}}},
        {"pcrs": {"sha256": {"0": bytes(32)}}},
        {"pcrs": {"sha256": {0: "00"}}},
        {"pcrs": {f"b{number}": {} for number in range(5)}},
        {"ek": "text"},
        {"ek_chain": b""},
        {"ek_chain": [7]},
        {"ek_chain": [b""] * 9},
        {"eventlog": []},
        {"certify": []},
        {"certify": {"attest": QUOTE, "signature": SIGNATURE}},
        {"certify": {"attest": QUOTE, "signature": SIGNATURE, "public": AK.public, "more": 1}},
        {"policy": 1},
    ],
    ids=str,
)
def test_a_container_with_a_wrong_part_is_refused(changed: dict[str, object]) -> None:
    assert refusal(read_evidence, tpm.make_tpm_evidence(parts() | changed)) == "tpm.container"


@pytest.mark.parametrize("name", ["attest", "signature", "ak", "pcrs"])
def test_a_container_without_a_required_part_is_refused(name: str) -> None:
    found = {key: value for key, value in parts().items() if key != name}
    assert refusal(read_evidence, tpm.make_tpm_evidence(found)) == "tpm.container"


def test_a_container_that_is_no_map_is_refused() -> None:
    assert refusal(read_evidence, cbor2.dumps([1])) == "tpm.container"


def test_a_chain_of_something_else_is_refused() -> None:
    found = tpm.make_tpm_evidence(parts(ek_chain=(b"certificate",)))
    assert read_evidence(found).ek_chain == (b"certificate",)
    with pytest.raises(MalformedEvidenceError) as caught:
        appraised(parts(ek_chain=(b"certificate",)))
    assert caught.value.code == "tpm.ek-certificate"


WHOLE = tpm.make_tpm_evidence(parts())


@given(at=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255), more=st.binary(max_size=4))
@example(at=0, value=0xA0, more=b"")
def test_any_changed_container_is_malformed_or_refused_or_says_nothing_new(at: int, value: int, more: bytes) -> None:
    """No exception but the one, and no belief in bytes that somebody changed.

    A log's event types and texts are not all measured: who changes them can hide a fact, which is then unknown, but
    can neither add one nor change one. Everything else is signed, named or measured.
    """
    from policyengine.attestation.verifier import verify
    from tests.unit.attestation.tpm_device import MEDIA_TYPE, NOW

    changed = WHOLE[:at] + bytes((value,)) + more + WHOLE[at + 1 :]
    arguments = {"media_type": MEDIA_TYPE, "nonce": NONCE, "anchors": ANCHORS, "endorsements": None, "now": NOW}
    try:
        verified = verify(changed, **arguments)
    except MalformedEvidenceError:
        return
    if verified.accepted:
        good = verify(WHOLE, **arguments)
        assert _told(verified.facts) <= _told(good.facts)


def as_any_other(usual: bytes) -> bytes:
    """Return the same container with the length of its first key written longer, which the short way does not read."""
    return usual[:1] + b"\x78\x06" + usual[2:]


def outcome(data: bytes) -> object:
    try:
        return read_evidence(data)
    except MalformedEvidenceError as error:
        return error.code


@pytest.mark.parametrize(
    "sent", [WHOLE, tpm.make_tpm_evidence(parts(eventlog=None, certified=None))], ids=["enrolment", "check-in"]
)
@given(at=st.integers(2, len(WHOLE) - 1), value=st.integers(0, 255), more=st.binary(max_size=4))
@example(at=2, value=ord("a"), more=b"")
def test_the_usual_form_is_read_as_every_other_is(sent: bytes, at: int, value: int, more: bytes) -> None:
    """What is read by a shorter way has the same parts, and is refused with the same code, whoever changed a byte."""
    changed = sent[:at] + bytes((value,)) + more + sent[at + 1 :]
    assert outcome(changed) == outcome(as_any_other(changed))


@pytest.mark.parametrize(
    ("pairs", "more", "code"),
    [
        (1, {"attest": QUOTE}, "cbor.duplicate-key"),
        (1, {"signature": SIGNATURE}, "cbor.duplicate-key"),
        (1, {"ak": AK.public}, "cbor.duplicate-key"),
        (0, {"eventlog": []}, "cbor.trailing"),
        (2, {"eventlog": []}, "cbor.truncated"),
    ],
)
def test_the_usual_form_hides_no_second_part(pairs: int, more: dict[str, object], code: str) -> None:
    """RFC 8949 section 5.6: what stands twice would be read as one by some and as the other by others."""
    sent = tpm.make_tpm_evidence(parts(eventlog=None, certified=None))
    changed = bytes((sent[0] + pairs,)) + sent[1:] + cbor2.dumps(more)[1:]
    assert refusal(read_evidence, changed) == code


def _told(facts: dict[str, dict[str, object]]) -> set[tuple[str, str]]:
    """Return each fact that says something, but for the digest of the evidence, which every change changes."""
    listed = {group: content if isinstance(content, dict) else {"": content} for group, content in facts.items()}
    named = {(f"{group}.{name}", repr(value)) for group, content in listed.items() for name, value in content.items()}
    return {(name, value) for name, value in named if name != "evidence.digest" and value != "'unknown'"}
