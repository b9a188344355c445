"""`policyengine pki`: judge a certificate path, explain a file, found an authority."""

from __future__ import annotations

import json
import re
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli import pki_issue, pki_rotate, pki_status
from policyengine.cli.columns import amount
from policyengine.cli.options import Output, command_group, moment_at

if TYPE_CHECKING:
    from pki.chain import Check, PathReport
    from pki.explained import Explained
    from pki.path_rules import PathRules
    from policyengine.adapters.hsm import TokenPlace

MAX_FILE_BYTES = 64 * 1024 * 1024  # a CRL of a million entries
_ZONE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?")
_DER = b"\x30"  # a certificate is a SEQUENCE
_DOTTED = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,20})){1,30}")

app = command_group("Found the CA, issue, renew and revoke certificates, judge and explain them.")
app.add_typer(pki_issue.app)
app.add_typer(pki_status.app)
app.add_typer(pki_rotate.app, name="rotate")


class Purpose(Enum):
    """An extended key usage that every certificate of the path must allow."""

    CLIENT_AUTH = "client-auth"
    SERVER_AUTH = "server-auth"


class KeyKind(Enum):
    """What a ceremony's keys are."""

    P256 = "p256"
    P384 = "p384"
    ED25519 = "ed25519"


@app.command()
def verify(
    cert: Annotated[Path, typer.Argument(metavar="CERT", help="Certificate, PEM or DER; further ones are issuers.")],
    anchors: Annotated[list[Path], typer.Option(help="Trust anchors, PEM or DER. Repeatable.")],
    intermediates: Annotated[list[Path] | None, typer.Option(help="Issuers, PEM or DER. Repeatable.")] = None,
    crls: Annotated[
        list[Path] | None, typer.Option(help="CRLs, PEM or DER; then all of the path must be covered. Repeatable.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339 time to judge at; default now.")] = None,
    purpose: Annotated[Purpose | None, typer.Option(help="Extended key usage to ask for.")] = None,
    policy: Annotated[list[str] | None, typer.Option(metavar="OID", help="A policy to demand. Repeatable.")] = None,
    output: Annotated[Output, typer.Option(help="JSON or a table.")] = Output.JSON,
) -> None:
    """Judge one certificate path: exit 0 accepted, 1 refused, 2 usage."""
    from pki.certificates import split_certificates
    from pki.chain import examine_path, refused
    from pki.crl_lists import load_crls
    from pki.errors import PathError

    trusted = [each for file in anchors for each in _certificates(file)]
    between = [each for file in intermediates or () for each in _certificates(file)]
    moment = moment_at(at)
    content, lists = _read(cert), [_read(file) for file in crls or ()]
    try:
        leaf, *issuers = split_certificates(content)
        report = examine_path(
            leaf,
            intermediates=[*issuers, *between],
            anchors=trusted,
            at=moment,
            rules=_rules(purpose, policy),
            crls=[crl for data in lists for crl in load_crls(data)],
        )
    except PathError as error:
        report = refused(error)
    _print(report, output)
    if not report.accepted:
        raise typer.Exit(1)


def _certificates(file: Path) -> tuple[bytes, ...]:
    """Return what may be certificates of a file: whether each is one, the verdict says; a file of none is a mistake."""
    from pki.certificates import split_certificates
    from pki.errors import PathError

    try:
        found = split_certificates(_read(file))
    except PathError as cause:
        raise typer.BadParameter(f"`{file}` cannot be taken: {cause.message}") from cause
    if not any(each.startswith(_DER) for each in found):
        raise typer.BadParameter(f"`{file}` holds no certificate, neither PEM nor DER")
    return found


def _rules(purpose: Purpose | None, policies: list[str] | None) -> PathRules:
    from pki.path_rules import Leaf, PathRules
    from pki.profile import Use

    for policy in policies or ():
        if not _DOTTED.fullmatch(policy):
            raise typer.BadParameter(f"`{policy}` is no policy identifier, such as 2.5.29.32.0")
    wanted = frozenset(policies) if policies else None
    return PathRules(leaf=Leaf.ANY, purpose=Use(purpose.value).oid if purpose else None, policies=wanted)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as cause:
        raise typer.BadParameter(f"`{path}` cannot be read: {(cause.strerror or str(cause)).lower()}") from cause
    if len(content) > MAX_FILE_BYTES:
        raise typer.BadParameter(f"`{path}` is larger than {MAX_FILE_BYTES} bytes")
    return content


def _print(report: PathReport, output: Output) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(_document(report), indent=2))
        return
    for check in report.checks:
        typer.echo(_line(check))
    typer.echo("accepted" if report.accepted else "refused")


