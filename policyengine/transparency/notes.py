"""Signed notes with Ed25519 (C2SP signed-note): a text and, after a blank line, a line for each signature.

    — NAME BASE64(KEYID || SIGNATURE)

The key id is the first four bytes of SHA-256(NAME || 0x0A || 0x01 || public key); `vkey` is how a verifier is told a
key: NAME+HEX(KEYID)+BASE64(0x01 || public key).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policyengine.errors import quoted
from policyengine.transparency.base64text import decoded, encoded
from policyengine.transparency.errors import NoteError

MAX_NOTE = 64 * 1024  # bytes; ours have about 250, a checkpoint with many witnesses a few thousand
MAX_SIGNATURES = 100  # lines; Go's client has the same limit

_ED25519 = b"\x01"
_DASH = "\u2014 "
_ID_SIZE, _KEY_SIZE, _SIGNATURE_SIZE = 4, 32, 64

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A name and the Ed25519 key it signs with."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        """Refuse what no note could name."""
        if not self.name or len(self.public) != _KEY_SIZE or any(sign.isspace() or sign == "+" for sign in self.name):
            raise NoteError("a note's key is a name without spaces and plus signs, and 32 bytes", code="log.key")

    @property
    def id(self) -> bytes:
        """The four bytes that say which key signed."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_SIZE]

    def __str__(self) -> str:
        """Return the vkey."""
        return f"{self.name}+{self.id.hex()}+{encoded(_ED25519 + self.public)}"


def parse_vkey(text: str) -> VerifierKey:
    """Return the key that `text` spells; raises NoteError `log.key`."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise _bad_key(text)
    raw = decoded(parts[2])
    if raw is None or raw[:1] != _ED25519 or len(raw) != 1 + _KEY_SIZE:
        raise _bad_key(text)
    key = VerifierKey(name=parts[0], public=raw[1:])
    if key.id.hex() != parts[1]:
        raise _bad_key(text)
    return key


def signed(text: str, *, key: VerifierKey, sign: Sign) -> str:
    """Return `text`, which ends in a newline, with the signature of `key`, whose private half is in `sign`."""
    _demand_text(text)
    return f"{text}\n{_DASH}{key.name} {encoded(key.id + sign(text.encode()))}\n"


def opened(note: bytes, *, key: VerifierKey) -> str:
    """Return the text of `note` once a signature of `key` on it has verified; others are ignored.

    Raises NoteError: `log.note` for what is no note, `log.unsigned` without a signature of `key`, `log.signature` for
    a false one.
    """
    text, signatures = _parts(note)
    ours = [raw for name, raw in signatures if name == key.name and raw[:_ID_SIZE] == key.id]
    if not ours:
        raise NoteError(f"the note has no signature of {quoted(key.name)}", code="log.unsigned")
    public = Ed25519PublicKey.from_public_bytes(key.public)
    for raw in ours:
        try:
            public.verify(raw[_ID_SIZE:], text.encode())
        except InvalidSignature as cause:
            raise NoteError(f"the signature of {quoted(key.name)} is false", code="log.signature") from cause
    return text


def _parts(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    try:
        whole = note.decode() if len(note) <= MAX_NOTE else ""
    except UnicodeDecodeError:
        whole = ""
    body, _, rest = whole.rpartition("\n\n")  # the last blank line: the text may have others
    lines = rest.split("\n")
    if not body or lines.pop() != "" or not 0 < len(lines) <= MAX_SIGNATURES:
        raise NoteError("this is no signed note", code="log.note")
    text = f"{body}\n"
    _demand_text(text)
    return text, [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    name, _, spelled = line.removeprefix(_DASH).partition(" ")
    raw = decoded(spelled)
    if not line.startswith(_DASH) or not name or raw is None or len(raw) <= _ID_SIZE:
        raise NoteError("a signature line of the note is malformed", code="log.note")
    return name, raw


def _demand_text(text: str) -> None:
    if not text.endswith("\n") or any(ord(sign) < 0x20 and sign != "\n" for sign in text):
        raise NoteError("a note's text ends in a newline and has no other control characters", code="log.note")


def _bad_key(text: str) -> NoteError:
    return NoteError(f"{quoted(text)} is no vkey of an Ed25519 key: NAME+ID+KEY", code="log.key")
