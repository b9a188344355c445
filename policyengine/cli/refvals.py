"""`policyengine refvals`: what devices are compared with: releases to add, list, retire and capture; what none knows.

Only files are changed. They count when they are merged, signed off by their owner and engineering, and in force.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policyengine.cli.options import Data, Output, command_group, moment_at
from policyengine.cli.refvals_keys import list_keys
from policyengine.cli.rows import print_rows
from policyengine.errors import PolicyEngineError, quoted

if TYPE_CHECKING:
    from policyengine.model.diagnostic import Diagnostic

MAX_CORIM_BYTES = 64 * 1024  # as much as the door for CBOR lets through

_DIGEST = re.compile(r"(?P<name>[^=]{1,128})=(?P<sha256>[0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}", re.ASCII)  # it names a file or folder

app = command_group("Add, list, retire and capture reference values.")
app.command("keys")(list_keys)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The policy repository.")]
PartyName = Annotated[str, typer.Option(help="The party that vouches for it.")]
ModelName = Annotated[str, typer.Option(help="The model of fleet.yaml.")]
Version = Annotated[str, typer.Option("--release", metavar="VERSION", help="The release's version.")]
Svn = Annotated[int | None, typer.Option(min=0, help="Its security version number.")]


class Signing(Enum):
    """What listed keys sign, as a ReferenceValues document has it."""

    EVIDENCE = "evidence"
    QUOTES = "quotes"


class ReleaseArgumentError(PolicyEngineError):
    """An argument of these commands that cannot be used."""

    code = "usage.argument"


@app.command("list")
def list_releases(
    directory: Directory,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    output: Annotated[Output, typer.Option(help="A table or JSON.")] = Output.TABLE,
) -> None:
    """Show the releases of a policy repository, who vouches for them, and until when."""
    from policyengine.cli.compiled import compiled_bundle, demand_model

    bundle, _ = compiled_bundle(directory)
    demand_model(bundle, model)
    rows = [
        _row(name, release)
        for values in bundle.reference_values
        for name in values.models
        if model in {None, name}
        for release in values.releases
    ]
    print_rows(rows, ("model", "version", "svn", "components", "signer", "corim_id", "until"), output)


def _row(model: str, release: Any) -> dict[str, object]:
    from policyengine.model.times import format_timestamp

    endorser = release.endorser
    ends = [each for each in (release.until, endorser.valid_until if endorser else None) if each is not None]
    return {
        "model": model,
        "version": release.version,
        "svn": release.svn,
        "components": len(release.components),
        "signer": endorser.party if endorser else None,
        "corim_id": endorser.corim_id if endorser else None,
        "until": format_timestamp(min(ends)) if ends else None,
    }


@app.command()
def add(
    directory: Directory,
    party: PartyName,
    model: ModelName,
    release: Version,
    digest: Annotated[list[str] | None, typer.Option(metavar="NAME=SHA256", help="A component. Repeatable.")] = None,
    corim: Annotated[Path | None, typer.Option(help="A signed CoRIM.")] = None,
    svn: Svn = None,
) -> None:
    """Write a release into the repository once it compiles there, its CoRIM verified: exit 1 when it does not."""
    if bool(digest) == (corim is not None):
        raise ReleaseArgumentError("give either --digest or --corim")
    content = None if corim is None else _read(corim)
    _propose(
        directory, party, model, release, components=[_part(each) for each in digest or ()], corim=content, svn=svn
    )


@app.command("add-keys")
def add_keys(
    directory: Directory,
    party: PartyName,
    model: ModelName,
    batch: Annotated[str, typer.Option(metavar="NAME", help="What to call this list of keys.")],
    corim: Annotated[Path, typer.Option(help="A signed CoRIM with the keys.")],
    signs: Annotated[Signing, typer.Option(help="`quotes` if they are attestation keys of TPMs.")] = Signing.EVIDENCE,
) -> None:
    """Write a signed list of device keys into the repository once it compiles there: exit 1 when it does not."""
    from policyengine.language.release_text import keys_document

    _demand_names(party, model, batch)
    name, folder = f"{model}-{batch}", f"reference-values/{party}"
    if (directory / folder / f"{name}.yaml").exists():
        raise ReleaseArgumentError(f"`{folder}/{name}.yaml` is there; give the list another name")
    document = keys_document(
        name=_document_name(name), owner=party, models=[model], corim=f"{name}.corim", signs=signs.value
    )
    _write(directory, {f"{folder}/{name}.yaml": document, f"{folder}/{name}.corim": _read(corim)}, party)


def _demand_names(*parts: str) -> None:
    for part in (each for each in parts if not _NAME.fullmatch(each)):
        raise ReleaseArgumentError(f"{quoted(part)} cannot be the name of a file or folder")


def _part(argument: str) -> tuple[str, str]:
    found = _DIGEST.fullmatch(argument)
    if found is None:
        raise ReleaseArgumentError(f"{quoted(argument)} is not NAME=SHA256 with 64 lowercase hex digits")
    return found["name"], found["sha256"]


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_CORIM_BYTES + 1)
    if len(content) > MAX_CORIM_BYTES:
        raise ReleaseArgumentError(f"`{path}` is larger than {MAX_CORIM_BYTES} bytes")
    return content


def _propose(
    directory: Path,
    party: str,
    model: str,
    release: str,
    *,
    components: Sequence[tuple[str, str]],
    corim: bytes | None,
    svn: int | None,
) -> None:
    from policyengine.language.release_text import release_document

    _demand_names(party, model, release)
    _demand_new(directory, model, release)
    name = f"{model}-{release}"
    folder = f"reference-values/{party}"
    document = release_document(
        name=_document_name(name),
        owner=party,
        models=[model],
        version=release,
        svn=svn,
        components=components,
        corim=None if corim is None else f"{name}.corim",
    )
    files = {f"{folder}/{name}.yaml": document}
    _write(directory, files if corim is None else {**files, f"{folder}/{name}.corim": corim}, party)


def _demand_new(directory: Path, model: str, release: str) -> None:
    """Refuse a release that is there: written again it would lose its end, or be two that disagree."""
    from policyengine.adapters.tree import read_tree
    from policyengine.language.release_text import holding

    for path in holding(read_tree(directory), model=model, version=release):
        raise ReleaseArgumentError(f"`{path}` has release {quoted(release)} of model {quoted(model)}; change it there")


def _document_name(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")


def _write(directory: Path, files: Mapping[str, bytes], party: str) -> None:
    """Write `files` below `directory` if it compiles with them; else print why not and exit 1, nothing written."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.tree import read_tree
    from policyengine.attestation.corim.states import read_endorsed
    from policyengine.cli.exits import Exit
    from policyengine.language.compiler import compile_tree
    from policyengine.language.diagnostics import as_text

    before = read_tree(directory)
    found = compile_tree({**before, **files}, now=SystemClock().now(), corims=read_endorsed)
    wrong: list[Diagnostic] = [one for one in found.diagnostics if one.severity.value == "error"]
    if wrong:
        typer.echo("\n".join(map(as_text, wrong)), err=True)
        raise typer.Exit(Exit.FINDINGS)
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        typer.echo(f"wrote {target}")
    signers = "engineering has" if party == "engineering" else f"`{party}` and engineering have"
    typer.echo(f"it counts once {signers} signed it off and the bundle is in force")


