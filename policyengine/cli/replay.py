"""`policyengine replay`: every stored decision is made again and compared byte for byte."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from policyengine.cli.exits import Exit


class Output(StrEnum):
    """How the report is printed."""

    TABLE = "table"
    JSON = "json"


def replay(
    data: Annotated[Path | None, typer.Option(help="Data directory of the server.")] = None,
    output: Annotated[Output, typer.Option(help="How to print.")] = Output.TABLE,
) -> None:
    """Decide stored history again and compare bytes; exit code 1 when a decision differs."""
    from dataclasses import asdict, replace

    from policyengine.settings import from_environment
    from policyengine.wiring import opened

    settings = from_environment()
    with opened(settings if data is None else replace(settings, data=data)) as installation:
        report = installation.services.audit.replay()
    differences = [asdict(difference) for difference in report.differences]
    if output is Output.JSON:
        typer.echo(json.dumps({"checked": report.checked, "differences": differences}))
    else:
        for difference in differences:
            typer.echo(f"{difference['decision_id']} {difference['device_id']} {difference['reason']}")
        typer.echo(f"{report.checked} decisions made again, {len(differences)} differences")
    if differences:
        raise typer.Exit(Exit.FINDINGS)
