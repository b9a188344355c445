"""`policyengine evidence`: judge one piece of evidence, explain it, or run an index of test vectors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policyengine.cli.options import Output, command_group, moment_at
from policyengine.errors import PolicyEngineError, quoted

if TYPE_CHECKING:
    from policyengine.attestation.anchors import TrustAnchors
    from policyengine.attestation.vectors.index import CaseResult
    from policyengine.model.endorsements import ReferenceValues

MAX_FILE_BYTES = 16 * 1024 * 1024  # an index of ten thousand vectors; evidence itself is bounded far below

_CBOR_TAGS = (b"\xd2", b"\xd9\x01\xf5")  # COSE_Sign1, and an unsigned CoRIM
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")

app = command_group("Verify and inspect attestation evidence.")


class EvidenceArgumentError(PolicyEngineError):
    """An argument or an input file of these commands that cannot be used."""

    code = "usage.argument"


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The evidence, as it came over the wire.")],
    media_type: Annotated[str, typer.Option(help="What the evidence is; formats are never guessed.")],
    nonce: Annotated[str, typer.Option(metavar="HEX", help="The challenge that the evidence must be over.")],
    anchors: Annotated[
        list[Path] | None, typer.Option(help="Public keys and CA certificates, PEM or DER. Repeatable.")
    ] = None,
    secret: Annotated[
        list[Path] | None, typer.Option(help="Secrets shared with the device, raw bytes, for MACs. Repeatable.")
    ] = None,
    endorsements: Annotated[
        list[Path] | None, typer.Option(help="ReferenceValues documents, JSON or YAML, not CoRIMs. Repeatable.")
    ] = None,
    now: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339 time to judge at; default now.")] = None,
    output: Annotated[Output, typer.Option(help="JSON or a table.")] = Output.JSON,
) -> None:
    """Judge one piece of evidence: exit 0 accepted, 1 refused, 2 usage."""
    from policyengine.adapters.evidence_plugins import installed_formats
    from policyengine.attestation.documents import malformed_document, verdict_document
    from policyengine.attestation.errors import MalformedEvidenceError
    from policyengine.attestation.verifier import READABLE
    from policyengine.attestation.verifier import verify as appraise

    challenge, moment = _nonce(nonce), moment_at(now)
    trusted, references = _anchors(anchors or [], secret or []), _references(endorsements)
    try:
        document = verdict_document(
            appraise(
                _read(file),
                media_type=media_type,
                nonce=challenge,
                anchors=trusted,
                endorsements=references,
                now=moment,
                registry=READABLE.extended(installed_formats()),
            )
        )
    except MalformedEvidenceError as error:
        document = malformed_document(error, media_type)
    _print_verdict(document, output)
    if not document["accepted"]:
        raise typer.Exit(1)


def _print_verdict(document: Mapping[str, Any], output: Output) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(document, indent=2))
        return
    from policyengine.cli.columns import columns

    rows = [[check[key] for key in ("result", "id", "clause", "expected", "seen")] for check in document["checks"]]
    typer.echo(columns(("RESULT", "CHECK", "CLAUSE", "EXPECTED", "SEEN"), rows))
    for check in document["checks"]:
        if check["result"] == "fail":
            typer.echo(f"{check['id']}: expected {check['expected']}; seen {check['seen']}")
            if "documentation" in check:  # a check of another package has no page here, and `explain` does not know it
                typer.echo(f"  see `policyengine explain {check['id']}`, {check['documentation']}")
    typer.echo("accepted" if document["accepted"] else "refused")


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The evidence, as it came over the wire.")],
    media_type: Annotated[
        str | None, typer.Option(help="What the evidence is; without it, what it looks like.")
    ] = None,
    output: Annotated[Output, typer.Option(help="JSON or a table.")] = Output.TABLE,
) -> None:
    """Show what evidence, or a structure of it, says, with the clause of every part; nothing of it is verified."""
    from policyengine.adapters.evidence_plugins import installed_formats
    from policyengine.attestation.inspection.evidence import seen_in, told
    from policyengine.attestation.verifier import READABLE
    from policyengine.cli.columns import columns

    content, registry, now = _read(file), READABLE.extended(installed_formats()), moment_at(None)
    if media_type is None:
        found = seen_in(content, registry=registry, now=now)
    else:
        found = told(content, media_type, registry=registry, now=now)
    if output is Output.JSON:
        parts = [{"part": part, "clause": clause, "value": value} for part, clause, value in found.rows]
        typer.echo(json.dumps({"read_as": found.read_as, "known_by": found.known_by, "parts": parts}, indent=2))
        return
    typer.echo(columns(("PART", "CLAUSE", "VALUE"), found.rows))
    typer.echo(f"read as {found.read_as}, by {found.known_by}")
    typer.echo("nothing of this is verified; `policyengine evidence verify` does that")


@app.command()
def vectors(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with an index.json.")],
    format_: Annotated[list[str] | None, typer.Option("--format", help="Only this format. Repeatable.")] = None,
    output: Annotated[Output, typer.Option(help="JSON or a table.")] = Output.TABLE,
) -> None:
    """Run test vectors: exit 0 all as expected, 1 some not, 2 usage. What cannot be judged is listed as skipped."""
    results = [_case(directory, case) for case in _selected(_index(directory), format_ or ())]
    failed = sum(result.problem is not None for result in results)
    if output is Output.JSON:
        typer.echo(json.dumps({"cases": [_case_document(result) for result in results]}, indent=2))
    else:
        _print_cases(results, failed)
    if failed:
        raise typer.Exit(1)


def _selected(cases: Sequence[dict[str, Any]], formats: Sequence[str]) -> Sequence[dict[str, Any]]:
    """Return the cases of `formats`, of all if there are none; a run of no case is refused, or a slip would pass."""
    known = {str(case.get("format")) for case in cases}
    for missing in (each for each in formats if each not in known):
        raise EvidenceArgumentError(f"no case is of format {quoted(missing)}; there are {', '.join(sorted(known))}")
    if not cases:
        raise EvidenceArgumentError("the index has no cases")
    return [case for case in cases if not formats or case.get("format") in formats]


def _index(directory: Path) -> list[dict[str, Any]]:
    cases = _json(directory / "index.json")
    if not isinstance(cases, list) or not all(isinstance(case, dict) and "id" in case for case in cases):
        raise EvidenceArgumentError(f"`{directory / 'index.json'}` is not a list of cases with an `id`")
    return cases


def _case(directory: Path, case: Mapping[str, Any]) -> CaseResult:
    from policyengine.attestation.anchors import TrustAnchors
    from policyengine.attestation.vectors.index import CaseResult, anchors_of, run, skipped

    reason = skipped(case)
    if reason:
        return CaseResult(id=str(case["id"]), accepted=None, failed=(), facts={}, skipped=reason)
    files = {name: _read(_inside(directory, f"{case['id']}/{name}")) for name in case["files"]}
    key = case.get("key")
    anchors = anchors_of(key, _read(_inside(directory, key))) if isinstance(key, str) else TrustAnchors()
    try:
        return run(case, files, anchors)
    except (ValueError, TypeError, AttributeError, KeyError) as cause:
        raise EvidenceArgumentError(f"case `{case['id']}` of the index is not well formed") from cause


def _inside(directory: Path, name: str) -> Path:
    path = (directory / name).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise EvidenceArgumentError(f"`{name}` is outside `{directory}`")
    return path


def _case_document(result: CaseResult) -> dict[str, object]:
    from policyengine.attestation.documents import plain

    document = {
        "id": result.id,
        "accepted": result.accepted,
        "failed": list(result.failed),
        "facts": plain(result.facts),
    }
    return document | ({"skipped": result.skipped} if result.skipped else {})


def _print_cases(results: Sequence[CaseResult], failed: int) -> None:
    for result in results:
        if result.skipped:
            typer.echo(f"skipped  {result.id}: {result.skipped}")
    for result in results:
        if result.problem:
            typer.echo(f"failed   {result.id}: {result.problem} ({', '.join(result.failed) or 'no check failed'})")
    skipped = sum(result.skipped is not None for result in results)
    if skipped:
        typer.echo(f"{skipped} skipped")
    typer.echo(f"{len(results) - skipped - failed} passed, {failed} failed")


def _anchors(files: Sequence[Path], secrets: Sequence[Path]) -> TrustAnchors:
    from policyengine.attestation.anchor_files import load_anchors
    from policyengine.attestation.anchors import SharedKey
    from policyengine.attestation.errors import TrustAnchorError

    contents = [_read(file) for file in files]
    for file, content in zip(files, contents, strict=True):
        try:
            load_anchors([content])
        except TrustAnchorError as cause:
            raise EvidenceArgumentError(f"`{file}`: {cause.message}") from cause
    return replace(load_anchors(contents), secrets=tuple(SharedKey(secret=_read(file)) for file in secrets))


def _references(files: Sequence[Path] | None) -> ReferenceValues | None:
    if not files:
        return None
    from policyengine.model.endorsements import merged

    return merged([_values(file, document) for file in files for document in _documents(file)])


def _values(file: Path, document: object) -> ReferenceValues:
    from policyengine.attestation.reference_documents import ReferenceValuesError, reference_values

    try:
        return reference_values(document)
    except ReferenceValuesError as cause:
        raise EvidenceArgumentError(f"`{file}`: {cause.message}") from cause


def _documents(file: Path) -> Iterator[object]:
    """Yield the JSON or YAML documents of `file`; raises EvidenceArgumentError with the first place that is wrong."""
    content = _read(file)
    if content.lstrip().startswith(b"{"):
        yield _json(file)
        return
    if content.startswith(_CBOR_TAGS):
        raise EvidenceArgumentError(f"`{file}` is CBOR; a signed CoRIM becomes a release by `refvals add --corim`")
    from policyengine.language.nodes import plain
    from policyengine.language.reader import read

    found = read(str(file), content)
    for diagnostic in found.diagnostics:
        raise EvidenceArgumentError(f"`{file}`, line {diagnostic.line}: {diagnostic.message}")
    yield from (plain(document.root) for document in found.documents)


def _json(file: Path) -> Any:
    from policyengine.model.strict_json import InvalidJsonError, read_json

    try:
        return read_json(_read(file), max_bytes=MAX_FILE_BYTES)
    except InvalidJsonError as cause:
        raise EvidenceArgumentError(f"`{file}`: {cause.message}") from cause


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise EvidenceArgumentError(f"`{path}` is larger than {MAX_FILE_BYTES} bytes")
    return content


def _nonce(text: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise EvidenceArgumentError(f"nonce {quoted(text)} is not hexadecimal with two digits a byte")
    return bytes.fromhex(text)