@app.command()
def retire(
    directory: Directory,
    model: ModelName,
    release: Version,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339 time it ends at; default now.")] = None,
) -> None:
    """Set the end of a release: from then on what it measures is `revoked`."""
    from policyengine.adapters.tree import read_tree
    from policyengine.language.release_text import with_end

    changed = with_end(read_tree(directory), model=model, version=release, until=moment_at(until))
    if not changed:
        raise ReleaseArgumentError(f"no document has release {quoted(release)} of model {quoted(model)}")
    _write(directory, changed, next(iter(changed)).split("/")[1])


@app.command()
def capture(
    directory: Directory,
    source: Annotated[str, typer.Option("--from", help="What `evidence verify` printed, or the id of a device.")],
    party: PartyName,
    model: ModelName,
    release: Version,
    svn: Svn = None,
    data: Data = None,
) -> None:
    """Write what a golden device measured as a release, for engineering to countersign."""
    path = Path(source)
    document = _json(path) if path.is_file() else _facts_of(source, data)
    _demand_model(document, model)
    _propose(directory, party, model, release, components=_measured(document), corim=None, svn=svn)


def _json(path: Path) -> Any:
    from policyengine.model.strict_json import InvalidJsonError, read_json

    limit = 16 * MAX_CORIM_BYTES
    with path.open("rb") as file:
        content = file.read(limit + 1)
    try:
        return read_json(content, max_bytes=limit)
    except InvalidJsonError as cause:
        raise ReleaseArgumentError(f"`{path}` is not what `evidence verify` printed: {cause.message}") from cause


