"""`policyengine replay`: every stored decision is made again and compared byte for byte."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from policyengine.cli.columns import amount
from policyengine.cli.exits import Exit
from policyengine.cli.options import Data, Output, settings_at


def replay(
    data: Data = None,
    output: Annotated[Output, typer.Option(help="How to print.")] = Output.TABLE,
) -> None:
    """Decide stored history again and compare bytes; exit code 1 when a decision differs."""
    from dataclasses import asdict

    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        report = installation.services.audit.replay()
    differences = [asdict(difference) for difference in report.differences]
    if output is Output.JSON:
        typer.echo(json.dumps({"checked": report.checked, "differences": differences}))
    else:
        for difference in differences:
            typer.echo(f"{difference['decision_id']} {difference['device_id']} {difference['reason']}")
        typer.echo(f"{amount(report.checked, 'decision')} made again, {amount(len(differences), 'difference')}")
    if differences:
        raise typer.Exit(Exit.FINDINGS)
