"""`policyengine db backup`, `restore` and `copy`: the whole database, into a folder and out of it, or elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.exits import Exit
from policyengine.cli.options import Data, DatabaseUrl, settings_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policyengine.adapters.backup import Manifest
    from policyengine.adapters.sql.snapshot import Contents
    from policyengine.services.history.examining import Damage

MAX_SHOWN = 20  # damages; after so many the answer is the same: take another backup


def backup(
    out: Annotated[Path, typer.Argument(help="Folder to write the backup to; must not exist.")],
    data: Data = None,
) -> None:
    """Back up database and keys while the server runs; the passphrase is left out, keep it elsewhere."""
    from dataclasses import asdict

    from policyengine.adapters.backup import write_backup
    from policyengine.adapters.clock import SystemClock
    from policyengine.wiring import demand_installation

    settings = settings_at(data)
    demand_installation(settings)
    now = SystemClock().now()
    manifest = write_backup(settings.storage_url, settings.layout.keys, out, now=now, progress=_tell)
    typer.echo(json.dumps({"backup": str(out), **asdict(manifest)}))


def restore(
    backup: Annotated[Path, typer.Argument(help="Folder that `db backup` wrote.")],
    data: Data = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also examine the whole log and make a sample of decisions again.")
    ] = False,
) -> None:
    """Put a backup into a data directory that has none, and with POLICYENGINE_DATABASE_URL into an empty database.

    Exit code 1 when the restored log does not contain the last signed checkpoint, or --verify finds damage.
    """
    from policyengine.adapters.backup import read_backup, restore_backup

    settings = settings_at(data)
    manifest = read_backup(backup)
    restore_backup(backup, manifest, settings.data, address=settings.database_url, progress=_tell)
    damages = _damages(settings.storage_url, settings.data, manifest, verify=verify)
    told = [{"place": damage.place, "message": damage.message} for damage in damages]
    typer.echo(json.dumps({"restored": str(settings.data), "made_at": manifest.made_at, "damages": told}))
    if damages:
        raise typer.Exit(Exit.FINDINGS)
    passphrase = settings.passphrase_file or settings.layout.keys / "passphrase"
    sys.stderr.write(f"put the passphrase of the key files into `{passphrase}` (mode 0600), then start the server\n")


def _damages(address: str, data: Path, manifest: Manifest, *, verify: bool) -> Sequence[Damage]:
    from itertools import chain, islice

    from policyengine.adapters.examination import examine_checkpoint, examine_database, reading
    from policyengine.settings import DataLayout

    layout = DataLayout(root=data)
    with reading(address) as store:
        signed = examine_checkpoint(store, layout.checkpoint, layout.keys / "log.vkey")
        decisions = manifest.tables["decision"] + manifest.tables["device_state"]
        stored = examine_database(store, decisions=decisions) if verify else ()
        return list(islice(chain(signed, stored), MAX_SHOWN))


def copy(
    to: Annotated[
        str, typer.Option("--to", help="Address of an empty database: sqlite:///FILE or postgresql+psycopg://...")
    ],
    data: Data = None,
    url: DatabaseUrl = None,
) -> None:
    """Copy the database into an empty one, SQLite or PostgreSQL, and compare every row; the server must be stopped."""
    from policyengine.adapters.sql.copying import copy_database
    from policyengine.adapters.sql.snapshot import shown
    from policyengine.cli.options import database_address
    from policyengine.wiring import demand_stopped

    if url is None:
        demand_stopped(settings_at(data))  # two servers with one log key would sign two logs
    contents = copy_database(database_address(data, url), to, progress=_tell)
    counts = {each.table: {"rows": each.rows, "digest": each.digest} for each in contents}
    typer.echo(json.dumps({"to": shown(to), "tables": counts}))


def _tell(contents: Contents) -> None:
    sys.stderr.write(f"{contents.table}: {contents.rows:,} rows\n")
