"""Another key for a service of this server, after its old one may have become known.

    tls.key.new     is certified first; then it takes the place of `tls.key`

A crash between the two steps leaves the certificate beside the old key: the next start ends the step.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.certificates import load_certificate, split_certificates
from pki.keys import KeyType
from pki.software import PrivateKey
from policyengine.adapters.keyfile import generate, open_key, sync_directory, write_key


def begin_new_key(stem: Path, *, passphrase: bytes, entropy: Callable[[int], bytes]) -> PrivateKey:
    """Return a new key, which waits as `<stem>.key.new`; one that waited before goes: it has no certificate."""
    waiting = _waiting(stem)
    waiting.unlink(missing_ok=True)
    key = generate(KeyType.P256)
    write_key(waiting, key, passphrase=passphrase, entropy=entropy)
    return key


def finish_new_key(stem: Path, *, passphrase: bytes) -> None:
    """Let the key that waits take its place, if `<stem>.pem` is for it; else it goes. Without one nothing happens.

    Raises KeyFileError, PassphraseError, PathError.
    """
    waiting = _waiting(stem)
    if not waiting.exists():
        return
    key = open_key(waiting, passphrase=passphrase).public_key()
    certificate = load_certificate(split_certificates(stem.with_name(f"{stem.name}.pem").read_bytes())[0])
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if certificate.public_key().public_bytes(*form) == key.public_bytes(*form):
        waiting.replace(stem.with_name(f"{stem.name}.key"))
        sync_directory(stem.parent)
    else:
        waiting.unlink()


def _waiting(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.key.new")
