"""SARIF logs have the shape of the OASIS schema (SARIF 2.1.0), and say the same of the same mistakes."""

from __future__ import annotations

import json
from typing import Any

from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Log

from policyengine.model.diagnostic import Diagnostic, Level
from policyengine.reports.sarif import SarifResult, SarifRule, Tool, as_sarif

TOOL = Tool(name="policyengine", version="1.2.3")
RULES = {"x.y": SarifRule(meaning="Something is wrong.", help="Mend it.")}


def found(**changes: Any) -> Diagnostic:
    values: dict[str, Any] = {
        "file": "it/a b.yaml",
        "line": 3,
        "column": 5,
        "end_column": 9,
        "code": "x.y",
        "severity": Level.ERROR,
        "message": "no `word`",
        "help": "did you mean `world`?",
    }
    return Diagnostic(**{**values, **changes})


def log(*results: SarifResult, below: str = "") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(as_sarif(TOOL, RULES, results, below=below))
    return document


def result(document: dict[str, Any], index: int = 0) -> dict[str, Any]:
    shown: dict[str, Any] = document["runs"][0]["results"][index]
    return shown


def fingerprint(*results: SarifResult, index: int = 0) -> str:
    return str(result(log(*results), index)["partialFingerprints"]["policyengine/v1"])


def test_a_log_is_read_by_the_model_made_from_the_schema() -> None:
    document = log(SarifResult(diagnostic=found(), replacement="world"), SarifResult(diagnostic=found(end_column=0)))
    read = Log.model_validate(document)
    assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == document


def test_a_log_of_nothing_is_a_log() -> None:
    assert Log.model_validate(log()).runs[0].results == []


def test_a_region_goes_from_the_first_character_to_after_the_last() -> None:
    """SARIF 2.1.0 section 3.30.8."""
    place = result(log(SarifResult(diagnostic=found())))["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 3, "startColumn": 5, "endColumn": 9}


def test_a_path_is_a_relative_uri_from_the_root_of_the_checkout() -> None:
    """SARIF 2.1.0 section 3.4.3: a URI, so a space is `%20`."""
    place = result(log(SarifResult(diagnostic=found()), below="policies"))["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "policies/it/a%20b.yaml", "uriBaseId": "%SRCROOT%"}


def test_a_warning_is_a_warning_and_a_note_a_note() -> None:
    document = log(*(SarifResult(diagnostic=found(severity=level)) for level in Level))
    assert [one["level"] for one in document["runs"][0]["results"]] == ["error", "warning", "note"]


def test_a_suggestion_is_a_fix_of_what_the_region_holds() -> None:
    (fix,) = result(log(SarifResult(diagnostic=found(), replacement="world")))["fixes"]
    (replacement,) = fix["artifactChanges"][0]["replacements"]
    assert replacement["deletedRegion"]["endColumn"] == 9
    assert replacement["insertedContent"] == {"text": "world"}


def test_a_fingerprint_stays_when_the_line_moves() -> None:
    assert fingerprint(SarifResult(diagnostic=found())) == fingerprint(SarifResult(diagnostic=found(line=400)))


def test_a_fingerprint_stays_when_a_line_named_in_the_message_moves() -> None:
    first, moved = found(message="already on line 3"), found(message="already on line 5")
    assert fingerprint(SarifResult(diagnostic=first)) == fingerprint(SarifResult(diagnostic=moved))


def test_two_of_a_kind_in_one_file_have_two_fingerprints() -> None:
    two = (SarifResult(diagnostic=found()), SarifResult(diagnostic=found(line=9)))
    assert fingerprint(*two) != fingerprint(*two, index=1)


def test_every_rule_that_is_named_is_described() -> None:
    driver = log(SarifResult(diagnostic=found()))["runs"][0]["tool"]["driver"]
    assert [(rule["id"], rule["help"]["text"]) for rule in driver["rules"]] == [("x.y", "Mend it.")]
