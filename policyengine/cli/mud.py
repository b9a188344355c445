"""`policyengine mud`: read a MUD file as a server would, file it for a model, and show what is on file."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Data, Output, command_group, settings_at
from policyengine.cli.rows import print_rows

if TYPE_CHECKING:
    from policyengine.services.supply.muds import FiledMud

app = command_group("Check, file and list MUD files (RFC 8520).")

File = Annotated[Path, typer.Argument(metavar="FILE", help="A MUD file, as JSON.")]
Model = Annotated[str, typer.Option(help="The model of fleet.yaml.")]
As = Annotated[Output, typer.Option(help="A table or JSON.")]

_SHOWN = (
    "release",
    "url",
    "last_update",
    "valid_until",
    "stale",
    "inbound",
    "outbound",
    "left_out",
    "signer",
)


@app.command()
def check(file: File) -> None:
    """Read a MUD file, file nothing: prints its facts as JSON; exit 2 when a server would refuse it.

    Who signed it, the server asks when it is filed.
    """
    from policyengine.services.supply.muds import facts_of
    from policyengine.supply.mud import read_mud

    found = read_mud(file.read_bytes())
    left_out = [*found.inbound.left_out, *found.outbound.left_out]
    told = {"mud": facts_of(found), "valid_hours": found.validity // timedelta(hours=1), "left_out": left_out}
    typer.echo(json.dumps(told))


@app.command()
def add(
    file: File,
    model: Model,
    signature: Annotated[Path, typer.Option(metavar="FILE", help="Its detached signature, CMS in DER (`.p7s`).")],
    release: Annotated[
        str | None, typer.Option(metavar="VERSION", help="The release that it is of; none: those without another.")
    ] = None,
    output: As = Output.TABLE,
    data: Data = None,
) -> None:
    """File a MUD file beside the server of a data directory; devices of the model are decided again."""
    from policyengine.services.actors import SYSTEM
    from policyengine.services.supply.muds import SignedFile
    from policyengine.wiring import opened

    sent = SignedFile(content=file.read_bytes(), signature=signature.read_bytes())
    with opened(settings_at(data)) as installation:
        found = installation.services.muds.file(SYSTEM, model, release, sent)
    _print([found], output)


@app.command("list")
def list_muds(model: Model, output: As = Output.TABLE, data: Data = None) -> None:
    """Show the MUD files on file of a model, and whether they still count."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        found = installation.services.muds.list(SYSTEM, model)
    _print(list(found), output)


def _print(found: list[FiledMud], output: Output) -> None:
    from policyengine.model.times import format_timestamp

    rows = [
        {
            "release": each.filed.release or None,
            "url": each.facts["url"],
            "last_update": each.facts["last_update"],
            "valid_until": format_timestamp(each.valid_until),
            "stale": each.is_stale,
            "inbound": len(each.facts["inbound"]),
            "outbound": len(each.facts["outbound"]),
            "left_out": len(each.left_out),
            "signer": each.facts["signer"],
            "digest": each.filed.original,
        }
        for each in found
    ]
    print_rows(rows, _SHOWN, output)
