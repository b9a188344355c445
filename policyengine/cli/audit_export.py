"""`policyengine audit export` and `audit verify`: what was true in a period, in a file that is verified without us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.columns import amount
from policyengine.cli.exits import Exit
from policyengine.cli.options import Data, Output, settings_at

if TYPE_CHECKING:
    from datetime import datetime

    from policyengine.services.exports.ports import ArchiveReader
    from policyengine.services.exports.verifying import Verification
    from policyengine.transparency.notes import VerifierKey

Form = Annotated[Output, typer.Option(help="How to print.")]


def export(
    start: Annotated[str, typer.Option("--from", help="Where the period starts: a date or an RFC 3339 time.")],
    file: Annotated[Path, typer.Option("-o", "--file", help="The export to write.")],
    end: Annotated[str | None, typer.Option("--to", help="Where it ends, not included. Default: now.")] = None,
    framework: Annotated[
        str | None, typer.Option(help="Controls of one framework, such as etsi. Default: all.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Part of the fleet: model:NAME, site:NAME, zone:NAME or device:ID; may be repeated."),
    ] = None,
    data: Data = None,
    output: Form = Output.TABLE,
) -> None:
    """Write an evidence export: policies, facts, decisions, waivers, certificates, proofs and reports in one zip."""
    from policyengine.adapters.evidence_archive import ArchiveFile
    from policyengine.services.actors import SYSTEM
    from policyengine.services.exports.period import ExportRequest, parse_scope
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        request = ExportRequest(
            framework=framework,
            start=moment_of(start),
            end=installation.clock.now() if end is None else moment_of(end),
            scope=parse_scope(scope or ()),
        )
        archive = ArchiveFile(file)
        try:
            manifest = installation.services.exports.write(SYSTEM, request, archive)
            archive.finish()
        finally:
            archive.abandon()
    told = {**request.document, "file": str(file), "devices": manifest.devices, "decisions": manifest.decisions}
    told |= {"origin": manifest.origin, "log_size": manifest.log_size, "bytes": file.stat().st_size}
    if output is Output.JSON:
        typer.echo(json.dumps(told))
    else:
        size = f"{file.stat().st_size / 1e6:.1f} MB"
        typer.echo(f"{file}: {amount(manifest.decisions, 'decision')} on {amount(manifest.devices, 'device')}, {size}")
        typer.echo(f"check it anywhere with: policyengine audit verify {file} --vkey FILE_WITH_THE_KEY_OF_THE_LOG")


def verify(
    file: Annotated[Path, typer.Argument(help="The export.")],
    vkey: Annotated[
        str | None, typer.Option("--vkey", help="The log's key: NAME+ID+KEY, or a file that holds it.")
    ] = None,
    output: Form = Output.TABLE,
) -> None:
    """Verify an export without server and network; exit code 1 when anything in it is not as it must be."""
    from policyengine.services.exports.verifying import report_document

    found, key = verified_file(file, vkey)
    if output is Output.JSON:
        typer.echo(report_document(found, key=key, key_given=vkey is not None))
    else:
        _print(found, key=key, key_given=vkey is not None)
    if not found.verified:
        raise typer.Exit(Exit.FINDINGS)


def verified_file(file: Path, vkey: str | None) -> tuple[Verification, VerifierKey | None]:
    """Return what is wrong with an export, and the key that its checkpoint was checked with."""
    from policyengine.adapters.evidence_archive import OpenedArchive
    from policyengine.adapters.parcel_processes import WORTH_IT, ParcelProcesses
    from policyengine.services.exports.errors import ExportError
    from policyengine.services.exports.faults import fault_of
    from policyengine.services.exports.layout import MANIFEST
    from policyengine.services.exports.verifying import Verification, key_inside, verify
    from policyengine.transparency.notes import parse_vkey

    key = None if vkey is None else parse_vkey(Path(vkey).read_text() if Path(vkey).is_file() else vkey)
    try:
        archive = OpenedArchive(file)
    except ExportError as cause:
        return Verification(faults=[fault_of(cause, member=MANIFEST)]), key
    try:
        key = key or key_inside(archive)
        many = _is_large(archive, WORTH_IT)
        return verify(archive, key, ParcelProcesses(file) if many else None), key
    except ExportError as cause:
        return Verification(faults=[fault_of(cause, member=MANIFEST)]), key
    finally:
        archive.close()


def _is_large(archive: ArchiveReader, decisions: int) -> bool:
    """Tell whether there are about so many decisions: the record of one has some kilobytes."""
    from policyengine.services.exports.layout import DECISIONS

    return sum(archive.sizes(name)[0] for name in archive.names if name.startswith(DECISIONS)) > decisions * 1000


def _print(found: Verification, *, key: VerifierKey | None, key_given: bool) -> None:
    for fault in found.faults:
        place = fault.member if fault.record is None else f"{fault.member} record {fault.record}"
        typer.echo(f"{place}: {fault.message} [{fault.code}]")
    manifest = found.manifest
    if manifest is not None:
        request = manifest.request
        typer.echo(f"{manifest.origin}, log of size {manifest.log_size:,}")
        typer.echo(f"framework {request.framework or 'all'}, scope {request.scope}")
        typer.echo(f"from {request.document['from']} to {request.document['to']}")
        typer.echo(
            f"{found.replayed:,} of {amount(manifest.decisions, 'decision')} made again, "
            f"{amount(found.leaves, 'record')} found in the log, "
            f"{amount(found.certificates, 'certificate')}, {amount(found.results, 'attestation result')}"
        )
    if not key_given and key is not None:
        typer.echo(f"the log's key was taken from the file; compare it with the operator's: {key}")
    typer.echo("verified" if found.verified else f"NOT VERIFIED: {amount(len(found.faults), 'fault')}")


def moment_of(text: str) -> datetime:
    """Return the moment that a date (its midnight, UTC) or an RFC 3339 time names."""
    from policyengine.model.times import parse_timestamp

    is_date = len(text) == len("2026-11-01") and "T" not in text
    return parse_timestamp(f"{text}T00:00:00Z" if is_date else text)
