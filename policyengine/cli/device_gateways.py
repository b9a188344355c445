"""`policyengine device entrust | report`: who may speak for a device, and the word of one who does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from policyengine.cli.options import Data, command_group
from policyengine.cli.pki_status import TokenFile, opened_by_person

app = command_group()

MAX_REPORT_FILE = 1024 * 1024  # what the server takes in one request, unless it is set otherwise
OK = 200


@app.command()
def entrust(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="The device that cannot speak for itself.")],
    reason: Annotated[str, typer.Option(help="Why; stands in the audit log.")],
    gateways: Annotated[
        list[str] | None, typer.Argument(metavar="GATEWAY", help="Who may speak for it from now on, all of them.")
    ] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Nobody speaks for it but itself.")] = False,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Say which gateways may bring a device's evidence, or report of it if its model has no key."""
    from policyengine.model.ids import device_id

    if bool(gateways) is nobody:
        raise typer.BadParameter("name the gateways, or say --nobody")
    with opened_by_person(data, token_file) as (installation, actor):
        named = [device_id(name) for name in gateways or ()]
        installation.services.entrusting.entrust(actor, device_id(device), named, reason=reason)


@app.command()
def report(
    file: Annotated[
        Path, typer.Argument(help='JSON: a list of {"device_id", "reported", "observed_at"}.', exists=True)
    ],
    server: Annotated[str, typer.Option(help="The server's address.")],
    ca: Annotated[Path, typer.Option(help="PEM file of the certificates to trust the server by.", exists=True)],
    certificate: Annotated[Path, typer.Option(help="The gateway's own certificate, PEM.", exists=True)],
    key: Annotated[Path, typer.Option(help="Its key, PEM.", exists=True)],
) -> None:
    """Report of devices without a key, as the gateway that they stand behind; exit 1 if one was refused."""
    from policyengine.adapters.device_client import Connection
    from policyengine.cli.exits import Exit
    from policyengine.model.strict_json import read_json

    said = read_json(file.read_bytes(), max_bytes=MAX_REPORT_FILE)
    wire = Connection(server, ca_pem=ca.read_text(encoding="ascii"))
    wire.present(str(certificate), str(key))
    answer = wire.post("/v1/gateway/reports", said if isinstance(said, dict) else {"reports": said})
    wire.close()
    typer.echo(json.dumps(answer.document))
    if answer.status != OK or any("problem" in each for each in _outcomes(answer.document)):
        raise typer.Exit(Exit.FINDINGS if answer.status == OK else Exit.DENIED)


def _outcomes(document: Mapping[str, object]) -> list[Mapping[str, object]]:
    outcomes = document.get("reports")
    return outcomes if isinstance(outcomes, list) else []
