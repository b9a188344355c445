"""`policyengine pki revoke | confirm | withdraw | proposals | services | hold | release | crl`, beside the server."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Data, Output, command_group, settings_at

if TYPE_CHECKING:
    from policyengine.services.actors import Principal
    from policyengine.wiring import Installation

app = command_group()

Serial = Annotated[str, typer.Argument(metavar="SERIAL", help="Serial number, hex, as `pki inspect` prints it.")]
MaybeSerial = Annotated[str | None, typer.Argument(metavar="SERIAL", help="Serial number, hex; or --certificate.")]
Proposal = Annotated[str, typer.Argument(metavar="PROPOSAL", help="As `pki revoke` and `pki proposals` print it.")]
TokenFile = Annotated[
    Path | None, typer.Option(help="File with an API token (mode 0600): act as its holder and for its party.")
]
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
    serial: MaybeSerial = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Instead of SERIAL: one that our CA signed and no register knows, PEM or DER.")
    ] = None,
    reason: Annotated[Cause, typer.Option(help="CRLReason.")] = Cause.UNSPECIFIED,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Revoke a certificate for good, or propose it where its profile asks for two parties."""
    from pki.revocation import Reason

    wanted = Reason(reason.value)
    if (serial is None) == (certificate is None):
        raise typer.BadParameter("say the SERIAL of a certificate, or --certificate FILE")
    with opened_by_person(data, token_file) as (installation, actor):
        if certificate is not None:
            own = installation.services.service_certificates
            _say_revoked(installation, actor, own.revoke_shown(actor, _shown(certificate), reason=wanted), reason)
            return
        number = _plain(serial or "")
        proposal = installation.services.revocations.revoke(actor, number, reason=wanted)
        if proposal is None:
            _say_revoked(installation, actor, number, reason)
            return
    typer.echo(f"{number} waits for the second party until {proposal.expires_at:%Y-%m-%dT%H:%M:%SZ}:")
    typer.echo(f"policyengine pki confirm {number} {proposal.id} --token-file FILE")


def _say_revoked(installation: Installation, actor: Principal, serial: str, reason: Cause) -> None:
    from policyengine.adapters.authority import certificate_in

    services = installation.services
    typer.echo(f"{serial} is revoked: {reason.value}")
    revoked = services.service_certificates.find(actor, serial) or services.certificates.show(actor, serial)
    if not services.lists.tells_of(revoked.issuer):
        typer.echo("its CA was retired: no list and no answer tells of it; who trusts that CA still must be told")
    if f"{certificate_in(installation.tls_chain).serial_number:x}" == serial:
        typer.echo("it is this server's own: `pki renew --own tls --new-key`, then start the server again")


def _shown(file: Path) -> bytes:
    from pki.certificates import split_certificates

    try:
        content = file.read_bytes()
    except OSError as cause:
        raise typer.BadParameter(f"`{file}` cannot be read: {(cause.strerror or str(cause)).lower()}") from cause
    return split_certificates(content)[0]


@app.command()
def confirm(serial: Serial, proposal: Proposal, token_file: TokenFile = None, data: Data = None) -> None:
    """Revoke for good what another party proposed."""
    with opened_by_person(data, token_file) as (installation, actor):
        installation.services.revocations.confirm(actor, _plain(serial), proposal=proposal)
        said = installation.services.certificates.show(actor, _plain(serial)).status_reason
    typer.echo(f"{_plain(serial)} is revoked: {said}")


@app.command()
def withdraw(serial: Serial, proposal: Proposal, reason: Why, token_file: TokenFile = None, data: Data = None) -> None:
    """End a proposal to revoke, and the hold that came with it."""
    with opened_by_person(data, token_file) as (installation, actor):
        installation.services.revocations.withdraw(actor, _plain(serial), proposal=proposal, reason=reason)
        status = installation.services.certificates.show(actor, _plain(serial)).status
    typer.echo(f"the proposal is withdrawn; {_plain(serial)} is {status.in_words}")


@app.command()
def proposals(output: Annotated[Output, typer.Option(help="How to print.")] = Output.TABLE, data: Data = None) -> None:
    """List what one party proposes to revoke and another has not confirmed yet."""
    from policyengine.model.times import format_timestamp

    with opened_by_person(data) as (installation, actor):
        found = installation.services.revocations.list(actor)
    rows = [
        {
            "serial": each.serial,
            "proposal": each.id,
            "device_id": each.device_id,
            "reason": each.reason,
            "proposed_by": each.proposed_by,
            "proposed_party": each.proposed_party,
            "expires_at": format_timestamp(each.expires_at),
        }
        for each in found
    ]
    if output is Output.JSON:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        who = f"{row['proposed_by']} ({row['proposed_party']})"
        typer.echo(f"{row['serial']:34} {row['proposal']} {row['device_id']:16} {row['reason']:20} {who}")
    if not rows:
        typer.echo("nothing waits for a second party")


@app.command()
def services(output: Annotated[Output, typer.Option(help="How to print.")] = Output.TABLE, data: Data = None) -> None:
    """List the certificates of our own servers and responders, newest first."""
    from policyengine.cli.rows import print_rows
    from policyengine.model.times import format_timestamp

    with opened_by_person(data) as (installation, actor):
        found = installation.services.service_certificates.list(actor)
    rows = [
        {
            "serial": each.serial,
            "issuer": each.issuer,
            "profile": each.profile,
            "subject": each.subject,
            "issued_by": each.issued_by,
            "key_thumbprint": each.key_thumbprint,
            "not_before": format_timestamp(each.not_before),
            "not_after": format_timestamp(each.not_after),
            "sha256": each.sha256,
            "status": each.status.value,
            "status_reason": each.status_reason,
            "status_at": format_timestamp(each.status_at),
        }
        for each in found
    ]
    print_rows(rows, ("serial", "profile", "subject", "not_after", "status", "status_reason", "issued_by"), output)


@app.command()
def hold(serial: Serial, reason: Why, token_file: TokenFile = None, data: Data = None) -> None:
    """Put a certificate on hold, which can be undone."""
    with opened_by_person(data, token_file) as (installation, actor):
        installation.services.certificates.hold(actor, _plain(serial), reason=reason)
    typer.echo(f"{_plain(serial)} is on hold")


@app.command()
def release(serial: Serial, reason: Why, token_file: TokenFile = None, data: Data = None) -> None:
    """Take a certificate from a person's hold."""
    with opened_by_person(data, token_file) as (installation, actor):
        installation.services.certificates.release(actor, _plain(serial), reason=reason)
        status = installation.services.certificates.show(actor, _plain(serial)).status
    typer.echo(f"{_plain(serial)} is {status.in_words}")


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
    """Return a serial number as the registry writes it, of what `openssl x509` and others print: `01:AB`, `0x1ab`."""
    return serial.replace(":", "").lower().removeprefix("0x").lstrip("0")


@contextmanager
def opened_by_person(data: Path | None, token_file: Path | None = None) -> Iterator[tuple[Installation, Principal]]:
    """Yield the installation and who acts: whose API token it is, or the person at this machine, who may do everything.

    Raises UnauthenticatedError, KeyFileError for a token file that others can read.
    """
    from policyengine.adapters.keyfile import read_private
    from policyengine.services.actors import PersonRole, Principal
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        if token_file is None:
            yield installation, Principal(name=f"local:{getpass.getuser()}", role=PersonRole.ADMIN)
        else:
            token = read_private(token_file).decode("utf-8", "replace").strip()
            yield installation, installation.services.tokens.authenticate(token)
