"""The transparency log's files: its key, encrypted; its name; and the last checkpoint that was signed.

log.key           Ed25519, used for nothing else
log.vkey          the log's name and public key, as verifiers are told it
log.checkpoint    signed last; kept apart from the database, so that a restored backup cannot make us sign a fork
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.keys import KeyType
from policyengine.adapters.keyfile import Entropy, KeyFileError, generate, open_key, sync_directory, write_key
from policyengine.transparency.notes import VerifierKey, parse_vkey

MAX_CHECKPOINT = 64 * 1024  # bytes; ours have about 250


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeyFile:
    """Implements the LogKey port."""

    verifier: VerifierKey
    private: Ed25519PrivateKey

    def sign(self, text: bytes) -> bytes:
        """Return the Ed25519 signature of `text`."""
        return self.private.sign(text)


def found_log(directory: Path, *, name: str, passphrase: bytes, entropy: Entropy) -> None:
    """Make the log's key in `directory`, called `name` for ever, unless it is there. Raises KeyFileError, NoteError."""
    if (directory / "log.vkey").exists():
        return
    path = directory / "log.key"
    if not path.exists():
        write_key(path, generate(KeyType.ED25519), passphrase=passphrase, entropy=entropy)
    verifier = VerifierKey(name=name, public=_public(_private(path, passphrase)))
    _replace(directory / "log.vkey", f"{verifier}\n".encode())


def open_log_key(directory: Path, *, passphrase: bytes) -> LogKeyFile:
    """Return the log's key; raises KeyFileError, PassphraseError, NoteError."""
    private = _private(directory / "log.key", passphrase)
    verifier = parse_vkey((directory / "log.vkey").read_text())
    if verifier.public != _public(private):
        raise KeyFileError(f"`{directory / 'log.vkey'}` is not of the key beside it")
    return LogKeyFile(verifier=verifier, private=private)


class CheckpointFile:
    """Implements the LogMemory port; the lock is the file system's, so that all processes of a host share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def advance(self, following: Callable[[bytes | None], bytes]) -> bytes:
        """Return what `following` makes of the last checkpoint, once it is durable; one caller at a time."""
        with self._path.with_suffix(".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed, also by a crash
            last = self._last()
            note = following(last)
            if note != last:
                _replace(self._path, note)
            return note

    def _last(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_CHECKPOINT)
        except FileNotFoundError:
            return None


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # like all that stands beside keys
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_directory(path.parent)


def _private(path: Path, passphrase: bytes) -> Ed25519PrivateKey:
    private = open_key(path, passphrase=passphrase)
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"`{path}` is no Ed25519 key")
    return private


def _public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
