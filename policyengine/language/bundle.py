"""Bundles as bytes: canonical JSON named by its SHA-256, and the file that `policyengine build` writes.

The commit and the time of building stand in the file beside the bundle, not inside: the same tree gives the same
digest on any machine at any time (docs/adr/0006-bundle-format.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policyengine.errors import PolicyEngineError
from policyengine.language.value_codec import BundleShapeError, from_json, to_json
from policyengine.model.canonical import NotCanonicalError, canonical
from policyengine.model.ids import Digest, digest_of
from policyengine.model.policy import Bundle

FORMAT = "policyengine/bundle/v1"
_FILE_KEYS = frozenset({"bundle", "digest", "commit", "created_at", "height", "checksum"})
MAX_BUNDLE_BYTES = 64 * 1024 * 1024  # ten thousand rules take 15 MiB


class CorruptBundleError(PolicyEngineError):
    """Bytes that are not a bundle as this program writes it: cut short, changed, or from elsewhere."""

    code = "bundle.corrupt"


class BundleDigestError(PolicyEngineError):
    """A bundle whose bytes do not have the digest that names it."""

    code = "bundle.digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFile:
    """A bundle with its name, the commit it was built from (None: not from a clean commit), and when.

    `height` counts the commits of that commit's history, itself included: of two commits one of which follows from the
    other, the later has the greater height. It orders bundles (docs/adr/0016-bundles-have-an-order.md).
    """

    bundle: Bundle
    digest: Digest
    commit: str | None
    created_at: datetime
    height: int | None = None


def encode(bundle: Bundle) -> bytes:
    """Return the canonical bytes of `bundle`; their digest is its name."""
    return canonical({"format": FORMAT, "content": to_json(bundle)})


def decode(content: bytes) -> Bundle:
    """Return the bundle that `encode` wrote as `content`.

    Raises CorruptBundleError when the bytes are anything else, BundleShapeError when they are canonical JSON of
    another shape.
    """
    return _bundle(_document(content))


def _bundle(document: object) -> Bundle:
    if not isinstance(document, dict) or document.keys() != {"format", "content"} or document["format"] != FORMAT:
        raise BundleShapeError(f"expected a document of format `{FORMAT}`")
    found: Bundle = from_json(document["content"], Bundle)
    return found


def _document(content: bytes) -> object:
    """Return the JSON value whose canonical bytes are `content`; so it has no duplicate key, and one reading only."""
    if len(content) > MAX_BUNDLE_BYTES:
        raise CorruptBundleError(f"the bundle has {len(content)} bytes, the limit is {MAX_BUNDLE_BYTES}")
    try:
        document: object = json.loads(content)
        again = canonical(document)
    except (ValueError, RecursionError, NotCanonicalError) as cause:
        raise CorruptBundleError("the bundle is not JSON, it may be cut short") from cause
    if again != content:
        raise CorruptBundleError("the bundle is not in canonical form, it has been changed")
    return document


def digest_of_bundle(bundle: Bundle) -> Digest:
    """Return the name of `bundle`."""
    return digest_of(encode(bundle))


def encode_file(file: BundleFile) -> bytes:
    """Return the bytes of a bundle file: one JSON document, ended by a line feed."""
    about = {
        "digest": file.digest,
        "commit": file.commit,
        "created_at": to_json(file.created_at),
        "height": file.height,
    }
    bundle = {"format": FORMAT, "content": to_json(file.bundle)}
    return canonical({**about, "bundle": bundle, "checksum": _checksum(about)}) + b"\n"


def _checksum(about: Mapping[str, object]) -> Digest:
    """Return the digest of what stands beside the bundle; it finds damage, it is no signature."""
    return digest_of(canonical(dict(about)))


def decode_file(content: bytes) -> BundleFile:
    """Return the bundle file that `encode_file` wrote.

    Raises CorruptBundleError, BundleShapeError, or BundleDigestError when bundle and digest do not belong together.
    """
    if not content.endswith(b"\n"):
        raise CorruptBundleError("the bundle file is cut short")
    document = _document(content[:-1])
    if not isinstance(document, dict) or document.keys() != _FILE_KEYS:
        raise BundleShapeError("expected a bundle file")
    seen = digest_of(canonical(document["bundle"]))
    if document["digest"] != seen:
        raise BundleDigestError(f"the bundle's digest is `{seen}`, the file names another", seen=seen)
    about = {name: document[name] for name in _FILE_KEYS - {"bundle", "checksum"}}
    if document["checksum"] != _checksum(about):
        raise CorruptBundleError("what the file says about the bundle has been changed")
    return BundleFile(
        bundle=_bundle(document["bundle"]),
        digest=seen,
        commit=from_json(document["commit"], str | None),
        created_at=from_json(document["created_at"], datetime),
        height=from_json(document["height"], int | None),
    )
