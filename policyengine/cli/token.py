"""`policyengine token`: API tokens of people and programs, made on the server's machine."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated

import typer

from policyengine.cli.options import Data, Output, command_group, settings_at
from policyengine.services.actors import PersonRole

app = command_group("Create, list and revoke API tokens of people.")

MAX_DAYS = 366


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose token it is; shown in every act.")],
    role: Annotated[PersonRole, typer.Option(help="What the holder may do.")],
    days: Annotated[int, typer.Option(help="How long it lives.", min=1, max=MAX_DAYS)] = 90,
    party: Annotated[str | None, typer.Option(help="Party that the holder speaks for.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only devices of this model. Repeatable.")] = None,
    data: Data = None,
) -> None:
    """Make a token and print it, this once."""
    from policyengine.model.ids import PartyName
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        made = installation.services.tokens.create(
            SYSTEM,
            name=name,
            role=role,
            lifetime=timedelta(days=days),
            party=PartyName(party) if party else None,
            models=frozenset(model) if model else None,
        )
    typer.echo(made.secret)


@app.command("list")
def list_tokens(
    output: Annotated[Output, typer.Option(help="How to print.")] = Output.TABLE, data: Data = None
) -> None:
    """List all tokens without their secrets."""
    from policyengine.model.times import format_timestamp
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        tokens = installation.services.tokens.list(SYSTEM)
    rows = [
        {
            "id": token.id,
            "name": token.name,
            "role": token.role,
            "party": token.party,
            "models": token.models,
            "expires_at": format_timestamp(token.expires_at),
            "revoked": token.revoked_at is not None,
        }
        for token in tokens
    ]
    if output is Output.JSON:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        ended = "revoked" if row["revoked"] else f"until {row['expires_at']}"
        typer.echo(f"{row['id']:14} {row['role']:12} {row['name']:24} {ended}")


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="The token's id, as `list` shows it.")], data: Data = None
) -> None:
    """End a token now."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        installation.services.tokens.revoke(SYSTEM, token)
