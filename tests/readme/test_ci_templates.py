"""What we offer to CI systems is valid in their schemas, and its scripts run and fail when they should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from policyengine.adapters.starter import starter_files, write_tree

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "action.yml"
GITLAB = ROOT / "deploy" / "gitlab" / "policyengine.gitlab-ci.yml"
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
STEPS: dict[str, dict[str, Any]] = {
    step["name"]: step for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"] if "run" in step
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    write_tree(tmp_path / "policies", starter_files())
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)
    return tmp_path


def break_policy(checkout: Path) -> None:
    path = checkout / "policies" / "engineering" / "boot-integrity.yaml"
    path.write_text(path.read_text().replace("severity: critical", "severity: critcal"))


def run(script: str, checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `script` as CI does, with the `policyengine` of this Python first on the path."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "POLICIES": "policies", "BASE": "", **variables}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("schema", "path"), [("vendor.github-actions", ACTION), ("vendor.gitlab-ci", GITLAB)])
def test_a_template_is_valid_in_the_schema_of_its_system(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["Check", "Format", "Test"])
def test_each_step_of_the_action_accepts_the_starter_pack(checkout: Path, name: str) -> None:
    done = run(STEPS[name]["run"], checkout)
    assert done.returncode == 0, done.stderr


def test_the_action_annotates_and_writes_sarif_and_fails(checkout: Path) -> None:
    break_policy(checkout)
    done = run(STEPS["Check"]["run"], checkout)
    assert done.returncode == 1
    assert "::error file=policies/engineering/boot-integrity.yaml,line=" in done.stdout
    (result,) = json.loads((checkout / "policyengine.sarif").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "schema.enum"


def test_what_someone_writes_as_an_input_is_not_run(checkout: Path) -> None:
    run(STEPS["Check"]["run"], checkout, POLICIES='policies"; touch broken; "', BASE="$(touch broken)")
    assert not (checkout / "broken").exists()


def test_no_script_of_the_action_holds_an_expression() -> None:
    assert [name for name, step in STEPS.items() if "${{" in step["run"]] == []


def test_the_gitlab_job_passes_and_leaves_its_reports(checkout: Path) -> None:
    done = run(gitlab_script(), checkout)
    assert done.returncode == 0, done.stderr
    assert all((checkout / name).stat().st_size for name in ("policyengine.sarif", "check.xml", "test.xml"))


def test_the_gitlab_job_fails_on_a_mistake(checkout: Path) -> None:
    break_policy(checkout)
    assert run(gitlab_script(), checkout).returncode == 1


def test_the_gitlab_job_installs_nothing_by_a_name_that_another_project_has(checkout: Path) -> None:
    (install,) = yaml.safe_load(GITLAB.read_text())["policyengine"]["before_script"]
    done = run(install, checkout, POLICYENGINE="")
    assert done.returncode != 0
    assert "POLICYENGINE: set it to what pip installs" in done.stderr


def gitlab_script() -> str:
    return "\n".join(yaml.safe_load(GITLAB.read_text())["policyengine"]["script"])


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_accepts_the_starter_pack(checkout: Path, hook: dict[str, Any]) -> None:
    files = [] if hook.get("pass_filenames") is False else ["policies/fleet.yaml", "policies/parties.yaml"]
    done = run(" ".join([hook["entry"], *hook.get("args", []), *files]), checkout)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("hook", [one for one in HOOKS if one["id"] != "policyengine-fmt"], ids=lambda hook: hook["id"])
def test_a_hook_refuses_a_mistake(checkout: Path, hook: dict[str, Any]) -> None:
    break_policy(checkout)
    assert run(" ".join([hook["entry"], *hook.get("args", [])]), checkout).returncode == 1
