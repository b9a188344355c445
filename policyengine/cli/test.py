"""`policyengine test`: run the policy tests that stand beside the policies."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policyengine.language.compiler import Compilation
    from policyengine.services.policy_coverage import PolicyCoverage
    from policyengine.services.policy_tests import PolicyTestReport


class ReportOutput(Enum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


def test(
    directory: Annotated[Path, typer.Argument(help="The policy repository.", metavar="DIR")],
    output: Annotated[ReportOutput, typer.Option(help="Text, JSON, or JUnit XML.")] = ReportOutput.TABLE,
    min_coverage: Annotated[
        float | None,
        typer.Option(help="Exit 1 when less than this was seen of all rules.", metavar="PCT", min=0, max=100),
    ] = None,
) -> None:
    """Run every policy test below DIR; exit 1 when an expectation does not hold or a rule stayed unseen."""
    from policyengine.cli.compiled import compiled_files
    from policyengine.cli.exits import Exit
    from policyengine.language.condition_places import ConditionPlaces
    from policyengine.services.policy_coverage import coverage_of, percent
    from policyengine.services.policy_tests import run_policy_tests

    files, compilation = compiled_files(directory)
    if compilation.bundle is None or compilation.digest is None:
        _refuse(directory, compilation)
        raise typer.Exit(Exit.FINDINGS)
    report = run_policy_tests(compilation.bundle, compilation.digest, compilation.tests)
    coverage = coverage_of(compilation.bundle, compilation.digest, compilation.tests, ConditionPlaces(files))
    typer.echo(_rendered(output, report, coverage))
    is_enough = min_coverage is None or percent(coverage) >= min_coverage
    if not is_enough:
        typer.echo(f"coverage is {percent(coverage)} %, less than the {min_coverage:g} % asked for", err=True)
    raise typer.Exit(Exit.OK if report.passed and is_enough else Exit.FINDINGS)


def _refuse(directory: Path, compilation: Compilation) -> None:
    from policyengine.language.diagnostics import as_text
    from policyengine.model.diagnostic import Level

    errors = [one for one in compilation.diagnostics if one.severity is Level.ERROR]
    typer.echo("\n".join(map(as_text, errors)), err=True)
    typer.echo(f"{directory} does not compile, so nothing was tested", err=True)


def _rendered(output: ReportOutput, report: PolicyTestReport, coverage: Sequence[PolicyCoverage]) -> str:
    from policyengine.cli import policy_coverage_report, policy_test_report

    match output:
        case ReportOutput.TABLE:
            lines = policy_coverage_report.as_lines(coverage, report.untested)
            return "\n".join([policy_test_report.as_table(report), *lines])
        case ReportOutput.JSON:
            document = policy_test_report.as_document(report)
            document["covered"] = policy_coverage_report.as_document(coverage)
            return json.dumps(document, indent=2, ensure_ascii=False)
        case ReportOutput.JUNIT:
            return policy_test_report.as_junit(report)