def _facts_of(device: str, data: Path | None) -> Any:
    from policyengine.cli.device import services_at
    from policyengine.model.ids import InvalidNameError, device_id
    from policyengine.services.errors import MissingError
    from policyengine.wiring import NoInstallationError

    try:
        with services_at(data) as (services, actor):
            found = services.devices.facts(actor, device_id(device))
    except (InvalidNameError, MissingError, NoInstallationError) as cause:
        raise ReleaseArgumentError(f"{quoted(device)} is no file; as the id of a device: {cause.message}") from cause
    origins = found.get("provenance")
    software = origins.get("software") if isinstance(origins, Mapping) else None
    if not isinstance(software, Mapping) or software.get("source") != "attested":
        raise ReleaseArgumentError(f"nothing attests the software of `{device}`")
    return found


def _demand_model(document: Any, model: str) -> None:
    """Raise ReleaseArgumentError for the facts of a device of another model: what it runs is no release of this one."""
    facts = document.get("facts") if isinstance(document, Mapping) else None
    device = facts.get("device") if isinstance(facts, Mapping) else None
    stated = device.get("model") if isinstance(device, Mapping) else None
    if isinstance(stated, str) and stated != model:
        raise ReleaseArgumentError(
            f"the device is a {quoted(stated)}, so what it runs is no release of {quoted(model)}"
        )


def _measured(document: Any) -> list[tuple[str, str]]:
    """Return names and SHA-256 of all software; what has none, or is not believed, is no reference."""
    if not isinstance(document, Mapping) or document.get("accepted") is False:
        raise ReleaseArgumentError("the evidence was refused, so nothing it says is a reference")
    facts = document.get("facts")
    software = facts.get("software") if isinstance(facts, Mapping) else None
    rows = [row for row in software if isinstance(row, Mapping)] if isinstance(software, list) else []
    parts = [(str(row.get("name")), str(row.get("digest"))) for row in rows]
    if not parts or any(_DIGEST.fullmatch(f"{name}={digest}") is None for name, digest in parts):
        raise ReleaseArgumentError("the evidence has no software, or some of it without a name and a SHA-256")
    return parts


@app.command()
def unmatched(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")],
    output: Annotated[Output, typer.Option(help="A table or JSON.")] = Output.TABLE,
    data: Data = None,
) -> None:
    """Show what devices of a model measured and no release knows, the latest seen first."""
    from policyengine.cli.device import services_at
    from policyengine.model.times import format_timestamp

    with services_at(data) as (services, actor):
        found = services.releases.unmatched(actor, model)
    rows = [
        {
            "component": each.measured.component,
            "digest": each.measured.digest,
            "devices": each.devices,
            "example": each.example,
            "first_seen": format_timestamp(each.first_seen),
            "last_seen": format_timestamp(each.last_seen),
        }
        for each in found
    ]
    print_rows(rows, ("component", "devices", "example", "first_seen", "last_seen", "digest"), output)
