"""`policyengine report`: file what a scanner, a sensor or a person saw of devices, and show what is on file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Data, Output, command_group, settings_at
from policyengine.cli.rows import print_rows
from policyengine.errors import PolicyEngineError

if TYPE_CHECKING:
    from api.report_shapes import ReportIn
    from policyengine.services.supply.reports import Reported, Reports

app = command_group("File and list what scanners and sensors saw of devices.")

As = Annotated[Output, typer.Option(help="A table or JSON.")]

_SHOWN = ("device_id", "group", "facts", "complete", "observed_at", "filed_by")


class ReportFileError(PolicyEngineError):
    """A file that holds no report."""

    code = "report.shape"


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help='JSON: {"observed_at", "devices": [{"device_id", "net", "config"}]}.')
    ],
    data: Data = None,
) -> None:
    """File a report beside the server of a data directory; prints its digest as JSON. Its devices are decided again."""
    from policyengine.model.times import parse_timestamp
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    said = _read(file.read_bytes())
    with opened(settings_at(data)) as installation:
        report = installation.services.reports.file(SYSTEM, parse_timestamp(said.observed_at), said.seen())
    typer.echo(json.dumps({"report": report, "devices": len(said.devices)}))


@app.command("list")
def list_reports(
    device: Annotated[str | None, typer.Option(help="Only reports on this device.")] = None,
    output: As = Output.TABLE,
    data: Data = None,
) -> None:
    """Show what was last reported of each group of facts, by device: when it was seen, and who said so."""
    from policyengine.model.ids import device_id
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        reports = installation.services.reports
        found = _all(reports) if device is None else list(reports.of(SYSTEM, device_id(device)))
    _print(found, output)


def _read(content: bytes) -> ReportIn:
    """Return the report that a file holds, as the API would take it. Raises ReportFileError, InvalidJsonError."""
    from pydantic import ValidationError

    from api.report_shapes import ReportIn
    from policyengine.model.strict_json import read_json

    try:
        document = read_json(content)
        if not isinstance(document, dict):
            raise ReportFileError("the document is no object with `observed_at` and `devices`", path="the document")
        return ReportIn.model_validate(document)
    except ValidationError as cause:
        first = cause.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise ReportFileError(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}", path=place) from cause


def _all(reports: Reports) -> list[Reported]:
    from policyengine.services.actors import SYSTEM
    from policyengine.services.ports import MAX_PAGE, PageRequest

    found: list[Reported] = []
    cursor: str | None = None
    while True:
        page = reports.list(SYSTEM, PageRequest(cursor=cursor, limit=MAX_PAGE))
        found.extend(page.items)
        cursor = page.next
        if cursor is None:
            return found


def _print(found: list[Reported], output: Output) -> None:
    from policyengine.model.times import format_timestamp

    rows = [
        {
            "device_id": each.device_id,
            "group": each.filed.name,
            "facts": each.facts if output is Output.JSON else json.dumps(each.facts, ensure_ascii=True),
            "complete": each.complete,
            "observed_at": format_timestamp(each.observed_at),
            "report": each.filed.original,
            "filed_by": each.filed.by,
            "party": each.filed.party,
            "filed_at": format_timestamp(each.filed.filed_at),
        }
        for each in found
    ]
    print_rows(rows, _SHOWN, output)
