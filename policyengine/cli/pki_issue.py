"""`policyengine pki issue | renew | install`: what a person carries to the server's machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Data, command_group, settings_at
from policyengine.cli.pki_status import TokenFile, opened_by_person

if TYPE_CHECKING:
    from policyengine.adapters.own_services import OwnServices
    from policyengine.services.catalogue import Services
    from policyengine.services.checkins.settling import Issued, Pending

app = command_group()

MAX_REQUEST_FILE = 64 * 1024  # a PEM request with evidence in it has some 20 KiB

DeviceId = Annotated[str | None, typer.Argument(metavar="DEVICE", help="Id in the registry, of a device or a service.")]
Request = Annotated[Path | None, typer.Option("--csr", help="Certification request (PKCS#10), PEM or DER.")]
Out = Annotated[Path | None, typer.Option(help="Where the certificate and its CA go, PEM; default: printed.")]
Why = Annotated[str, typer.Option(help="Why; stands in the audit log.")]


class Role(Enum):
    """A service of ours whose key is elsewhere."""

    TLS_SERVER = "tls-server"
    OCSP_SIGNER = "ocsp-signer"


class Own(Enum):
    """A certificate of this server itself."""

    TLS = "tls"


@app.command()
def issue(
    device: DeviceId = None,
    csr: Request = None,
    role: Annotated[
        Role | None, typer.Option(help="Instead of DEVICE: a service of ours, by a built-in profile.")
    ] = None,
    host: Annotated[list[str] | None, typer.Option(help="Name or address of a tls-server. Repeatable.")] = None,
    out: Out = None,
    reason: Why = "by hand",
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Issue the first certificate of an announced device or service, if its policies allow it.

    The request's names are not taken over: the profile of the device's model says what the certificate holds.
    """
    if csr is None or (device is None) == (role is None):
        raise typer.BadParameter("say --csr FILE, and either the DEVICE that it is for or the --role")
    if host and role is not Role.TLS_SERVER:
        raise typer.BadParameter("--host is for --role tls-server; a device's names come from its profile")
    from policyengine.model.ids import device_id

    if device is not None:
        with opened_by_person(data, token_file) as (installation, actor):
            wanted = installation.services.by_hand.issue(actor, device_id(device), _request(csr))
            _answer(asyncio.run(wanted), installation.services, out)
        return
    if role is Role.TLS_SERVER and not host:
        raise typer.BadParameter("--role tls-server needs a --host: the names that clients call it by")
    _issue_own(Role(role), csr, tuple(host or ()), out, reason, data)


@app.command()
def renew(
    device: DeviceId = None,
    csr: Request = None,
    own: Annotated[
        Own | None, typer.Option(help="Instead of DEVICE: this server's own, for its names of today.")
    ] = None,
    out: Out = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="With --own: for a new key, which is made.")] = False,
    reason: Why = "by hand",
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Renew a device's certificate by a request that its present key signed, if its policies allow it; or our own."""
    if (device is None) == (own is None) or (device is None) != (csr is None):
        raise typer.BadParameter("say DEVICE and --csr FILE, or --own tls")
    if new_key and own is None:
        raise typer.BadParameter("--new-key is for --own: a device makes its key itself")
    from policyengine.model.ids import device_id

    if device is not None and csr is not None:
        with opened_by_person(data, token_file) as (installation, actor):
            wanted = installation.services.by_hand.renew(actor, device_id(device), _request(csr))
            _answer(asyncio.run(wanted), installation.services, out)
        return
    with _own_services(data, (), "certificate.renew-tls", reason) as services:
        file = services.rekey_tls() if new_key else services.renew_tls()
    typer.echo(f"made anew: {file}; start the server again: it reads this at its start")


