"""`policyengine feeds`: make a signed pack where there is a network, import it where there is none, list them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Data, Output, command_group, moment_at, settings_at
from policyengine.cli.rows import print_rows
from policyengine.errors import PolicyEngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from policyengine.services.supply.feeds import FeedInUse

app = command_group("Pack, import and list feeds of vulnerabilities.")

As = Annotated[Output, typer.Option(help="A table or JSON.")]

_SHOWN = ("feed", "publisher", "observed_at", "stale_at", "stale", "entries")


class FeedKeyError(PolicyEngineError):
    """A key that packs cannot be signed with."""

    code = "usage.key"


class NothingToPackError(PolicyEngineError):
    """A pack of no feed."""

    code = "usage.argument"


@app.command()
def pack(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="Where the pack is written.")],
    publisher: Annotated[str, typer.Option(help="Who signs, as servers name it.")],
    key: Annotated[Path, typer.Option(help="An Ed25519 private key, PEM.")],
    osv: Annotated[list[Path] | None, typer.Option(help="A zip of OSV records, or one record. Repeatable.")] = None,
    covers: Annotated[
        list[str] | None, typer.Option(help="Also an ecosystem of which this is all, such as `generic`. Repeatable.")
    ] = None,
    kev: Annotated[Path | None, typer.Option(help="CISA's known_exploited_vulnerabilities.json.")] = None,
    epss: Annotated[Path | None, typer.Option(help="FIRST's epss_scores-DAY.csv, or its .gz.")] = None,
    osv_at: Annotated[str | None, typer.Option(metavar="TIME", help="When OSV was fetched; default now.")] = None,
) -> None:
    """Write feeds into one signed file; prints the public key that servers must know as JSON."""
    import base64

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from policyengine.supply.pack import pack_content, signed_pack

    feeds = _gathered(osv or [], frozenset(covers or ()), kev, epss, moment_at(osv_at))
    if not feeds:
        raise NothingToPackError("give at least one of --osv, --kev and --epss")
    private = _private(key)
    output.write_bytes(signed_pack(pack_content(feeds), publisher, private.sign))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    typer.echo(
        json.dumps({"publisher": publisher, "ed25519": base64.b64encode(public).decode(), "feeds": sorted(feeds)})
    )


def _gathered(
    osv: Sequence[Path], covers: frozenset[str], kev: Path | None, epss: Path | None, osv_at: datetime
) -> Mapping[str, tuple[datetime, Mapping[str, object]]]:
    from policyengine.supply.pack import advisories_of
    from policyengine.supply.sources import epss_feed, kev_feed, osv_feed

    found: dict[str, tuple[datetime, Mapping[str, object]]] = {}
    names = None
    if osv:
        said = osv_feed((path.read_bytes() for path in osv), covers=covers)
        found["osv"] = (osv_at, said)
        names = frozenset(name for advisory in advisories_of(said) for name in advisory.names)
    if kev is not None:
        found["kev"] = kev_feed(kev.read_bytes())
    if epss is not None:
        found["epss"] = epss_feed(epss.read_bytes(), names=names)
    return found


def _private(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as cause:
        raise FeedKeyError(f"`{path}` is no private key in PEM, or asks for a passphrase") from cause
    if not isinstance(found, Ed25519PrivateKey):
        raise FeedKeyError(f"`{path}` is no Ed25519 key")
    return found


@app.command("import")
def import_pack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The signed pack.")],
    output: As = Output.TABLE,
    data: Data = None,
) -> None:
    """Import a pack beside the server of a data directory; devices with SBOMs on file are decided again."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    content = file.read_bytes()
    with opened(settings_at(data)) as installation:
        found = installation.services.feeds.import_pack(SYSTEM, content)
    _print(found, output)


@app.command("list")
def list_feeds(output: As = Output.TABLE, data: Data = None) -> None:
    """Show the feeds in use, and which are too old to count."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        found = installation.services.feeds.list(SYSTEM)
    _print(found, output)


def _print(found: Sequence[FeedInUse], output: Output) -> None:
    from policyengine.model.times import format_timestamp

    rows = [
        {
            "feed": each.name,
            "publisher": each.publisher,
            "observed_at": format_timestamp(each.observed_at),
            "stale_at": format_timestamp(each.stale_at),
            "stale": each.is_stale,
            "entries": each.entries,
            "pack": each.pack,
        }
        for each in found
    ]
    print_rows(rows, _SHOWN, output)
