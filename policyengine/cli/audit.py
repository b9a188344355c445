"""`policyengine audit`: checking a server's records from outside, with its log's key and nothing else of its."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from policyengine.cli.audit_export import export, verify
from policyengine.cli.options import Output, command_group

app = command_group("Export evidence, and check exports, logs and receipts without trusting the server.")

Url = Annotated[str, typer.Argument(help="The log's address, such as https://server:8443/log.")]
Vkey = Annotated[str, typer.Option("--vkey", help="The log's key: NAME+ID+KEY, or a file that holds it.")]
Ca = Annotated[Path | None, typer.Option("--ca", help="CA certificates of the server, PEM. Default: the system's.")]
Form = Annotated[Output, typer.Option(help="How to print.")]


@app.command()
def monitor(
    url: Url,
    vkey: Vkey,
    state: Annotated[Path, typer.Option(help="Where the last checkpoint seen is kept.")],
    ca: Ca = None,
    output: Form = Output.TABLE,
) -> None:
    """Prove that the log now contains the log as last seen, and remember it; exit code 1 when it does not."""
    from policyengine.adapters.log_client import LogClient
    from policyengine.transparency.checkpoint import open_checkpoint
    from policyengine.transparency.monitor import prove_extension

    key, client = _key(vkey), LogClient(url, ca=ca)
    note = client.fetch("checkpoint")
    seen = open_checkpoint(note, key=key)
    before = open_checkpoint(state.read_bytes(), key=key) if state.exists() else None
    if before is not None:
        prove_extension(before, seen, client.fetch)
    fresh = state.with_name(f".{state.name}.new")
    fresh.write_bytes(note)
    fresh.replace(state)
    from_size = 0 if before is None else before.size
    told = {"origin": seen.origin, "from": from_size, "to": seen.size, "root": seen.root.hex(), "consistent": True}
    first = (
        f"first seen with {seen.size} leaves" if before is None else f"{from_size} leaves are intact, {seen.size} now"
    )
    typer.echo(json.dumps(told) if output is Output.JSON else f"{seen.origin}: {first}")


@app.command()
def consistent(
    old: Annotated[Path, typer.Argument(help="An earlier checkpoint, as a file.")],
    new: Annotated[Path, typer.Argument(help="A later checkpoint, as a file.")],
    url: Url,
    vkey: Vkey,
    ca: Ca = None,
    output: Form = Output.TABLE,
) -> None:
    """Prove that the log of one checkpoint contains that of another; exit code 1 when it does not."""
    from policyengine.adapters.log_client import LogClient
    from policyengine.transparency.checkpoint import open_checkpoint
    from policyengine.transparency.monitor import prove_extension

    key = _key(vkey)
    before, after = (open_checkpoint(file.read_bytes(), key=key) for file in (old, new))
    prove_extension(before, after, LogClient(url, ca=ca).fetch)
    if output is Output.JSON:
        typer.echo(json.dumps({"origin": after.origin, "old_size": before.size, "size": after.size}))
    else:
        typer.echo(f"{after.origin}: the {after.size} leaves contain the {before.size} as they were")


@app.command()
def receipt(
    proof: Annotated[Path, typer.Argument(help="What /v1/decisions/ID/proof answered.")],
    vkey: Vkey,
    output: Form = Output.TABLE,
) -> None:
    """Verify a receipt offline: the record is what the log committed to; exit code 1 when it is not."""
    from policyengine.transparency.disclosure import read_disclosure, verify_disclosure

    disclosed = read_disclosure(proof.read_bytes())
    checkpoint = verify_disclosure(disclosed, key=_key(vkey))
    record = json.loads(disclosed.record)
    if output is Output.JSON:
        told = {"verified": True, "index": disclosed.index, "kind": disclosed.kind, "record": record}
        typer.echo(json.dumps({**told, "origin": checkpoint.origin, "size": checkpoint.size}))
    else:
        typer.echo(f"leaf {disclosed.index} of {checkpoint.size} in {checkpoint.origin} is this {disclosed.kind}:")
        for name, value in record.items():
            typer.echo(f"  {name}: {value}")


app.command()(export)
app.command()(verify)


def _key(given: str):  # type: ignore[no-untyped-def]  # its type would be imported for every --help
    from policyengine.transparency.notes import parse_vkey

    return parse_vkey(Path(given).read_text() if Path(given).is_file() else given)
