"""`policyengine db`: the database's schema, and the database as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from policyengine.cli.db_backup import backup, copy, restore
from policyengine.cli.db_retention import archive, prune
from policyengine.cli.exits import Exit
from policyengine.cli.options import Data, DatabaseUrl, command_group, database_address

if TYPE_CHECKING:
    from policyengine.adapters.sql.migration import SchemaStatus

app = command_group("Upgrade, inspect, back up, restore, copy, archive and prune the database.")


@app.command("upgrade")
def upgrade_schema(data: Data = None, url: DatabaseUrl = None) -> None:
    """Bring the database to the schema of this version; does nothing when it has it."""
    from policyengine.adapters.sql.migration import upgrade

    _print(upgrade(database_address(data, url)))


@app.command("status")
def show_status(data: Data = None, url: DatabaseUrl = None) -> None:
    """Say which schema the database has; exit code 1 when it is not this version's."""
    from policyengine.adapters.sql.migration import status

    found = status(database_address(data, url))
    _print(found)
    if not found.is_current:
        raise typer.Exit(Exit.FINDINGS)


def _print(status: SchemaStatus) -> None:
    document = {"current": status.current, "needed": status.needed, "up_to_date": status.is_current}
    typer.echo(json.dumps(document))


app.command("backup")(backup)
app.command("restore")(restore)
app.command("copy")(copy)
app.command("archive")(archive)
app.command("prune")(prune)
