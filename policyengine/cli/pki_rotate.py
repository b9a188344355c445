"""`policyengine pki rotate`: one issuing CA follows another, step by step, and nobody is locked out."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.columns import amount
from policyengine.cli.options import Data, command_group, settings_at
from policyengine.cli.pki_status import opened_by_person

if TYPE_CHECKING:
    from policyengine.adapters.rollover_state import Rollover, RolloverState
    from policyengine.settings import Settings

app = command_group("Let a new CA follow the one that issues: prepare (or request, install), publish, switch, retire.")

Why = Annotated[str, typer.Option(help="Why; stands in the audit log.")]
RESTART = "start the server again: it reads this at its start"


class Scope(Enum):
    """What is replaced."""

    ISSUING = "issuing"
    ROOT = "root"


@app.command()
def prepare(
    root_key: Annotated[Path, typer.Option(help="Key of the present root, from its safe for this step.")],
    replace: Annotated[Scope, typer.Option(help="The issuing CA, or the root with an issuing CA.")] = Scope.ISSUING,
    root_passphrase_file: Annotated[Path | None, typer.Option(help="Its passphrase; default: the server's.")] = None,
    domain: Annotated[list[str] | None, typer.Option(help="A domain beside those of the old CA. Repeatable.")] = None,
    reason: Why = "planned",
    data: Data = None,
) -> None:
    """Make the successor and its cross-certificates; nobody is told yet."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.entropy import SystemEntropy
    from policyengine.adapters.keyfile import read_passphrase
    from policyengine.adapters.rollover import RootKey, Rotation
    from policyengine.wiring import authority_directory, passphrase_of

    settings = settings_at(data)
    directory, passphrase = authority_directory(settings), passphrase_of(settings)
    secret = passphrase if root_passphrase_file is None else read_passphrase(root_passphrase_file)
    held = Rotation(
        directory,
        passphrase=passphrase,
        root=RootKey(file=root_key, passphrase=secret),
        now=SystemClock().now(),
        entropy=SystemEntropy().draw,
    )
    domains = tuple(domain or ())
    made = held.root(domains) if replace is Scope.ROOT else held.issuing(domains)
    _record(settings, "prepare", made.version, f"{replace.value}: {reason}")
    folder = directory / str(made.other)
    typer.echo(f"successor in {folder}; next: pki rotate publish")
    key = folder / "root.key" if replace is Scope.ROOT else root_key
    typer.echo(f"move {key} to a safe: nothing opens it until the next rotation")


@app.command()
def request(
    csr_out: Annotated[Path, typer.Option(help="File for the request that the company's CA certifies, PEM.")],
    fleet: Annotated[str | None, typer.Option(help="The fleet's name; default: as the old CA's subject says.")] = None,
    domain: Annotated[list[str] | None, typer.Option(help="A domain beside those of the old CA. Repeatable.")] = None,
    reason: Why = "planned",
    data: Data = None,
) -> None:
    """Make a successor's key and its request, where a company's root certifies the issuing CA."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.company_rollover import request_successor
    from policyengine.adapters.entropy import SystemEntropy
    from policyengine.adapters.rollover_state import RolloverState
    from policyengine.wiring import authority_directory, passphrase_of

    settings = settings_at(data)
    _demand(settings, RolloverState.STEADY)
    made = request_successor(
        authority_directory(settings),
        passphrase=passphrase_of(settings),
        fleet=fleet,
        domains=tuple(domain or ()),
        now=SystemClock().now(),
        entropy=SystemEntropy().draw,
    )
    csr_out.write_text(made, encoding="ascii")
    _record(settings, "request", _rollover(settings).version, reason)
    typer.echo(f"request in {csr_out}; next: pki rotate install --certificate FILE, with what the company sends back")


@app.command()
def install(
    certificate: Annotated[Path, typer.Option(help="PEM: the new CA, the company's CAs above it, its root last.")],
    cross: Annotated[
        Path | None, typer.Option(help="PEM: the new CA as the present root certifies it, where the root is another.")
    ] = None,
    reason: Why = "planned",
    data: Data = None,
) -> None:
    """Prepare the rollover to what the company certified; nobody is told yet."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.company_rollover import install_successor
    from policyengine.adapters.entropy import SystemEntropy
    from policyengine.wiring import authority_directory, passphrase_of

    settings = settings_at(data)
    directory = authority_directory(settings)
    made = install_successor(
        directory,
        certificate.read_bytes(),
        cross=None if cross is None else cross.read_bytes(),
        passphrase=passphrase_of(settings),
        now=SystemClock().now(),
        entropy=SystemEntropy().draw,
    )
    _record(settings, "prepare", made.version, f"certified by the company: {reason}")
    typer.echo(f"successor in {directory / str(made.other)}; next: pki rotate publish")


