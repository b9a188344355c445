"""`policyengine db`: the database's schema, looked at and brought up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.exits import Exit

if TYPE_CHECKING:
    from policyengine.adapters.sql.migration import SchemaStatus

app = typer.Typer(help="Upgrade and inspect the database.", no_args_is_help=True, rich_markup_mode=None)

Data = Annotated[Path | None, typer.Option(help="Data directory of the server.")]
Url = Annotated[str | None, typer.Option(help="Database address instead of the data directory's.")]


@app.command("upgrade")
def upgrade_schema(data: Data = None, url: Url = None) -> None:
    """Bring the database to the schema of this version; does nothing when it has it."""
    from policyengine.adapters.sql.migration import upgrade

    _print(upgrade(_address(data, url)))


@app.command("status")
def show_status(data: Data = None, url: Url = None) -> None:
    """Say which schema the database has; exit code 1 when it is not this version's."""
    from policyengine.adapters.sql.migration import status

    found = status(_address(data, url))
    _print(found)
    if not found.is_current:
        raise typer.Exit(Exit.FINDINGS)


def _address(data: Path | None, url: str | None) -> str:
    from dataclasses import replace

    from policyengine.settings import from_environment
    from policyengine.wiring import demand_installation

    if url is not None:
        return url
    found = from_environment()
    settings = found if data is None else replace(found, data=data)
    if settings.database_url is None:
        demand_installation(settings)  # nothing is made in a directory named by mistake
    return settings.storage_url


def _print(status: SchemaStatus) -> None:
    document = {"current": status.current, "needed": status.needed, "up_to_date": status.is_current}
    typer.echo(json.dumps(document))
