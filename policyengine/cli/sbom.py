"""`policyengine sbom`: read an SBOM as a server would, file it for a release, and show what is on file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Data, Output, command_group, settings_at
from policyengine.cli.rows import print_rows

if TYPE_CHECKING:
    from policyengine.services.supply.sboms import FiledSbom

app = command_group("Check, file and list SBOMs of releases.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="CycloneDX 1.4 to 1.6 or SPDX 2.2 or 2.3, as JSON.")]
Model = Annotated[str, typer.Option(help="The model of fleet.yaml.")]
As = Annotated[Output, typer.Option(help="A table or JSON.")]

_SHOWN = ("release", "format", "components", "whole", "filed_by", "filed_at", "digest")


@app.command()
def check(file: File) -> None:
    """Read an SBOM, file nothing: prints what it lists as JSON; exit 2 when a server would refuse it."""
    from policyengine.supply.inventory import row_of
    from policyengine.supply.sbom import read_sbom

    found = read_sbom(file.read_bytes())
    told = {
        "format": found.format,
        "document": found.document,
        "subject": None if found.subject is None else row_of(found.subject),
        "whole": found.whole,
        "components": [row_of(each) for each in found.components],
    }
    typer.echo(json.dumps(told))


@app.command()
def add(
    file: File,
    model: Model,
    release: Annotated[str, typer.Option(metavar="VERSION", help="The release that it is of.")],
    output: As = Output.TABLE,
    data: Data = None,
) -> None:
    """File the SBOM of a release beside the server of a data directory; devices that run it are decided again."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    content = file.read_bytes()
    with opened(settings_at(data)) as installation:
        found = installation.services.sboms.file(SYSTEM, model, release, content)
    _print([found], output)


@app.command("list")
def list_sboms(model: Model, output: As = Output.TABLE, data: Data = None) -> None:
    """Show the SBOMs on file of a model."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        found = installation.services.sboms.list(SYSTEM, model)
    _print(list(found), output)


def _print(found: list[FiledSbom], output: Output) -> None:
    from policyengine.model.times import format_timestamp

    rows = [
        {
            "release": each.filed.release,
            "format": each.inventory.format,
            "components": len(each.inventory.components),
            "whole": each.inventory.whole,
            "filed_by": each.filed.by,
            "filed_at": format_timestamp(each.filed.filed_at),
            "digest": each.filed.original,
        }
        for each in found
    ]
    print_rows(rows, _SHOWN, output)
