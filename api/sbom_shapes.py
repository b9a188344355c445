"""What the API says of SBOMs on file and of feeds of vulnerabilities."""

from __future__ import annotations

from api.shapes import Moment, Shape
from policyengine.services.supply.sboms import FiledSbom
from policyengine.services.supply.vex import FiledVex


class SbomOut(Shape):
    """An SBOM on file; `whole` is false where it says itself that parts are missing."""

    release: str
    digest: str
    format: str
    document: str | None
    subject: str | None
    subject_version: str | None
    components: int
    whole: bool
    filed_by: str
    party: str | None
    filed_at: Moment


class FeedOut(Shape):
    """A feed in use: `observed_at` is when its source was like that, `stale_at` until when that counts."""

    name: str
    publisher: str
    observed_at: Moment
    stale_at: Moment
    is_stale: bool
    entries: int
    pack: str
    imported_by: str
    imported_at: Moment


class StatementOut(Shape):
    """What is said of one vulnerability."""

    vulnerability: str
    aliases: list[str]
    status: str
    justification: str | None
    products: list[str]
    parts: list[str]
    at: Moment | None


class VexOut(Shape):
    """A VEX document on file."""

    document: str
    format: str
    digest: str
    filed_by: str
    party: str | None
    filed_at: Moment
    statements: list[StatementOut]


def vex_out(found: FiledVex) -> VexOut:
    """Return the shape of a VEX document on file."""
    filed = found.filed
    return VexOut(
        document=found.vex.document,
        format=found.vex.format,
        digest=filed.original,
        filed_by=filed.by,
        party=filed.party,
        filed_at=filed.filed_at,
        statements=[
            StatementOut(
                vulnerability=each.names[0],
                aliases=list(each.names[1:]),
                status=each.status,
                justification=each.justification,
                products=list(each.products),
                parts=list(each.parts),
                at=each.at,
            )
            for each in found.vex.statements
        ],
    )


def sbom_out(found: FiledSbom) -> SbomOut:
    """Return the shape of an SBOM on file."""
    filed, inventory = found.filed, found.inventory
    return SbomOut(
        release=filed.release,
        digest=filed.original,
        format=inventory.format,
        document=inventory.document,
        subject=None if inventory.subject is None else inventory.subject.name,
        subject_version=None if inventory.subject is None else inventory.subject.version,
        components=len(inventory.components),
        whole=inventory.whole,
        filed_by=filed.by,
        party=filed.party,
        filed_at=filed.filed_at,
    )