def _document(report: PathReport) -> dict[str, object]:
    from pki.certificates import certificate_facts

    chain = [{key: _plain(value) for key, value in certificate_facts(each).items()} for each in report.chain]
    checks = [
        {"id": check.id, "result": check.result, "clause": check.clause, "expected": check.expected, "seen": check.seen}
        for check in report.checks
    ]
    return {"accepted": report.accepted, "chain": chain, "checks": checks}


def _plain(value: object) -> object:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value


def _line(check: Check) -> str:
    seen = f": {check.seen}" if check.seen else ""
    return f"{check.result:4}  {check.id:28}  {check.clause:32}  {check.expected}{seen}"


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Anything of X.509, PEM or DER.")],
    output: Annotated[Output, typer.Option(help="JSON or a table.")] = Output.TABLE,
) -> None:
    """Explain a file: certificates, requests, CRLs, OCSP, PKCS#7, keys. Exit 1 if something in it is broken."""
    from pki.explain_files import UnknownFileError, explain_file
    from policyengine.adapters.clock import SystemClock

    try:
        found = explain_file(_read(file), now=SystemClock().now())
    except UnknownFileError as cause:
        raise typer.BadParameter(f"`{file}` cannot be explained: {cause.message}") from cause
    if output is Output.JSON:
        typer.echo(json.dumps([_explained(each) for each in found], indent=2))
    else:
        for each in found:
            _print_explained(each)
    if any(each.defects for each in found):
        raise typer.Exit(1)


def _explained(each: Explained) -> dict[str, object]:
    lines = [{"name": name, "meaning": meaning} for name, meaning in each.lines]
    said = {"defects": list(each.defects), "warnings": list(each.warnings)}
    return {"kind": each.kind, "heading": each.heading, "lines": lines, **said}


def _print_explained(each: Explained) -> None:
    typer.echo(each.heading)
    for name, meaning in each.lines:
        typer.echo(f"  {name:18} {meaning}")
    for defect in each.defects:
        typer.echo(f"  {'BROKEN':18} {defect}")
    for warning in each.warnings:
        typer.echo(f"  {'look at this':18} {warning}")


@app.command()
def trust(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A trust bundle, as /pki/trust-bundle gives it.")],
    anchors: Annotated[list[Path], typer.Option(help="Roots that are trusted already, PEM or DER. Repeatable.")],
    seen: Annotated[int, typer.Option(min=0, help="The highest version seen so far; an older one is refused.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where to write the CAs, PEM.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339 time to judge at; default now.")] = None,
) -> None:
    """Check a trust bundle against a root that is known, and write the CAs to trust from now on."""
    from pki.certificates import load_certificate, split_certificates
    from policyengine.adapters.trust_bundle import read_trust_bundle

    known = [load_certificate(each) for path in anchors for each in split_certificates(_read(path))]
    found = read_trust_bundle(_read(file), anchors=known, at=moment_at(at), seen=seen)
    if out is not None:
        out.write_text(found.pem)
    typer.echo(
        f"version {found.version} ({found.state}) since {found.not_before:%Y-%m-%dT%H:%M:%SZ}: "
        f"{amount(len(found.certificates), 'certificate')}, {amount(len(found.roots), 'root')} among them"
    )


def _token(module: Path | None, label: str | None, pin_file: Path | None) -> TokenPlace | None:
    from policyengine.adapters.hsm import TokenPlace

    if module is None and label is None and pin_file is None:
        return None
    if module is None or label is None or pin_file is None:
        raise typer.BadParameter("a token needs all of --hsm-module, --hsm-token and --hsm-pin-file")
    return TokenPlace(module=module.absolute(), token=label, pin_file=pin_file.absolute())


