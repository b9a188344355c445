"""Bundle files on disk: read strictly, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from policyengine.adapters.keyfile import sync_directory
from policyengine.language.bundle import MAX_BUNDLE_BYTES, BundleFile, CorruptBundleError, decode_file, encode_file

_ENVELOPE_BYTES = 1024  # digest, commit, height and time around the bundle


def read_bundle_file(path: Path) -> BundleFile:
    """Return the bundle file at `path`; raises OSError, and what decode_file raises for what is not one."""
    limit = MAX_BUNDLE_BYTES + _ENVELOPE_BYTES
    with path.open("rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise CorruptBundleError(f"`{path}` has more than {limit} bytes, which no bundle has")
    return decode_file(content)


def write_bundle_file(path: Path, file: BundleFile) -> None:
    """Write `file` to `path`, durable: until it is whole, what was there stays. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as stream:
            stream.write(encode_file(file))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)
