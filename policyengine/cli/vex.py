"""`policyengine vex`: file what a supplier says of vulnerabilities in a release, and show what is on file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Data, Output, command_group, settings_at
from policyengine.cli.rows import print_rows

if TYPE_CHECKING:
    from policyengine.services.supply.vex import FiledVex

app = command_group("File and list VEX statements.")

Model = Annotated[str, typer.Option(help="The model of fleet.yaml.")]
Release = Annotated[str, typer.Option(metavar="VERSION", help="The release that it is about.")]
As = Annotated[Output, typer.Option(help="A table or JSON.")]

_SHOWN = ("vulnerability", "status", "justification", "by", "document")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="OpenVEX, or CycloneDX 1.4 to 1.6, as JSON.")],
    model: Model,
    release: Release,
    output: As = Output.TABLE,
    data: Data = None,
) -> None:
    """File statements of a release with an SBOM on file; devices that run it are decided again."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    content = file.read_bytes()
    with opened(settings_at(data)) as installation:
        found = installation.services.statements.file(SYSTEM, model, release, content)
    _print([found], output)


@app.command("list")
def list_vex(model: Model, release: Release, output: As = Output.TABLE, data: Data = None) -> None:
    """Show the statements on file of a release, and who made each."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        found = installation.services.statements.list(SYSTEM, model, release)
    _print(list(found), output)


def _print(found: list[FiledVex], output: Output) -> None:
    rows = [
        {
            "vulnerability": statement.names[0],
            "status": statement.status,
            "justification": statement.justification,
            "by": each.filed.party or each.filed.by,
            "document": each.vex.document,
        }
        for each in found
        for statement in each.vex.statements
    ]
    print_rows(rows, _SHOWN, output)
