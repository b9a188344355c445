"""`policyengine pki revoke | hold | release | crl`: what becomes of certificates, on the server's machine."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Data, settings_at

if TYPE_CHECKING:
    from policyengine.services.actors import Principal
    from policyengine.wiring import Installation

app = typer.Typer(no_args_is_help=True, add_completion=False)

Serial = Annotated[str, typer.Argument(metavar="SERIAL", help="Serial number, hex, as `pki inspect` prints it.")]
Why = Annotated[str, typer.Option(help="Why; stands in the audit log.")]


class Cause(Enum):
    """The CRLReason of a revocation (RFC 5280 section 5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


@app.command()
def revoke(
    serial: Serial,
    reason: Annotated[Cause, typer.Option(help="CRLReason.")] = Cause.UNSPECIFIED,
    data: Data = None,
) -> None:
    """Revoke a certificate for good."""
    from pki.revocation import Reason

    with opened_by_person(data) as (installation, actor):
        installation.services.certificates.revoke(actor, _plain(serial), reason=Reason(reason.value))
    typer.echo(f"{_plain(serial)} is revoked: {reason.value}")


@app.command()
def hold(serial: Serial, reason: Why, data: Data = None) -> None:
    """Put a certificate on hold, which can be undone."""
    with opened_by_person(data) as (installation, actor):
        installation.services.certificates.hold(actor, _plain(serial), reason=reason)
    typer.echo(f"{_plain(serial)} is on hold")


@app.command()
def release(serial: Serial, reason: Why, data: Data = None) -> None:
    """Take a certificate from a person's hold."""
    with opened_by_person(data) as (installation, actor):
        installation.services.certificates.release(actor, _plain(serial), reason=reason)
        status = installation.services.certificates.show(actor, _plain(serial)).status
    typer.echo(f"{_plain(serial)} is {status.value}")


@app.command()
def crl(
    out: Annotated[Path, typer.Option("--out", help="File to write, DER.")],
    shard: Annotated[str | None, typer.Option(help="One shard, 00 to 3f; default: the complete list.")] = None,
    data: Data = None,
) -> None:
    """Write the revocation list as it is now, for relying parties that the server does not reach."""
    with opened_by_person(data) as (installation, _):
        lists = installation.services.lists
        issuer = installation.issuer
        made = lists.complete(issuer) if shard is None else lists.shard(issuer, _number(shard))
    out.write_bytes(made.content)
    typer.echo(f"{out}: {len(made.content)} bytes, current until {made.until:%Y-%m-%dT%H:%M:%SZ}")


def _number(shard: str) -> int:
    try:
        return int(shard, 16)
    except ValueError as cause:
        raise typer.BadParameter(f"`{shard}` is no shard: say 00 to 3f") from cause


def _plain(serial: str) -> str:
    return serial.replace(":", "").lower().lstrip("0")


@contextmanager
def opened_by_person(data: Path | None) -> Iterator[tuple[Installation, Principal]]:
    """Yield the installation and the person at this machine, who may do everything."""
    from policyengine.services.actors import PersonRole, Principal
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        yield installation, Principal(name=f"local:{getpass.getuser()}", role=PersonRole.ADMIN)