@app.command()
def init(  # noqa: PLR0913, PLR0917 - one command for one ceremony, whoever certifies the CA
    data: Annotated[Path, typer.Option(help="Data directory; keys go below it.")],
    domain: Annotated[list[str] | None, typer.Option(help="Domain of the devices' names. Repeatable.")] = None,
    fleet: Annotated[str, typer.Option(help="Name of the fleet, in every CA's subject.")] = "fleet",
    host: Annotated[list[str] | None, typer.Option(help="Name or address of the server. Repeatable.")] = None,
    passphrase_file: Annotated[Path | None, typer.Option(help="Passphrase of the keys; made if missing.")] = None,
    hsm_module: Annotated[Path | None, typer.Option(help="PKCS#11 module: the issuing key is made in a token.")] = None,
    hsm_token: Annotated[str | None, typer.Option(help="Label of the token.")] = None,
    hsm_pin_file: Annotated[Path | None, typer.Option(help="File with the user PIN, mode 0600.")] = None,
    csr_out: Annotated[Path | None, typer.Option(help="Ask a company's CA: write the request here.")] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="What the company's CA gave: the CA's certificate, its issuers, the root.")
    ] = None,
) -> None:
    """Found an authority: offline root (or a company's), issuing CA, keys for results and TLS."""
    from pki.hierarchy import demand_names
    from policyengine.adapters.authority import DIRECTORY, FleetNames, create_authority
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.company_root import request_authority
    from policyengine.adapters.entropy import SystemEntropy
    from policyengine.adapters.keyfile import read_or_create_passphrase

    draw = SystemEntropy().draw
    secret = passphrase_file or data / "keys" / "passphrase"
    if certificate is not None and (domain or csr_out):
        raise typer.BadParameter("--certificate completes what --csr-out began: give no other names")
    if certificate is None and not domain:
        raise typer.BadParameter("--domain is needed: the CA is bound to the domains of the devices")
    now, directory = SystemClock().now(), data / DIRECTORY
    if certificate is not None:
        _complete(directory, certificate, secret, now)
        return
    names = FleetNames(fleet=fleet, domains=tuple(domain or ()), hosts=tuple(host or ("localhost", "127.0.0.1", "::1")))
    demand_names(names.fleet, (*names.domains, *names.host_names), names.host_addresses)
    passphrase, token = read_or_create_passphrase(secret, entropy=draw), _token(hsm_module, hsm_token, hsm_pin_file)
    if csr_out is not None:
        made_request = request_authority(
            directory, passphrase=passphrase, names=names, now=now, entropy=draw, token=token
        )
        csr_out.write_text(made_request)
        typer.echo(f"request in {csr_out}; then: pki init --data {data} --certificate FILE")
        return
    create_authority(directory, passphrase=passphrase, names=names, now=now, entropy=draw, token=token)
    typer.echo(f"authority of `{fleet}` founded in {data / DIRECTORY}")
    typer.echo(f"move {data / DIRECTORY / 'root.key'} to a safe: `pki rotate prepare` alone asks for it again")
    typer.echo(f"keys open with the passphrase in {secret}")


def _complete(directory: Path, certificate: Path, secret: Path, now: datetime) -> None:
    """Complete the authority that a request to a company's CA began."""
    from pki.ca_request import is_bound
    from policyengine.adapters.company_root import accept_certificate, demand_request
    from policyengine.adapters.entropy import SystemEntropy
    from policyengine.adapters.keyfile import read_passphrase

    demand_request(directory)
    passphrase, draw = read_passphrase(secret), SystemEntropy().draw
    made = accept_certificate(directory, _read(certificate), passphrase=passphrase, now=now, entropy=draw)
    typer.echo(f"authority under the company's root founded in {directory}")
    if not is_bound(made):
        typer.echo("look at this: the certificate has no name constraints, so the CA could certify any name")


@app.command()
def ceremony(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where everything goes; an interrupted one is resumed.")],
    fleet: Annotated[str, typer.Option(help="Name of the fleet, in every CA's subject.")],
    issuing: Annotated[
        list[str], typer.Option(metavar="NAME=DOMAIN[,DOMAIN]", help="An issuing CA and its domains. Repeatable.")
    ],
    passphrase_file: Annotated[Path, typer.Option(help="Passphrase of the keys, mode 0600.")],
    key: Annotated[KeyKind, typer.Option(help="Kind of all keys.")] = KeyKind.P384,
) -> None:
    """Hold a key ceremony offline: root, issuing CAs, their OCSP signers, the root's list, a transcript."""
    from pki.keys import KeyType
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.entropy import SystemEntropy
    from policyengine.adapters.keyfile import read_passphrase
    from policyengine.adapters.offline_ceremony import CeremonyPlan, OfflineCeremony

    plan = CeremonyPlan(fleet=fleet, issuing=tuple(map(_zone, issuing)), key=KeyType(key.value))
    held = OfflineCeremony(
        out,
        plan,
        passphrase=read_passphrase(passphrase_file),
        now=SystemClock().now(),
        entropy=SystemEntropy().draw,
    )
    for file, state in held.run():
        typer.echo(f"{state:9}  {file}")
    typer.echo(f"transcript in {out / 'transcript.jsonl'}; move {out / 'root' / 'root.key'} to a safe")


def _zone(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, domains = text.partition("=")
    if not _ZONE.fullmatch(name) or name == "root" or not domains:
        raise typer.BadParameter(f"`{text}` is no issuing CA: say NAME=DOMAIN, the name in letters, digits and hyphens")
    return name, tuple(domain.strip() for domain in domains.split(","))