@app.command()
def publish(reason: Why = "planned", data: Data = None) -> None:
    """Tell devices and relying parties of both CAs; the old one issues."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.rollover import publish
    from policyengine.adapters.rollover_state import RolloverState
    from policyengine.wiring import authority_directory

    settings = settings_at(data)
    _demand(settings, RolloverState.PREPARED)
    _record(settings, "publish", _rollover(settings).version + 1, reason)
    done = publish(authority_directory(settings), now=SystemClock().now())
    typer.echo(f"trust bundle {done.version} tells of both CAs; {RESTART}")


@app.command()
def switch(reason: Why = "planned", data: Data = None) -> None:
    """Let the new CA issue; the old one's certificates stay good. The server must be stopped."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.rollover import switch
    from policyengine.adapters.rollover_state import RolloverState
    from policyengine.wiring import authority_directory, demand_stopped

    settings = settings_at(data)
    demand_stopped(settings)
    _demand(settings, RolloverState.PUBLISHED)
    _record(settings, "switch", _rollover(settings).version + 1, reason)
    done = switch(authority_directory(settings), now=SystemClock().now())
    typer.echo(f"the CA in `{done.current}` issues from now on; {RESTART}")


@app.command()
def retire(
    force: Annotated[bool, typer.Option("--force", help="Revoke what is left of the old CA; needs --reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; stands in the audit log.")] = None,
    data: Data = None,
) -> None:
    """Serve and believe the old CA no longer, once no device depends on it. The server must be stopped."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.rollover import retire, retired_keys
    from policyengine.adapters.rollover_state import RolloverState
    from policyengine.wiring import authority_directory, demand_stopped, former_issuer

    if force and not reason:
        raise typer.BadParameter("--force locks devices out: say why with --reason")
    settings = settings_at(data)
    demand_stopped(settings)
    _demand(settings, RolloverState.SWITCHED)
    directory, issuer = authority_directory(settings), former_issuer(settings)
    with opened_by_person(data) as (installation, actor):
        rollovers = installation.services.rollovers
        if force:
            count = rollovers.revoke_rest(actor, issuer, installation.services.certificates)
            typer.echo(f"{amount(count, 'certificate')} of the old CA revoked")
        rollovers.demand_unused(issuer)
        services = rollovers.services(issuer)
        rollovers.record(actor, "retire", version=_rollover(settings).version + 1, reason=reason or "planned")
        done = retire(directory, now=SystemClock().now())
    typer.echo(f"trust bundle {done.version} tells of one CA; {RESTART}")
    for each in services:
        typer.echo(f"look at this: {each.serial} ({each.subject}) is of the old CA: `pki issue --role` gives another")
    for key in retired_keys(directory, done):
        typer.echo(f"destroy {key}: it signs nothing any more")


@app.command()
def abandon(reason: Why, data: Data = None) -> None:
    """Give a successor up that has not issued yet, or a request whose certificate does not come."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.company_rollover import withdraw_request
    from policyengine.adapters.rollover import abandon
    from policyengine.adapters.rollover_state import RolloverState
    from policyengine.wiring import authority_directory

    settings = settings_at(data)
    if _rollover(settings).state is RolloverState.STEADY and withdraw_request(authority_directory(settings)):
        _record(settings, "abandon", _rollover(settings).version, reason)
        typer.echo("the request is withdrawn, and its key is gone")
        return
    _demand(settings, RolloverState.PREPARED, RolloverState.PUBLISHED)
    _record(settings, "abandon", _rollover(settings).version + 1, reason)
    done = abandon(authority_directory(settings), now=SystemClock().now())
    typer.echo(f"trust bundle {done.version} tells of one CA; {RESTART}")


@app.command()
def status(data: Data = None) -> None:
    """Say where the rollover stands, and how many devices still depend on the old CA."""
    from policyengine.adapters.rollover_state import RolloverState
    from policyengine.wiring import former_issuer

    settings = settings_at(data)
    found = _rollover(settings)
    said: dict[str, object] = {"state": found.state.value, "version": found.version}
    said |= {"since": None if found.since is None else f"{found.since:%Y-%m-%dT%H:%M:%SZ}"}
    if found.state is RolloverState.SWITCHED:
        with opened_by_person(data) as (installation, _):
            rollovers, issuer = installation.services.rollovers, former_issuer(settings)
            said["devices_on_old_ca"] = rollovers.outstanding(issuer)
            said["services_on_old_ca"] = [each.serial for each in rollovers.services(issuer)]
    typer.echo(json.dumps(said, indent=2))


def _rollover(settings: Settings) -> Rollover:
    from policyengine.adapters.rollover_state import read_rollover
    from policyengine.wiring import authority_directory, demand_installation

    demand_installation(settings)
    return read_rollover(authority_directory(settings))


def _demand(settings: Settings, *states: RolloverState) -> None:
    _rollover(settings).demand(*states)


def _record(settings: Settings, step: str, version: int, reason: str) -> None:
    with opened_by_person(settings.data) as (installation, actor):
        installation.services.rollovers.record(actor, step, version=version, reason=reason)
