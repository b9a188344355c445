"""`policyengine evaluate`: the decision on one device, from a policy repository and a facts file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policyengine.cli.compiled import PoliciesInvalidError
from policyengine.cli.options import Output, moment_at
from policyengine.errors import PolicyEngineError
from policyengine.model.policy import Phase

if TYPE_CHECKING:
    from policyengine.language.compiler import Compilation
    from policyengine.model.decision import Prior
    from policyengine.model.facts import Facts
    from policyengine.model.policy import Bundle


def evaluate(
    policies: Annotated[Path, typer.Option(help="The policy repository.", metavar="DIR")],
    facts: Annotated[Path, typer.Option(help="What is known of the device (JSON).", metavar="FILE")],
    now: Annotated[
        str | None, typer.Option(help="Judge at this time (RFC 3339) instead of now.", metavar="TIME")
    ] = None,
    phase: Annotated[Phase, typer.Option(help="Judge an enrolment or an enrolled device.")] = Phase.OPERATE,
    prior: Annotated[
        Path | None, typer.Option(help="The previous decision on this device (JSON).", metavar="FILE")
    ] = None,
    output: Annotated[Output, typer.Option(help="The whole Decision, or a table of its findings.")] = Output.JSON,
) -> None:
    """Print the Decision on one device, as JSON unless said; refused input is a problem document on stderr and exit 2.

    Rules that do not apply are listed too, as `skip`.
    """
    from policyengine.cli.exits import exit_code, problem_document

    try:
        document = _evaluated(policies, facts, now, phase, prior)
    except (PolicyEngineError, OSError) as error:
        typer.echo(json.dumps(problem_document(error)), err=True)
        raise typer.Exit(exit_code(error)) from error
    if output is Output.JSON:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print_findings(document)


def _print_findings(document: Mapping[str, Any]) -> None:
    from policyengine.cli.rows import print_rows

    print_rows(document["findings"], ("rule", "binding", "result", "mode", "action", "reason"), Output.TABLE)
    decided = "" if document["tier"] == document["decided_tier"] else f" (decided {document['decided_tier']})"
    typer.echo(f"\n{document['device_id']}: {document['tier']}{decided} until {document['valid_until']}")


def _evaluated(policies: Path, facts: Path, now: str | None, phase: Phase, prior: Path | None) -> Mapping[str, Any]:
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.git import commit_of
    from policyengine.adapters.tree import read_tree
    from policyengine.decision.documents import decision_document
    from policyengine.decision.program import compile_program
    from policyengine.model.decision import UNSEEN

    clock = SystemClock().now()
    moment = clock if now is None else moment_at(now)
    files = read_tree(policies)
    compilation = _compiled(files, (moment, clock))
    if compilation.bundle is None or compilation.digest is None:
        raise _refusal(policies, compilation)
    device = _facts(facts, compilation.bundle)
    program = compile_program(compilation.bundle, compilation.digest)
    decision = program.decide(device, prior=_prior(prior, device), now=moment, phase=phase)
    skipped = program.skipped(device, now=moment, phase=phase)
    told = [*zip(decision.findings, decision.sights, strict=True), *((found, UNSEEN) for found in skipped)]
    told.sort(key=lambda pair: (pair[0].rule, pair[0].binding or ""))
    whole = replace(decision, findings=tuple(found for found, _ in told), sights=tuple(sight for _, sight in told))
    return decision_document(whole, commit=commit_of(policies, files))


def _compiled(files: Mapping[str, bytes], moments: tuple[datetime, ...]) -> Compilation:
    """Return the compilation at the first of `moments` at which the files compile, else the first without bad waivers.

    A bundle outlives the waivers in it: what a server made active before they ended is judged the same here.
    """
    from policyengine.attestation.corim.states import read_endorsed
    from policyengine.language.bundle import encode
    from policyengine.language.compiler import compile_tree
    from policyengine.model.ids import digest_of

    first = compilation = compile_tree(files, now=moments[0], corims=read_endorsed)
    for moment in moments[1:]:
        if compilation.bundle is None:
            compilation = compile_tree(files, now=moment, corims=read_endorsed)
    if compilation.bundle is not None or first.judging is None:
        return compilation
    return replace(first, bundle=first.judging, digest=digest_of(encode(first.judging)))


def _refusal(policies: Path, compilation: Compilation) -> PoliciesInvalidError:
    from policyengine.language.diagnostics import as_text, errors

    found = errors(compilation.diagnostics)
    message = f"`{policies}` does not compile; run `policyengine check {policies}`"
    return PoliciesInvalidError(message, errors=len(found), first=as_text(found[0]) if found else None)


def _facts(path: Path, bundle: Bundle) -> Facts:
    from policyengine.decision.ingest import read_facts
    from policyengine.model.schema import CORE_SCHEMA

    return read_facts(_json(path), schema=CORE_SCHEMA.with_org(bundle.org_facts))


def _prior(path: Path | None, device: Facts) -> Prior | None:
    """Return what the previous decision carries over; raises PriorError also when it is about another device."""
    from policyengine.decision.prior import PriorError, read_prior_from_decision

    if path is None:
        return None
    document = _json(path)
    prior = read_prior_from_decision(document)
    about = document.get("device_id") if isinstance(document, dict) else None
    if about is not None and about != device.device_id:
        raise PriorError(f"the previous decision is not about `{device.device_id}`")
    return prior


def _json(path: Path) -> object:
    """Return the JSON document in the file at `path`, of which no more is read than one may have."""
    from policyengine.model.strict_json import MAX_BYTES, read_json

    with path.open("rb") as file:
        return read_json(file.read(MAX_BYTES + 1))
