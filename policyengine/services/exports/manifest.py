"""The manifest: every member with its digests, and the log's signature over all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from policyengine.model.canonical import canonical
from policyengine.model.ids import digest_of
from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.model.times import InvalidTimeError, parse_timestamp
from policyengine.services.errors import InvalidRequestError
from policyengine.services.exports.errors import ExportError
from policyengine.services.exports.layout import FORMAT, MANIFEST, SIGNATURE, SIGNED
from policyengine.services.exports.period import ExportRequest, Scope
from policyengine.services.exports.ports import ArchiveReader, ArchiveWriter, Member
from policyengine.services.log_ports import LogKey
from policyengine.transparency.errors import NoteError
from policyengine.transparency.notes import MAX_NOTE, VerifierKey, opened, signed

MAX_MANIFEST = 64 * 1024 * 1024  # bytes; 65,535 members, as many as a zip has, take 20 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an export says it is, and its members in order."""

    request: ExportRequest
    origin: str
    log_size: int
    decisions: int
    devices: int
    members: tuple[Member, ...]

    @property
    def document(self) -> dict[str, object]:
        """The manifest as JSON."""
        return {
            "format": FORMAT,
            **self.request.document,
            "origin": self.origin,
            "log_size": self.log_size,
            "decisions": self.decisions,
            "devices": self.devices,
            "members": [asdict(member) for member in self.members],
        }


def seal(archive: ArchiveWriter, manifest: Manifest, key: LogKey) -> None:
    """Write the manifest of what is in `archive`, and the note that signs it."""
    content = canonical(manifest.document)
    archive.plain(MANIFEST, content)
    text = f"{SIGNED}\n{key.verifier.name}\n{digest_of(content)}\n"
    archive.plain(SIGNATURE, signed(text, key=key.verifier, sign=key.sign).encode())


def read_manifest(archive: ArchiveReader, key: VerifierKey) -> Manifest:
    """Return the manifest once its signature has verified. Raises ExportError."""
    content = archive.plain(MANIFEST, limit=MAX_MANIFEST)
    try:
        lines = opened(archive.plain(SIGNATURE, limit=MAX_NOTE), key=key).split("\n")
    except NoteError as cause:
        raise ExportError(cause.message, code=cause.code, member=SIGNATURE) from cause
    if lines[:2] != [SIGNED, key.name] or len(lines) != 4:
        raise ExportError("the signed note is no export's", code="export.signature", member=SIGNATURE)
    if lines[2] != digest_of(content):
        raise ExportError("the manifest is not the one that was signed", code="export.manifest", member=MANIFEST)
    return manifest_from(content)


def manifest_from(content: bytes) -> Manifest:
    """Return the manifest in `content`; raises ExportError for what this version does not read."""
    try:
        document = read_json(content, max_bytes=MAX_MANIFEST)
    except InvalidJsonError as cause:
        raise _foreign() from cause
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _foreign()
    try:
        return _manifest(document)
    except (KeyError, TypeError, InvalidTimeError, InvalidRequestError) as cause:
        raise _foreign() from cause


def _manifest(document: Mapping[str, Any]) -> Manifest:
    request = ExportRequest(
        framework=document["framework"],
        start=parse_timestamp(document["from"]),
        end=parse_timestamp(document["to"]),
        scope=Scope(**{key: tuple(values) for key, values in document["scope"].items()}),
    )
    return Manifest(
        request=request,
        origin=document["origin"],
        log_size=document["log_size"],
        decisions=document["decisions"],
        devices=document["devices"],
        members=tuple(Member(**member) for member in document["members"]),
    )


def _foreign() -> ExportError:
    return ExportError(f"the manifest is none of `{FORMAT}`", code="export.format", member=MANIFEST)
