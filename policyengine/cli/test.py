"""`policyengine test`: run the policy tests that stand beside the policies."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from policyengine.services.policy_tests import PolicyTestReport


class ReportOutput(Enum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


def test(
    directory: Annotated[Path, typer.Argument(help="The policy repository.", metavar="DIR")],
    output: Annotated[ReportOutput, typer.Option(help="Text, JSON, or JUnit XML.")] = ReportOutput.TABLE,
) -> None:
    """Run every policy test below DIR; exit 1 when an expectation does not hold or a rule stayed unseen."""
    from policyengine.cli.compiled import compilation_of
    from policyengine.cli.exits import Exit
    from policyengine.language.diagnostics import Level, as_text
    from policyengine.services.policy_tests import run_policy_tests

    compilation = compilation_of(directory)
    if compilation.bundle is None or compilation.digest is None:
        errors = [one for one in compilation.diagnostics if one.severity is Level.ERROR]
        typer.echo("\n".join(map(as_text, errors)), err=True)
        typer.echo(f"{directory} does not compile, so nothing was tested", err=True)
        raise typer.Exit(Exit.FINDINGS)
    report = run_policy_tests(compilation.bundle, compilation.digest, compilation.tests)
    typer.echo(_renderer(output)(report))
    raise typer.Exit(Exit.OK if report.passed else Exit.FINDINGS)


def _renderer(output: ReportOutput) -> Callable[[PolicyTestReport], str]:
    from policyengine.cli import policy_test_report

    match output:
        case ReportOutput.TABLE:
            return policy_test_report.as_table
        case ReportOutput.JSON:
            return policy_test_report.as_json
        case ReportOutput.JUNIT:
            return policy_test_report.as_junit
