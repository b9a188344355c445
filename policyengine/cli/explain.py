"""`policyengine explain`: a rule in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Output

if TYPE_CHECKING:
    from policyengine.services.authoring.check_explanation import CheckExplanation
    from policyengine.services.authoring.rule_explanation import Application, RuleExplanation


def explain(
    rule: Annotated[
        str,
        typer.Argument(
            help="owner/policy#rule, or its end if only one rule has it; or a diagnostic code, a check of "
            "evidence, the code of a refusal, a finding or an error, such as cel.type, psa.nonce or fact.absent.",
            metavar="RULE|CODE|CHECK",
        ),
    ],
    policies: Annotated[Path, typer.Option(help="The policy repository.", metavar="DIR")] = Path("policies"),
    output: Annotated[Output, typer.Option(help="Text or JSON.")] = Output.TABLE,
) -> None:
    """Say in words what a rule asks for, when it passes, fails and cannot say; or what a code or a check means."""
    if _is_code(rule):
        typer.echo(_code(rule, output))
        return
    from policyengine.cli.compiled import compiled_bundle
    from policyengine.services.authoring.rule_explanation import explain_rule

    bundle, _ = compiled_bundle(policies)
    explanation = explain_rule(bundle, rule)
    if output is Output.JSON:
        typer.echo(json.dumps(asdict(explanation), indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(_lines(explanation)))


def _is_code(name: str) -> bool:
    """Return whether `name` can only be the code of a diagnostic: no rule's name has a dot."""
    return "." in name and "#" not in name and "/" not in name


def _code(code: str, output: Output) -> str:
    from policyengine.adapters.evidence_plugins import installed_formats
    from policyengine.adapters.explanations import explanation_of
    from policyengine.attestation.verifier import READABLE
    from policyengine.language.codes import MEANINGS
    from policyengine.services.authoring.check_explanation import explain_code, explained_codes

    registry = READABLE.extended(installed_formats())
    check = None if code in MEANINGS else explain_code(code, registry)
    if check is not None:
        return json.dumps(asdict(check), indent=2) if output is Output.JSON else "\n".join(_check(check))
    text = explanation_of(code, others=explained_codes(registry))
    if output is Output.TABLE:
        return f"{code}\n\n{text}"
    return json.dumps({"code": code, "meaning": MEANINGS[code], "explanation": text}, indent=2, ensure_ascii=False)


def _check(found: CheckExplanation) -> Iterator[str]:
    yield found.check if found.clause is None else f"{found.check}  ({found.clause})"
    yield ""
    if found.passes_when is not None:
        yield from _block("asks for", [found.passes_when])
    if found.meaning is not None:
        yield from _block("means", [found.meaning])
    if found.documentation is not None:
        yield from _block("read on at", [found.documentation])


def _lines(explanation: RuleExplanation) -> Iterator[str]:
    yield f"{explanation.rule}  ({explanation.place})"
    yield explanation.title
    yield ""
    yield from _block("requires", [explanation.require])
    yield from _block("of", [explanation.applies_to])
    yield from _block("when", [", ".join(explanation.phases)])
    yield from _block("reads", [f"{fact.path} ({fact.type}): {fact.meaning}" for fact in explanation.reads])
    yield from _block("passes if", [explanation.passes_when])
    yield from _block("fails if", [explanation.fails_when])
    yield from _block("unknown if", explanation.unknown_when)
    yield from _block("then it", [explanation.on_unknown])
    yield from _block("acts by", _applications(explanation))
    yield from _block("says", [explanation.message])
    yield from _block("remedy", [explanation.remediation])
    yield from _block("owner", [f"{explanation.owner}, severity {explanation.severity}"])
    yield from _block("waivers", [explanation.waivers])
    yield from _block("controls", [f"{name}  {title}" for name, title in explanation.controls.items()])


def _block(label: str, texts: Iterable[str]) -> Iterator[str]:
    for position, text in enumerate(texts):
        yield f"  {'' if position else label:<12}{text}"


def _applications(explanation: RuleExplanation) -> list[str]:
    return [_application(one) for one in explanation.applications] or ["no binding: it is only recorded"]


def _application(application: Application) -> str:
    params = "".join(f", {name} = {value}" for name, value in application.params.items())
    return f"{application.binding}: {application.mode} {application.action}, {application.where}{params}"
