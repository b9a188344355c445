"""Signed notes, checkpoints and receipts (C2SP signed-note, tlog-checkpoint, tlog-proof)."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from policyengine.transparency.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from policyengine.transparency.errors import LogError, NoteError, ProofError
from policyengine.transparency.leaf import leaf_hash
from policyengine.transparency.merkle import node_hash
from policyengine.transparency.notes import VerifierKey, opened, parse_vkey, signed
from policyengine.transparency.receipt import Receipt, parse_receipt, verify_receipt

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
KEY = VerifierKey(name="log.example/fleet", public=PRIVATE.public_key().public_bytes_raw())
TEXT = "log.example/fleet\n2\n" + base64.b64encode(b"r" * 32).decode() + "\n"
NOTE = signed(TEXT, key=KEY, sign=PRIVATE.sign)

# Published with golang.org/x/mod/sumdb/note as its documentation's example.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_that_go_signed_opens() -> None:
    """An outside implementation's key and note."""
    assert opened(GO_NOTE.encode(), key=parse_vkey(GO_VKEY)).startswith("If you think cryptography")


def test_a_key_is_spelled_as_go_spells_it() -> None:
    assert str(parse_vkey(GO_VKEY)) == GO_VKEY


def test_the_key_id_is_of_name_and_key() -> None:
    """C2SP signed-note: SHA-256(name || 0x0A || 0x01 || key)[:4]."""
    assert KEY.id == hashlib.sha256(b"log.example/fleet\n\x01" + KEY.public).digest()[:4]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY[:-4],
        "a b" + GO_VKEY,
        "+" + GO_VKEY,
    ],
)
def test_a_false_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError) as refused:
        parse_vkey(text)
    assert refused.value.code == "log.key"


def test_a_note_opens_to_what_was_signed() -> None:
    assert opened(NOTE.encode(), key=KEY) == TEXT


def test_a_text_with_blank_lines_and_lines_like_signatures_is_kept_whole() -> None:
    text = "a\n\n\u2014 log.example/fleet AAAAAAAA\n\nb\n"
    assert opened(signed(text, key=KEY, sign=PRIVATE.sign).encode(), key=KEY) == text


def test_a_witness_s_signature_beside_ours_is_no_obstacle() -> None:
    witnessed = f"{NOTE}\u2014 witness.example {base64.b64encode(b'abcd' + b's' * 72).decode()}\n"
    assert opened(witnessed.encode(), key=KEY) == TEXT


def test_a_note_without_our_signature_is_refused() -> None:
    other = VerifierKey(name="other.example", public=KEY.public)
    with pytest.raises(NoteError) as refused:
        opened(NOTE.encode(), key=other)
    assert refused.value.code == "log.unsigned"


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(0, 7))
def test_no_flipped_bit_goes_unseen(at: int, bit: int) -> None:
    changed = bytearray(NOTE.encode())
    changed[at] ^= 1 << bit
    try:
        assert opened(bytes(changed), key=KEY) == TEXT
    except NoteError:
        return
    raise AssertionError("a changed note opened")


@given(st.binary(max_size=200))
def test_bytes_that_are_no_note_are_refused_and_nothing_else_happens(noise: bytes) -> None:
    with pytest.raises(LogError):
        opened(noise, key=KEY)


def test_a_checkpoint_opens_to_what_was_signed() -> None:
    made = Checkpoint(origin=KEY.name, size=2, root=b"r" * 32)
    assert open_checkpoint(sign_checkpoint(made, key=KEY, sign=PRIVATE.sign), key=KEY) == made


@pytest.mark.parametrize(
    "text",
    [
        "other.example\n2\n" + TEXT.split("\n")[2] + "\n",
        TEXT.replace("\n2\n", "\n02\n"),
        TEXT.replace("\n2\n", "\n-2\n"),
        TEXT.replace("\n2\n", "\n9223372036854775808\n"),
        "log.example/fleet\n2\nAAAA\n",
        "log.example/fleet\n2\n",
    ],
    ids=["origin", "leading-zero", "negative", "too-large", "short-root", "no-root"],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError) as refused:
        open_checkpoint(signed(text, key=KEY, sign=PRIVATE.sign).encode(), key=KEY)
    assert refused.value.code == "log.checkpoint"


def receipt_over(entries: list[bytes]) -> bytes:
    root = node_hash(*map(leaf_hash, entries))
    note = sign_checkpoint(Checkpoint(origin=KEY.name, size=2, root=root), key=KEY, sign=PRIVATE.sign)
    return Receipt(index=1, path=(leaf_hash(entries[0]),), checkpoint=note).text


def test_a_receipt_verifies_with_nothing_but_the_entry_and_the_key() -> None:
    assert verify_receipt(receipt_over([b"one", b"two"]), entry=b"two", key=KEY).size == 2


def test_a_receipt_for_another_entry_is_refused() -> None:
    with pytest.raises(ProofError):
        verify_receipt(receipt_over([b"one", b"two"]), entry=b"one", key=KEY)


def test_extra_data_of_a_receipt_is_left_aside() -> None:
    """C2SP tlog-proof: opaque, and not authenticated."""
    text = receipt_over([b"one", b"two"]).replace(b"\nindex", b"\nextra AAAA\nindex")
    assert verify_receipt(text, entry=b"two", key=KEY).size == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"@v1", b"@v2"),
        (b"index 1", b"index 01"),
        (b"index 1", b"index x"),
        (b"\n\n", b"\n"),
        (b"index 1\n", b"index 1\nAA==\n"),
    ],
    ids=["version", "leading-zero", "no-number", "no-checkpoint", "short-hash"],
)
def test_a_malformed_receipt_is_refused(before: bytes, after: bytes) -> None:
    with pytest.raises(ProofError) as refused:
        parse_receipt(receipt_over([b"one", b"two"]).replace(before, after, 1))
    assert refused.value.code == "log.receipt"
