"""What is wrong with an installation's files: key files, certificates, room on the disk."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509

from policyengine.adapters.keyfile import KeyFileError, PassphraseError, open_key, read_passphrase
from policyengine.adapters.nonce_file import NonceFileError, read_nonce_key
from policyengine.errors import PolicyEngineError
from policyengine.services.findings import Finding, error, warning

LEFT_OF_LIFE = 10  # a tenth: three days of a TLS certificate, which a restart renews; half a year of the issuing CA
MIN_FREE_BYTES = 256 * 1024 * 1024  # a day of a small fleet; with less, the next backup or migration may not fit
LOW_FREE_BYTES = 2 * 1024 * 1024 * 1024
MAX_WAL_BYTES = 256 * 1024 * 1024  # SQLite empties it at every 4 MiB; one so large was held up by a reader for hours
_RESTORE = "restore the file from a backup of the same server"
RESTART = "restart the server, which renews its own certificates"


def examine_keys(keys: Path, passphrase: Path) -> Iterator[Finding]:
    """Yield which key files others can read, or do not open with the passphrase in the file `passphrase`."""
    try:
        secret = read_passphrase(passphrase)
    except KeyFileError as cause:
        yield error(cause.code, cause.message, "put the passphrase of the key files there, mode 0600")
        return
    if passphrase.parent == keys:
        yield warning(
            "passphrase.beside-keys",
            f"the passphrase lies beside the keys it opens: `{passphrase}`",
            "name another place in POLICYENGINE_PASSPHRASE_FILE and move it there",
        )
    yield from _absent(keys)
    yield from _closed(keys, secret, passphrase)
    nonces = keys / "nonce.json"
    try:
        read_nonce_key(nonces)
    except NonceFileError as cause:
        yield error(cause.code, cause.message, "delete it and restart the server: devices ask for new nonces")
    except KeyFileError as cause:
        if nonces.exists():
            yield _key_finding(nonces, cause)
    if (keys / "ca" / "root.key").exists():
        yield warning(
            "root.online",
            "the root's key is on this machine",
            "move keys/ca/root.key to a safe; no server opens it",
        )


def _absent(keys: Path) -> Iterator[Finding]:
    """Yield what a server cannot start without; its other keys may be elsewhere, in a safe or a security module."""
    if not (keys / "ca").is_dir():
        message = f"`{keys / 'ca'}` is missing: the CA that certified the devices"
        yield error("keys.missing", message, "restore it from a backup of the same server; do not start one without it")
        return
    for path in (keys / "log.key", keys / "ca" / "tls.key"):
        if not path.exists():
            yield error("keyfile.unreadable", f"`{path}` is missing", _RESTORE)


def _closed(keys: Path, secret: bytes, passphrase: Path) -> Iterator[Finding]:
    """Yield which key files do not open; where none does, it is the passphrase that is wrong."""
    files, found = sorted(keys.rglob("*.key")), dict[Path, PolicyEngineError]()
    for path in files:
        try:
            open_key(path, passphrase=secret)
        except PolicyEngineError as cause:
            found[path] = cause
    if len(files) > 1 and [cause.code for cause in found.values()] == [PassphraseError.code] * len(files):
        message = f"none of the {len(files)} key files opens with the passphrase in `{passphrase}`"
        yield error(PassphraseError.code, message, "put the passphrase there that the keys were made with, mode 0600")
        return
    yield from (_key_finding(path, cause) for path, cause in found.items())


def _key_finding(path: Path, cause: PolicyEngineError) -> Finding:
    if cause.code == "keyfile.permissions":
        return error(cause.code, cause.message, f"chmod 600 {path}; if others could read it for long, replace the key")
    return error(cause.code, cause.message, _RESTORE)


def examine_directory(data: Path) -> Iterator[Finding]:
    """Yield why the data directory itself is no safe place."""
    if data.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield error("data.permissions", f"others can write in `{data}`", f"chmod 700 {data}")
    wal = data / "policyengine.db-wal"
    if wal.exists() and wal.stat().st_size > MAX_WAL_BYTES:
        yield warning(
            "disk.journal",
            f"SQLite's journal has grown to {wal.stat().st_size // 2**20} MiB: something reads for hours on end",
            "find and end the long reader (a backup tool, a shell), then restart the server",
        )
    free = shutil.disk_usage(data).free
    room = f"{free // 2**20} MiB are free below `{data}`"
    if free < MIN_FREE_BYTES:
        yield error("disk.full", room, "make room; a server that cannot write refuses check-ins")
    elif free < LOW_FREE_BYTES:
        yield warning("disk.low", room, "make room, or move the data directory to a larger disk")


def examine_certificates(directory: Path, *, now: datetime) -> Iterator[Finding]:
    """Yield which of the authority's certificates in `directory` are over, not begun, unreadable, or nearly over.

    Revocation lists and the trust bundle are made when they are asked for, so their dates follow from these.
    """
    for path in sorted(directory.glob("*.pem")):
        try:
            certificates = x509.load_pem_x509_certificates(path.read_bytes())
        except (ValueError, OSError) as cause:
            yield error("certificate.unreadable", f"`{path}` holds no certificate: {cause}", "restore it from a backup")
            continue
        yield from _dates(path, certificates[0], now)


def _dates(path: Path, certificate: x509.Certificate, now: datetime) -> Iterator[Finding]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    advice = "see `policyengine pki rotate --help`" if path.stem in {"root", "issuing"} else RESTART
    if now < begins:
        yield error("certificate.future", f"`{path}` is valid from {begins:%Y-%m-%d %H:%M} on", "set the clock")
    elif now > ends:
        yield error("certificate.expired", f"`{path}` ended on {ends:%Y-%m-%d}", advice)
    elif (ends - now) * LEFT_OF_LIFE < ends - begins:
        yield warning("certificate.ending", f"`{path}` ends on {ends:%Y-%m-%d}", advice)
