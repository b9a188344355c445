"""`policyengine doctor`: what is wrong with an installation, and what to do about it; changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.exits import Exit
from policyengine.cli.options import Data, Output, settings_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policyengine.services.findings import Finding


def doctor(
    data: Data = None,
    output: Annotated[Output, typer.Option(help="How to print.")] = Output.TABLE,
) -> None:
    """Find what is wrong and say what to do: keys, certificates, clock, disk, settings, every stored row's digest.

    Reads the whole log and a sample of decisions, beside a running server as well. Exit code 1 when there is an error.
    """
    from policyengine.cli.doctor_checks import examined
    from policyengine.wiring import demand_installation

    settings = settings_at(data)
    demand_installation(settings)
    findings = examined(settings)
    if output is Output.JSON:
        typer.echo(json.dumps(_document(findings)))
    else:
        _print(findings)
    if _errors(findings):
        raise typer.Exit(Exit.FINDINGS)


def _document(findings: Sequence[Finding]) -> dict[str, object]:
    from dataclasses import asdict

    return {"healthy": not _errors(findings), "findings": [asdict(finding) for finding in findings]}


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        typer.echo(f"{finding.severity}[{finding.code}]: {finding.message}")
        typer.echo(f"  do: {finding.advice}")
    errors = _errors(findings)
    typer.echo(f"errors: {errors}, warnings: {len(findings) - errors}")


def _errors(findings: Sequence[Finding]) -> int:
    return sum(finding.severity == "error" for finding in findings)
