from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from policyengine.cli.main import app
from policyengine.language.bundle import decode_file
from tests.unit.language.repository import base, compiled, replaced

NOW = ("--now", "2026-11-23T00:00:00Z")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "policies"
    for path, content in base().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_a_clean_repository_exits_0(repository: Path) -> None:
    result = run("check", str(repository), *NOW)
    assert (result.exit_code, result.stdout) == (0, f"{repository}: 0 errors, 0 warnings, 0 notes\n")


def test_an_error_exits_1_and_names_its_place(repository: Path) -> None:
    (repository / "engineering/boot.yaml").write_text(
        replaced("engineering/boot.yaml", "severity: high", "severity: hihg")
    )
    result = run("check", str(repository), *NOW)
    assert result.exit_code == 1
    assert result.stdout.startswith("engineering/boot.yaml:9:13: error[schema.enum] ")


def test_a_warning_alone_exits_0(repository: Path) -> None:
    (repository / "facts/more.yaml").write_text("# nothing yet\n")
    assert run("check", str(repository), *NOW).exit_code == 0


def test_json_output_is_one_list_of_the_published_shape(repository: Path) -> None:
    (repository / "fleet.yaml").unlink()
    result = run("check", str(repository), "--output", "json", *NOW)
    (found,) = [one for one in json.loads(result.stdout) if one["code"] == "layout.missing-file"]
    assert (found["file"], found["line"], found["column"], found["severity"]) == ("fleet.yaml", 1, 1, "error")


@pytest.mark.parametrize("form", ["sarif", "json"])
def test_forms_for_programs_print_one_document_and_nothing_else(repository: Path, form: str) -> None:
    (repository / "fleet.yaml").unlink()
    result = run("check", str(repository), "--output", form, *NOW)
    assert json.loads(result.stdout)
    assert result.exit_code == 1


def test_junit_has_a_case_for_every_document_and_a_failure_for_every_error(repository: Path) -> None:
    (repository / "engineering/boot.yaml").write_text(
        replaced("engineering/boot.yaml", "severity: high", "severity: hihg")
    )
    (suite,) = ElementTree.fromstring(run("check", str(repository), "--output", "junit", *NOW).stdout)
    failed = [case.get("file") for case in suite if case.find("failure") is not None]
    assert failed == ["engineering/boot.yaml"]
    assert {case.get("file") for case in suite} == {name for name in base() if name.endswith(".yaml")}


def test_annotations_lead_from_the_root_of_the_checkout(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository.parent)
    (repository / "fleet.yaml").unlink()
    assert "::error file=policies/fleet.yaml," in run("check", "policies", "--output", "github", *NOW).stdout


def test_a_code_is_explained(repository: Path) -> None:
    assert run("explain", "schema.enum").stdout.startswith("schema.enum\n\nA value is not one of those allowed.")


def test_a_code_that_does_not_exist_is_answered_with_the_nearest(repository: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "schema.enom", "--policies", str(repository)])
    assert "schema.enum" in str(result.exception)


def test_a_link_is_reported_beside_what_the_compiler_finds(repository: Path) -> None:
    (repository / "fleet.yaml").unlink()
    (repository / "fleet.yaml").symlink_to(repository / "parties.yaml")
    found = json.loads(run("check", str(repository), "--output", "json", *NOW).stdout)
    assert {"tree.symlink", "layout.missing-file"} <= {one["code"] for one in found}


def test_waivers_are_judged_at_the_time_given(repository: Path) -> None:
    assert run("check", str(repository), "--now", "2027-01-01T00:00:00Z").exit_code == 1


def test_build_prints_the_digest(repository: Path) -> None:
    result = run("build", str(repository), *NOW)
    assert (result.exit_code, result.stdout.strip()) == (0, compiled().digest)


def test_build_writes_a_bundle_file(repository: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.bundle"
    run("build", str(repository), "-o", str(target), *NOW)
    assert decode_file(target.read_bytes()).bundle == compiled().bundle


def test_build_writes_nothing_when_the_tree_does_not_compile(repository: Path, tmp_path: Path) -> None:
    (repository / "fleet.yaml").unlink()
    target = tmp_path / "out.bundle"
    result = run("build", str(repository), "-o", str(target), *NOW)
    assert (result.exit_code, target.exists(), result.stdout) == (1, False, "")


def git(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def committed(repository: Path) -> Path:
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "one")
    return repository


def loosen(repository: Path) -> None:
    text = replaced("engineering/boot.yaml", "default: 7", "default: 6")
    (repository / "engineering/boot.yaml").write_text(text)


def test_a_change_without_a_new_version_is_found_against_head(committed: Path) -> None:
    loosen(committed)
    result = run("check", str(committed), *NOW)
    assert (result.exit_code, "5:12: error[version.not-raised]" in result.stdout) == (1, True)


def test_a_change_that_is_committed_is_found_against_the_base_named(committed: Path) -> None:
    loosen(committed)
    git(committed, "commit", "-qam", "two")
    assert run("check", str(committed), *NOW).exit_code == 0
    assert "version.not-raised" in run("check", str(committed), "--base", "HEAD~1", *NOW).stdout


def test_a_base_that_does_not_exist_is_an_error(committed: Path) -> None:
    assert run("check", str(committed), "--base", "nowhere", *NOW).exception is not None


def test_without_a_work_tree_versions_are_not_compared(repository: Path) -> None:
    loosen(repository)
    assert run("check", str(repository), *NOW).exit_code == 0
