"""`policyengine db archive` and `db prune`: old decisions into a verified file, and only then out of the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.audit_export import moment_of, verified_file
from policyengine.cli.device import services_at
from policyengine.cli.exits import Exit
from policyengine.cli.options import Data

if TYPE_CHECKING:
    from policyengine.services.actors import Principal
    from policyengine.services.catalogue import Services
    from policyengine.services.exports.period import ExportRequest

_STAMP = "%Y%m%dT%H%M%SZ"


def archive(
    before: Annotated[str, typer.Option(help="Where the segment ends, not included: a date or an RFC 3339 time.")],
    to: Annotated[Path, typer.Option(help="Folder for the segment.", exists=True, file_okay=False)],
    data: Data = None,
) -> None:
    """Write what was recorded since the last segment into a new one, an evidence export, and verify it.

    Nothing is deleted: see `db prune`. Exit code 5 when the file is not what was written.
    """
    from policyengine.adapters.evidence_archive import file_digest
    from policyengine.services.exports.retention import Segment

    with services_at(data) as (services, actor):
        request = services.retention.due(actor, before=moment_of(before))
        file = to / f"segment-{request.start:{_STAMP}}-{request.end:{_STAMP}}.zip"
        decisions = _write(services, actor, request, file)
        _demand_verified(file, services.log.vkey)
        digest = file_digest(file)
        segment = Segment(start=request.start, end=request.end, digest=digest, decisions=decisions)
        services.retention.keep(actor, segment)
    typer.echo(json.dumps({**request.document, "file": str(file), "digest": digest, "decisions": decisions}))


def prune(
    segment: Annotated[Path, typer.Argument(help="The file that `db archive` wrote.", exists=True, dir_okay=False)],
    data: Data = None,
) -> None:
    """Verify a segment again and delete the decisions it holds, but for those still needed; keep the file.

    What was recorded before its end is then answered by the file alone. Exit code 5 when the file is damaged.
    """
    from policyengine.adapters.evidence_archive import file_digest
    from policyengine.model.times import format_timestamp

    with services_at(data) as (services, actor):
        _demand_verified(segment, services.log.vkey)
        count = services.retention.prune(actor, file_digest(segment))
        since = services.retention.kept_since()
    typer.echo(json.dumps({"pruned": count, "kept_since": None if since is None else format_timestamp(since)}))


def _write(services: Services, actor: Principal, request: ExportRequest, file: Path) -> int:
    from policyengine.adapters.evidence_archive import ArchiveFile

    writing = ArchiveFile(file)
    try:
        manifest = services.exports.write(actor, request, writing)
        writing.finish()
    finally:
        writing.abandon()
    return manifest.decisions


def _demand_verified(file: Path, vkey: str) -> None:
    found, _ = verified_file(file, vkey)
    for fault in found.faults[:10]:
        typer.echo(f"{fault.member}: {fault.message} [{fault.code}]", err=True)
    if not found.verified:
        typer.echo(f"`{file}` is not verified; nothing was deleted", err=True)
        raise typer.Exit(Exit.FAULT)
