"""What the API says of releases and of measurements that none endorses."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from policyengine.model.base64url import base64url
from policyengine.model.endorsements import Release
from policyengine.model.times import format_timestamp
from policyengine.services.publication.releases import Candidate
from policyengine.services.records import Unmatched


class ReleaseOut(BaseModel):
    """A release that is endorsed."""

    version: str
    svn: int | None
    min_svn: int | None
    signer: str | None
    corim_id: str | None
    until: str | None
    components: list[dict[str, str]]


class UnmatchedOut(BaseModel):
    """A measurement that no release knows."""

    component: str
    digest: str
    first_seen: str
    last_seen: str
    devices: int
    example: str


class ReleaseIn(BaseModel):
    """A proposal: the release's version and its signed CoRIM, base64url."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Annotated[str, Field(max_length=64)]
    corim: Annotated[str, Field(max_length=96 * 1024)]


class CandidateOut(BaseModel):
    """A CoRIM that would be believed: files for the policy repository (base64url), and who must sign the change off."""

    corim_id: str
    corim_digest: str
    files: dict[str, str]
    required_signoffs: list[str]


def release_out(release: Release) -> ReleaseOut:
    """Return the shape of a release."""
    endorser = release.endorser
    ends = [each for each in (release.until, endorser.valid_until if endorser else None) if each is not None]
    return ReleaseOut(
        version=release.version,
        svn=release.svn,
        min_svn=endorser.min_svn if endorser else None,
        signer=endorser.party if endorser else None,
        corim_id=endorser.corim_id if endorser else None,
        until=format_timestamp(min(ends)) if ends else None,
        components=[{"name": each.name, "digest": digest} for each in release.components for digest in each.digests],
    )


def unmatched_out(found: Unmatched) -> UnmatchedOut:
    """Return the shape of an unmatched measurement."""
    return UnmatchedOut(
        component=found.measured.component,
        digest=found.measured.digest,
        first_seen=format_timestamp(found.first_seen),
        last_seen=format_timestamp(found.last_seen),
        devices=found.devices,
        example=found.example,
    )


def candidate_out(found: Candidate) -> CandidateOut:
    """Return the shape of a candidate."""
    return CandidateOut(
        corim_id=found.corim.id,
        corim_digest=found.corim.digest,
        files={path: base64url(content) for path, content in found.files.items()},
        required_signoffs=list(found.required_signoffs),
    )
