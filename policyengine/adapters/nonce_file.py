"""The key of nonces in its file: drawn on the first start, with a new epoch when all nonces must end."""

from __future__ import annotations

import json
from pathlib import Path

from policyengine.adapters.keyfile import KeyFileError, read_private, sync_directory, write_private
from policyengine.services.nonces import NonceKey
from policyengine.services.ports import Entropy

SECRET_BYTES = 32


class NonceFileError(KeyFileError):
    """The file is not what this program wrote."""

    code = "keyfile.damaged"


def read_nonce_key(path: Path) -> NonceKey:
    """Return the key in the file; raises KeyFileError, NonceFileError."""
    try:
        document = json.loads(read_private(path))
        secret, epoch = bytes.fromhex(document["secret"]), document["epoch"]
    except (ValueError, KeyError, TypeError) as cause:
        raise NonceFileError(f"`{path}` holds no key of nonces") from cause
    if len(secret) != SECRET_BYTES or type(epoch) is not int or epoch < 1:
        raise NonceFileError(f"`{path}` holds no key of nonces")
    return NonceKey(secret=secret, epoch=epoch)


def found_nonce_key(path: Path, entropy: Entropy) -> None:
    """Draw a key unless there is one."""
    if not path.exists():
        write_private(path, _content(NonceKey(secret=entropy.draw(SECRET_BYTES), epoch=1)))


def replace_nonce_key(path: Path, key: NonceKey) -> None:
    """Put `key` into the place of the one in the file, durably."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    write_private(fresh, _content(key))
    fresh.replace(path)
    sync_directory(path.parent)


def _content(key: NonceKey) -> bytes:
    return json.dumps({"epoch": key.epoch, "secret": key.secret.hex()}).encode()
