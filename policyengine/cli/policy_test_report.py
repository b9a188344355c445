"""The report of `policyengine test` as a table, as JSON, and as JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from policyengine.cli.columns import columns
from policyengine.decision.facts_json import json_value
from policyengine.model.decision import FactSeen
from policyengine.model.times import format_timestamp
from policyengine.reports import junit
from policyengine.reports.junit import JunitCase, JunitSuite
from policyengine.services.authoring.policy_tests import Case, Gap, PolicyTestReport


def as_table(report: PolicyTestReport) -> str:
    """Return one line a policy, then everything that is wrong, then the totals."""
    return "\n".join((_policies(report), *_failures(report), *_gaps(report), *_totals(report)))


def _policies(report: PolicyTestReport) -> str:
    names = dict.fromkeys(case.policy for case in report.cases)
    return columns(("POLICY", "EXPECTED", "HELD"), [(name, *_counts(report, name)) for name in names])


def _counts(report: PolicyTestReport, policy: str) -> tuple[str, str]:
    cases = [case for case in report.cases if case.policy == policy]
    return str(len(cases)), str(sum(case.passed for case in cases))


def _failures(report: PolicyTestReport) -> Iterator[str]:
    for case in report.failures:
        reason = f" ({case.reason})" if case.reason else ""
        yield f"\n{_place(case)}: {case.policy}, device `{case.fixture}`, {case.subject}"
        yield f"  expected {case.expected}, seen {case.seen}{reason}"
        if case.rule_place is not None:
            yield f"  {case.rule_place.file}:{case.rule_place.line}: requires {case.require}"
        yield from _why(case)


def _why(case: Case) -> Iterator[str]:
    for path, fact in sorted(case.facts.items()):
        yield f"  {path} = {json.dumps(json_value(fact.value), ensure_ascii=False)} ({_provenance(fact)})"
    for path in case.absent:
        yield f"  {path} is absent"
    for finding in case.findings:
        asks = f"{finding.mode.value} {finding.action.name.lower()}"
        held = "" if finding.held_until is None else f", held until {format_timestamp(finding.held_until)}"
        place = f"{finding.place.file}:{finding.place.line}"
        under = f"under {finding.binding}" if finding.binding else "without a binding"
        yield f"  {finding.rule}: {finding.result.value} ({finding.reason}), {asks} {under}{held} ({place})"


def _gaps(report: PolicyTestReport) -> Iterator[str]:
    for gap in report.gaps:
        yield f"\n{_place(gap)}: {gap.policy}, rule {gap.rule}\n  no device shows {_missing(gap)}"


def _missing(gap: Gap) -> str:
    return ", ".join(outcome.value for outcome in gap.missing)


def _totals(report: PolicyTestReport) -> Iterator[str]:
    if report.untested:
        yield f"\nwithout a test: {', '.join(report.untested)}"
    held = len(report.cases) - len(report.failures)
    yield f"\n{held} held, {len(report.failures)} did not, {len(report.gaps)} rules not covered"


def _place(item: Case | Gap) -> str:
    return f"{item.place.file}:{item.place.line}"


def _provenance(fact: FactSeen) -> str:
    return f"{fact.source.name.lower()}, {format_timestamp(fact.observed_at)}"


def as_document(report: PolicyTestReport) -> dict[str, object]:
    """Return the report as a JSON value."""
    return {
        "passed": len(report.cases) - len(report.failures),
        "failed": len(report.failures),
        "cases": [_case_document(case) for case in report.cases],
        "coverage": [_gap_document(gap) for gap in report.gaps],
        "untested": list(report.untested),
    }


def _case_document(case: Case) -> dict[str, object]:
    return {
        "test": case.test,
        "policy": case.policy,
        "device": case.fixture,
        "subject": case.subject,
        "expected": case.expected,
        "seen": case.seen,
        "reason": case.reason,
        "passed": case.passed,
        "facts": {path: _fact_document(fact) for path, fact in sorted(case.facts.items())},
        "absent": list(case.absent),
        "file": case.place.file,
        "line": case.place.line,
        "rule": None if case.rule_place is None else {"file": case.rule_place.file, "line": case.rule_place.line},
    }


def _fact_document(fact: FactSeen) -> dict[str, object]:
    observed_at = format_timestamp(fact.observed_at)
    return {"value": json_value(fact.value), "source": fact.source.name.lower(), "observed_at": observed_at}


def _gap_document(gap: Gap) -> dict[str, object]:
    return {
        "test": gap.test,
        "policy": gap.policy,
        "rule": gap.rule,
        "missing": [outcome.value for outcome in gap.missing],
        "file": gap.place.file,
        "line": gap.place.line,
    }


def as_junit(report: PolicyTestReport, shortfalls: Sequence[str]) -> str:
    """Return the report as JUnit XML: a case for each expectation, each rule that stayed unseen, and each shortfall."""
    missed = (JunitCase(group="all policies", name=one.partition(" is ")[0], problem=one) for one in shortfalls)
    cases = [*map(_junit_case, report.cases), *map(_junit_gap, report.gaps), *missed]
    return junit.as_junit([JunitSuite(name="policyengine test", cases=cases)])


def _junit_case(case: Case) -> JunitCase:
    problem = "" if case.passed else f"{_place(case)}: expected {case.expected}, seen {case.seen}"
    return JunitCase(
        group=case.policy,
        name=f"{case.fixture} {case.subject}",
        problem=problem,
        file=case.place.file,
        line=case.place.line,
    )


def _junit_gap(gap: Gap) -> JunitCase:
    return JunitCase(
        group=gap.policy,
        name=f"coverage of {gap.rule}",
        problem=f"{_place(gap)}: no device shows {_missing(gap)}",
        file=gap.place.file,
        line=gap.place.line,
    )
