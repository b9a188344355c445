"""`policyengine test`: run the policy tests that stand beside the policies."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from policyengine.language.compiler import Compilation
    from policyengine.language.source_places import SourcePlaces
    from policyengine.services.authoring.policy_coverage import PolicyCoverage
    from policyengine.services.authoring.policy_mutation import PolicyMutation
    from policyengine.services.authoring.policy_tests import PolicyTestReport


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
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Also change the policies a little, and say which changes no test notices.")
    ] = False,
    min_score: Annotated[
        float | None,
        typer.Option(help="With --mutate: exit 1 when tests notice less than this.", metavar="PCT", min=0, max=100),
    ] = None,
) -> None:
    """Run every policy test below DIR; exit 1 when an expectation does not hold or a rule stayed unseen."""
    from policyengine.cli.compiled import compiled_files
    from policyengine.cli.exits import Exit
    from policyengine.language.source_places import SourcePlaces
    from policyengine.services.authoring.policy_coverage import coverage_of, percent
    from policyengine.services.authoring.policy_mutation import score
    from policyengine.services.authoring.policy_tests import run_policy_tests

    if min_score is not None and not mutate:
        raise typer.BadParameter("it needs --mutate", param_hint="--min-score")
    files, compilation = compiled_files(directory)
    if compilation.bundle is None or compilation.digest is None:
        _refuse(directory, compilation)
        raise typer.Exit(Exit.FINDINGS)
    report = run_policy_tests(compilation.bundle, compilation.digest, compilation.tests)
    coverage = coverage_of(compilation.bundle, compilation.digest, compilation.tests, SourcePlaces(files))
    mutations = _mutated(compilation, SourcePlaces(files)) if mutate and not report.failures else None
    problems = list(_shortfalls("coverage", percent(coverage), min_coverage))
    if mutations is not None:
        problems += _shortfalls("mutation score", score(mutations), min_score)
    elif mutate:
        problems.append("nothing was mutated, because not every expectation holds")
    typer.echo(_rendered(output, report, coverage, mutations, problems))
    for problem in problems:
        typer.echo(problem, err=True)
    raise typer.Exit(Exit.OK if report.passed and not problems else Exit.FINDINGS)


def _shortfalls(name: str, reached: float, wanted: float | None) -> Iterator[str]:
    if wanted is not None and reached < wanted:
        yield f"{name} is {reached} %, less than the {wanted:g} % asked for"


def _mutated(compilation: Compilation, places: SourcePlaces) -> list[PolicyMutation]:
    """Return what became of every policy's mutants; says on stderr which policy is done."""
    from policyengine.services.authoring.policy_mutation import mutations_of

    if compilation.bundle is None or compilation.digest is None:
        return []
    done: list[PolicyMutation] = []
    count = len(compilation.bundle.policies)
    for one in mutations_of(compilation.bundle, compilation.digest, compilation.tests, places):
        done.append(one)
        typer.echo(f"mutated {len(done)} of {count}: {one.policy}, {one.killed} of {one.mutants} noticed", err=True)
    return done


def _refuse(directory: Path, compilation: Compilation) -> None:
    from policyengine.language.diagnostics import as_text
    from policyengine.model.diagnostic import Level

    errors = [one for one in compilation.diagnostics if one.severity is Level.ERROR]
    typer.echo("\n".join(map(as_text, errors)), err=True)
    typer.echo(f"{directory} does not compile, so nothing was tested", err=True)


def _rendered(
    output: ReportOutput,
    report: PolicyTestReport,
    coverage: Sequence[PolicyCoverage],
    mutations: Sequence[PolicyMutation] | None,
    shortfalls: Sequence[str],
) -> str:
    from policyengine.cli import policy_coverage_report, policy_mutation_report, policy_test_report

    match output:
        case ReportOutput.TABLE:
            lines = [policy_test_report.as_table(report), *policy_coverage_report.as_lines(coverage, report.untested)]
            return "\n".join([*lines, *policy_mutation_report.as_lines(mutations or (), report.untested)])
        case ReportOutput.JSON:
            document = policy_test_report.as_document(report)
            document["covered"] = policy_coverage_report.as_document(coverage)
            if mutations is not None:
                document["mutation"] = policy_mutation_report.as_document(mutations)
            return json.dumps(document, indent=2, ensure_ascii=False)
        case ReportOutput.JUNIT:
            return policy_test_report.as_junit(report, shortfalls)
