"""`verify`: formats by media type, and total on hostile input."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policyengine.attestation.errors import MalformedEvidenceError, UnsupportedMediaTypeError
from policyengine.attestation.pop import MEDIA_TYPE as POP
from policyengine.attestation.verifier import BUILT_IN, FORMATS
from policyengine.model.challenge import bound_nonce
from tests.unit.attestation.psa_device import NONCE, PSA, known, release, token, verified

TOKEN = token()
FACTS = verified(TOKEN).facts


@pytest.mark.parametrize(
    "spelling",
    [
        PSA,
        "application/psa-attestation-token",
        'application/eat+cwt; eat_profile="http://arm.com/psa/2.0.0"',
        'application/eat+cwt; eat_profile="PSA_IOT_PROFILE_1"',
        'Application/EAT+CWT;EAT_profile="tag:psacertified.org,2023:psa#tfm"',
        'application/eat+cwt ; eat_profile="tag\\:psacertified.org,2023:psa#tfm" ',
    ],
)
def test_a_media_type_finds_its_format_in_any_spelling(spelling: str) -> None:
    """RFC 9110 section 8.3.1."""
    assert BUILT_IN.format_for(spelling).name == "psa"


@pytest.mark.parametrize(
    "spelling", ["application/eat+cwt", "application/eat+jwt", 'application/eat+cwt; eat_profile="https://a.example/1"']
)
def test_any_profile_without_rules_of_its_own_is_a_plain_eat(spelling: str) -> None:
    """RFC 9782 section 3."""
    assert BUILT_IN.format_for(spelling).name == "eat"


def test_a_token_is_held_to_the_profile_that_its_media_type_announces() -> None:
    other = 'application/eat+cwt; eat_profile="TAG:psacertified.org,2023:psa#tfm"'
    assert verified(TOKEN, media_type=other).failed == ("psa.profile",)


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "application",
        "application/octet-stream",
        "application/eat+json",
        'application/psa-attestation-token; eat_profile="tag:psacertified.org,2023:psa#tfm"',
        "application/eat+cwt; eat_profile",
        'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"; v=1',
        'application/eat+cwt; eat_profile="a"; eat_profile="tag:psacertified.org,2023:psa#tfm"',
        "application/eat+cwt" + " " * 300,
        "application/eat+cwt; eat_profile=" + "\n",
        f"{POP}; x=y",
    ],
)
def test_another_media_type_is_refused_not_guessed(spelling: str) -> None:
    """The bytes are a good token all along."""
    with pytest.raises(UnsupportedMediaTypeError):
        verified(TOKEN, media_type=spelling)


@given(st.text(max_size=300))
def test_any_text_is_a_known_media_type_or_refused(text: str) -> None:
    try:
        assert BUILT_IN.format_for(text) in FORMATS
    except UnsupportedMediaTypeError as error:
        assert error.code == "evidence.media-type"


@given(st.binary(max_size=300), st.sampled_from([PSA, POP]))
@example(evidence=b"\xd2\x84\x40\xa0\x40\x40", media_type=PSA)
@example(evidence=b"\xd1\x84\x40\xa0\x40\x40", media_type=POP)
def test_random_bytes_are_malformed_or_disbelieved(evidence: bytes, media_type: str) -> None:
    assert not believed(evidence, media_type)


@given(st.data())
def test_a_token_with_any_bytes_changed_is_malformed_or_disbelieved(data: st.DataObject) -> None:
    damaged = bytearray(TOKEN)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    accepted = believed(bytes(damaged), PSA)
    assert not accepted or bytes(damaged) == TOKEN


def test_no_single_flipped_bit_is_believed() -> None:
    """Exhaustive: every bit of the envelope, the header, the claims and the signature."""
    for at in range(len(TOKEN) * 8):
        flipped = bytearray(TOKEN)
        flipped[at // 8] ^= 1 << at % 8
        assert not believed(bytes(flipped), PSA), at


@given(st.integers(0, len(TOKEN) - 1))
def test_a_cut_token_is_malformed(size: int) -> None:
    with pytest.raises(MalformedEvidenceError):
        verified(TOKEN[:size])


def believed(evidence: bytes, media_type: str) -> bool:
    """Return whether `evidence` is accepted; whatever is raised other than MalformedEvidenceError fails the test."""
    try:
        return verified(evidence, media_type=media_type, endorsements=known(release("1"))).accepted
    except MalformedEvidenceError:
        return False


def test_a_token_is_no_proof_of_possession() -> None:
    """Cross-protocol: the same key and challenge in the wrong format."""
    assert not believed(TOKEN, POP)


def test_a_bound_nonce_is_for_one_key_only() -> None:
    evidence = token(nonce=bound_nonce(NONCE, b"spki of the requested key"))
    assert verified(evidence, nonce=bound_nonce(NONCE, b"spki of the requested key")).accepted
    assert verified(evidence, nonce=bound_nonce(NONCE, b"spki of another key")).failed == ("psa.nonce",)
    assert verified(evidence, nonce=NONCE).failed == ("psa.nonce",)


def test_the_bound_nonce_is_the_published_construction() -> None:
    """SHA-256("policyengine csr v1" || nonce || SHA-256(SPKI)), computed by another program."""
    expected = "cc7404d3851943014b7eaadd1d5bc2637c2fe65fcf9680840f5d4ac390bed0c8"
    assert bound_nonce(bytes(32), b"spki").hex() == expected
