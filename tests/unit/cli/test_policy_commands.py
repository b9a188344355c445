"""`init`, `test`, `facts` and `explain`: what they print, and the exit code a shell sees."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from policyengine.adapters.starter import starter_files
from policyengine.cli.main import app
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.schema_document import facts_json_schema, listing


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    directory = tmp_path / "policies"
    assert run("init", str(directory)).exit_code == 0
    return directory


def break_expectation(policies: Path) -> None:
    test = policies / "engineering" / "gateway-firmware_test.yaml"
    test.write_text(test.read_text().replace("old: {firmware-floor: fail", "old: {firmware-floor: pass"))


def forget_one_device(policies: Path) -> None:
    test = policies / "engineering" / "boot-integrity_test.yaml"
    test.write_text("".join(line for line in test.read_text().splitlines(True) if "only-signed" not in line))


def test_a_new_repository_holds_the_whole_starter_pack(policies: Path) -> None:
    written = {str(path.relative_to(policies)) for path in policies.rglob("*") if path.is_file()}
    assert {name for name in written if not name.startswith(".git/")} == set(starter_files())


def test_a_new_repository_observes_and_does_not_enforce(policies: Path) -> None:
    switches = [line for line in (policies / "fleet.yaml").read_text().splitlines() if "enforcement:" in line]
    assert [line.split("#")[0].strip() for line in switches] == ["enforcement: observe"]


def test_a_new_repository_has_one_commit_and_nothing_uncommitted(policies: Path) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", policies, *arguments], check=True, capture_output=True, text=True).stdout

    assert (len(git("log", "--oneline").splitlines()), git("status", "--porcelain")) == (1, "")


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = run("init", str(tmp_path))
    assert result.exit_code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_directory_inside_a_repository_gets_no_repository_of_its_own(policies: Path) -> None:
    inner = policies / "more"
    assert "part of a Git repository" in run("init", str(inner)).output
    assert not (inner / ".git").exists()


def test_testing_the_starter_pack_exits_with_zero(policies: Path) -> None:
    result = run("test", str(policies))
    assert result.exit_code == 0, result.output
    assert "0 did not, 0 rules not covered" in result.output


def test_a_failing_expectation_is_shown_with_its_facts_and_exits_with_one(policies: Path) -> None:
    break_expectation(policies)
    result = run("test", str(policies))
    assert result.exit_code == 1
    assert "expected pass, seen fail (rule.false)" in result.output
    assert "boot.svn = 6 (attested, 2026-11-22T23:00:00Z)" in result.output


def test_json_output_is_one_document_with_every_case(policies: Path) -> None:
    break_expectation(policies)
    document = json.loads(run("test", str(policies), "--output", "json").stdout)
    wrong = [case for case in document["cases"] if not case["passed"]]
    assert (document["failed"], len(wrong)) == (1, 1)
    assert wrong[0]["facts"]["boot.svn"]["value"] == 6


def test_junit_output_counts_the_failure(policies: Path) -> None:
    break_expectation(policies)
    suite = ElementTree.fromstring(run("test", str(policies), "--output", "junit").stdout)
    assert suite.get("failures") == "1"
    assert len(suite.findall("testsuite/testcase/failure")) == 1


def test_coverage_below_the_minimum_exits_with_one_and_names_the_sub_expression(policies: Path) -> None:
    forget_one_device(policies)
    result = run("test", str(policies), "--min-coverage", "100")
    assert result.exit_code == 1
    place = "engineering/boot-integrity.yaml:15:31: engineering/boot-integrity, rule secure-boot"
    assert f'{place}: `boot.mode in ["production", "locked"]` is never false where that matters' in result.stdout
    assert "less than the 100 % asked for" in result.stderr


def test_junit_output_fails_where_coverage_does(policies: Path) -> None:
    forget_one_device(policies)
    root = ElementTree.fromstring(run("test", str(policies), "--min-coverage", "100", "--output", "junit").stdout)
    messages = [found.get("message") for found in root.iter("failure")]
    assert messages == ["coverage is 99.5 %, less than the 100 % asked for"]


def test_coverage_at_the_minimum_exits_with_zero(policies: Path) -> None:
    covered = json.loads(run("test", str(policies), "--output", "json").stdout)["covered"]
    result = run("test", str(policies), "--min-coverage", str(covered["percent"]))
    assert result.exit_code == 0, result.output


def test_a_minimum_that_is_no_percentage_is_a_usage_error(policies: Path) -> None:
    assert run("test", str(policies), "--min-coverage", "101").exit_code == 2


def test_mutation_prints_a_score_and_shows_its_progress_on_stderr(policies: Path) -> None:
    result = run("test", str(policies), "--mutate", "--output", "json", "--min-score", "90")
    assert result.exit_code == 0, result.stderr
    mutation = json.loads(result.stdout)["mutation"]
    assert mutation["score"] >= 90
    assert len(result.stderr.splitlines()) == len(mutation["policies"]) == 23


def test_a_change_that_no_test_notices_is_listed_with_its_place_and_a_hint(policies: Path) -> None:
    test = policies / "engineering" / "gateway-firmware_test.yaml"
    test.write_text("".join(line for line in test.read_text().splitlines(True) if "at-the-floor" not in line))
    result = run("test", str(policies), "--mutate", "--min-score", "99.9")
    assert result.exit_code == 1
    listed = (
        "engineering/gateway-firmware.yaml:17:16: engineering/gateway-firmware, rule firmware-floor: no test notices\n"
        "  boot.svn >= params.min_svn\n"
        "  changed to boot.svn > params.min_svn\n"
        "  add a device on which `boot.svn` and `params.min_svn` are equal\n"
    )
    assert listed in result.stdout


def test_nothing_is_mutated_while_an_expectation_does_not_hold(policies: Path) -> None:
    break_expectation(policies)
    result = run("test", str(policies), "--mutate")
    assert (result.exit_code, result.stderr) == (1, "nothing was mutated, because not every expectation holds\n")


def test_a_minimum_score_without_mutation_is_a_usage_error(policies: Path) -> None:
    assert run("test", str(policies), "--min-score", "90").exit_code == 2


def test_policies_that_do_not_compile_are_not_tested_and_exit_with_one(policies: Path) -> None:
    rule = policies / "engineering" / "gateway-firmware.yaml"
    rule.write_text(rule.read_text().replace("boot.svn", "boot.svm"))
    result = run("test", str(policies))
    assert result.exit_code == 1
    assert "cel.unknown-fact" in result.stderr


def test_explaining_a_rule_names_what_it_reads_and_where_it_acts(policies: Path) -> None:
    output = run("explain", "gateway-firmware#firmware-floor", "--policies", str(policies)).output
    assert "boot.svn (int): security version number of the running firmware" in output
    assert "a fact is weaker than attested" in output
    assert "operations/gateway-firmware: enforce limited, every device, min_svn = 7" in output


def test_an_explanation_as_json_carries_controls_with_titles(policies: Path) -> None:
    arguments = ("explain", "secure-boot", "--policies", str(policies), "--output", "json")
    document = json.loads(run(*arguments).stdout)
    assert document["controls"]["etsi:5.7-1"] == "Software is verified at start-up"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no-such-rule", "no rule is called"),
        ("boot-integrity#secur-boot", "did you mean `boot-integrity#secure-boot`?"),
        ("serial-format", "more than one rule"),
    ],
)
def test_a_name_that_is_not_one_rules_is_refused(policies: Path, name: str, sentence: str) -> None:
    result = run("explain", name, "--policies", str(policies))
    assert sentence in str(result.exception)


def test_facts_of_a_group_are_listed_with_type_and_meaning() -> None:
    output = run("facts", "software").output
    assert "software[].version" in output
    assert "boot.secure" not in output


def test_a_group_that_does_not_exist_is_a_usage_error() -> None:
    assert run("facts", "boots").exit_code == 2


def test_every_fact_is_listed_once() -> None:
    paths = [entry["path"] for entry in json.loads(run("facts", "--output", "json").stdout)]
    assert len(paths) == len(set(paths)) == len(list(CORE_SCHEMA.leaves())) + 1


def test_the_json_schema_accepts_facts_of_the_right_type_only() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(run("facts", "--output", "schema").stdout))
    good = {"boot": {"secure": True, "svn": 7}, "software": [{"name": "app"}], "device": {"labels": {"ring": "rest"}}}
    assert validator.is_valid(good)
    assert not validator.is_valid({"boot": {"svn": "7"}})
    assert not validator.is_valid({"boot": {"secur": True}})


def test_the_json_schema_has_every_listed_group() -> None:
    properties = facts_json_schema(CORE_SCHEMA)["properties"]
    assert isinstance(properties, dict)
    listed = {str(entry["path"]).split(".")[0].removesuffix("[]") for entry in listing(CORE_SCHEMA)}
    assert listed - {"now"} == {name for name in properties if name != "org"}


def test_facts_are_a_markdown_table_for_a_wiki() -> None:
    lines = run("facts", "boot", "--output", "markdown").stdout.splitlines()
    assert lines[:2] == ["| fact | type | meaning |", "| --- | --- | --- |"]
    assert "| `boot.secure` | `bool` | only signed images could start |" in lines


def test_facts_in_json_name_their_group() -> None:
    assert {one["group"] for one in json.loads(run("facts", "boot", "--output", "json").stdout)} == {"boot"}


def test_an_explanation_says_when_the_rule_passes_and_when_it_fails(policies: Path) -> None:
    shown = run("explain", "boot-integrity#secure-boot", "--policies", str(policies)).stdout
    assert "passes if   the condition is true, by facts that are attested and younger than 1d\n" in shown
    assert "fails if    the condition is false, by facts that are attested and younger than 1d, whatever" in shown
