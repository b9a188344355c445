"""Bundle files on disk: read strictly, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from policyengine.language.bundle import MAX_BUNDLE_BYTES, BundleFile, CorruptBundleError, decode_file

_ENVELOPE_BYTES = 1024  # digest, commit and time around the bundle


def read_bundle_file(path: Path) -> BundleFile:
    """Return the bundle file at `path`; raises OSError, and what decode_file raises for what is not one."""
    limit = MAX_BUNDLE_BYTES + _ENVELOPE_BYTES
    with path.open("rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise CorruptBundleError(f"`{path}` has more than {limit} bytes, which no bundle has")
    return decode_file(content)