@app.command()
def install(
    zone: Annotated[Path, typer.Argument(metavar="DIR", help="A ceremony's folder of one issuing CA: SAFE/NAME.")],
    host: Annotated[list[str], typer.Option(help="Name of the server, below the CA's domains. Repeatable.")],
    passphrase_file: Annotated[Path, typer.Option(help="Passphrase of the ceremony's keys, mode 0600.")],
    data: Annotated[Path, typer.Option(help="Data directory of the server; keys go below it.")],
    fleet: Annotated[str, typer.Option(help="Name of the fleet, in the server's own certificates.")] = "fleet",
    root: Annotated[Path | None, typer.Option(help="The root's certificate; default: SAFE/root/root.pem.")] = None,
) -> None:
    """Bring an issuing CA of a ceremony to the server that it works for."""
    from policyengine.adapters.authority import DIRECTORY, FleetNames
    from policyengine.adapters.ceremony_install import install_ceremony
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.entropy import SystemEntropy
    from policyengine.adapters.keyfile import read_passphrase

    install_ceremony(
        data / DIRECTORY,
        zone,
        root or zone.parent / "root" / "root.pem",
        passphrase=read_passphrase(passphrase_file),
        names=FleetNames(fleet=fleet, domains=(), hosts=tuple(host)),
        now=SystemClock().now(),
        entropy=SystemEntropy().draw,
    )
    typer.echo(f"authority in {data / DIRECTORY}; it never saw the root's key")
    typer.echo(f"serve with POLICYENGINE_PASSPHRASE_FILE={passphrase_file}")
    typer.echo(f"and POLICYENGINE_PUBLIC_NAMES={','.join(host)}: its own certificate is renewed for these names")


def _issue_own(role: Role, csr: Path, hosts: tuple[str, ...], out: Path | None, reason: str, data: Path | None) -> None:
    from pki.request import parse_request
    from policyengine.adapters.own_services import OwnRole

    asked = parse_request(_request(csr))
    with _own_services(data, hosts, f"certificate.issue-{role.value}", reason) as services:
        made, above = services.certify(OwnRole(role.value), asked)
    _write(made.pem + above, out)


@contextmanager
def _own_services(data: Path | None, hosts: tuple[str, ...], action: str, reason: str) -> Iterator[OwnServices]:
    """Yield our CA for our own services, after the act stands in the audit log; `hosts` none: the server's own."""
    from dataclasses import replace

    from policyengine.adapters.own_services import OwnServices, certified
    from policyengine.wiring import authority_directory, fleet_names

    settings = settings_at(data)
    names = fleet_names(settings)
    with opened_by_person(data) as (installation, actor):
        installation.services.rollovers.record_own(actor, action, hosts=hosts or names.hosts, reason=reason)
        directory = authority_directory(settings)
        yield OwnServices(
            directory=directory,
            passphrase=installation.passphrase,
            names=replace(names, hosts=hosts or names.hosts),
            now=installation.clock.now(),
            entropy=installation.entropy.draw,
            by=actor.name,
            publish_at=settings.pki_url,
        )
        installation.services.service_certificates.keep(certified(directory))


def _request(file: Path) -> bytes:
    """Return the DER of the request in `file`; raises RequestError."""
    from pki.request import request_der

    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_REQUEST_FILE + 1)
    except OSError as cause:
        raise typer.BadParameter(f"`{file}` cannot be read: {(cause.strerror or str(cause)).lower()}") from cause
    if len(content) > MAX_REQUEST_FILE:
        raise typer.BadParameter(f"`{file}` is larger than {MAX_REQUEST_FILE} bytes: it is no request")
    return request_der(content)


def _answer(found: Issued | Pending, services: Services, out: Path | None) -> None:
    from pki.reservation import pem_of
    from policyengine.cli.exits import Exit
    from policyengine.services.checkins.settling import Pending

    if isinstance(found, Pending):
        typer.echo(f"not yet: {', '.join(found.missing)} cannot be decided without evidence", err=True)
        typer.echo("evidence comes by a check-in of the device; then ask again", err=True)
        raise typer.Exit(Exit.FINDINGS)
    _write(pem_of(found.certificate) + pem_of(services.est.chain[0]), out)


def _write(pem: str, out: Path | None) -> None:
    from pki.certificates import certificate_facts, load_certificate, split_certificates

    if out is None:
        typer.echo(pem, nl=False)
        return
    out.write_text(pem)
    facts = certificate_facts(load_certificate(split_certificates(pem.encode())[0]))
    names = facts["san"]
    listed = ", ".join(map(str, names)) if isinstance(names, tuple | list) and names else "no alternative names"
    typer.echo(f"{out}: serial {facts['serial']}, {facts['subject']}, {listed}")
    typer.echo(f"valid until {facts['not_after']:%Y-%m-%dT%H:%M:%SZ}; its CA stands behind it")
