"""`policyengine diff` says what a change means: between revisions, directories and bundle files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from policyengine.cli.main import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    directory = tmp_path / "policies"
    assert run("init", str(directory)).exit_code == 0
    return directory


def lower_the_floor(policies: Path) -> None:
    policy = policies / "engineering" / "gateway-firmware.yaml"
    policy.write_text(policy.read_text().replace("default: 7", "default: 6"))


def commit(policies: Path) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    subprocess.run(["git", "-C", policies, *identity, "commit", "-qam", "change"], check=True)


def test_nothing_differs_between_a_revision_and_itself(policies: Path) -> None:
    result = run("diff", "HEAD", "HEAD", "--policies", str(policies), "--exit-code")
    assert (result.exit_code, result.stdout) == (0, "no difference in meaning\n")


def test_a_lowered_floor_is_loosened_and_asks_for_signatures(policies: Path) -> None:
    lower_the_floor(policies)
    result = run("diff", "HEAD", "--policies", str(policies))
    assert result.exit_code == 0
    said = "  loosened param engineering/gateway-firmware params.min_svn default  (engineering/gateway-firmware.yaml:1)"
    assert said in result.stdout.splitlines()
    assert "  it: param engineering/gateway-firmware params.min_svn loosened" in result.stdout.splitlines()


def test_two_commits_are_compared_whatever_the_work_tree_holds(policies: Path) -> None:
    lower_the_floor(policies)
    commit(policies)
    (policies / "fleet.yaml").write_text("broken: [")
    document = json.loads(run("diff", "HEAD~1", "HEAD", "--policies", str(policies), "--output", "json").stdout)
    assert [(one["verdict"], one["old"], one["new"]) for one in document["changes"]] == [("loosened", "7", "6")]
    assert [one["party"] for one in document["required_signoffs"]] == ["engineering", "it"]


def test_a_bundle_file_is_compared_with_a_directory(policies: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    assert run("build", str(policies), "-o", str(bundle)).exit_code == 0
    lower_the_floor(policies)
    result = run("diff", str(bundle), str(policies), "--exit-code")
    assert (result.exit_code, "1 loosened" in result.stdout) == (1, True)


def test_markdown_shows_a_table_for_each_party(policies: Path) -> None:
    lower_the_floor(policies)
    lines = run("diff", "HEAD", "--policies", str(policies), "--output", "markdown").stdout.splitlines()
    assert "### engineering" in lines
    row = "| loosened | param engineering/gateway-firmware params.min\\_svn default | `7` | `6` |"
    assert row in lines


@pytest.mark.parametrize(
    ("source", "code"), [("no-such-revision", "git.unreadable"), ("HEAD:fleet.yaml", "git.unreadable")]
)
def test_what_is_neither_file_nor_directory_nor_revision_is_refused(policies: Path, source: str, code: str) -> None:
    result = run("diff", source, "--policies", str(policies))
    assert getattr(result.exception, "code", None) == code


def test_a_file_that_is_no_bundle_is_refused(policies: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}\n")
    assert getattr(run("diff", str(other), str(policies)).exception, "code", None) == "bundle.shape"


def test_policies_that_do_not_compile_are_refused(policies: Path) -> None:
    (policies / "fleet.yaml").write_text("broken: [")
    assert getattr(run("diff", "HEAD", "--policies", str(policies)).exception, "code", None) == "policies.invalid"


def test_an_expired_waiver_in_history_does_not_stop_the_comparison(policies: Path) -> None:
    waiver = (
        "apiVersion: policyengine/v1\nkind: Waiver\nmetadata: {name: old}\nspec:\n"
        "  policy: engineering/gateway-firmware\n  rules: [firmware-floor]\n  where: {device: {in: [gw200-0007]}}\n"
        "  reason: r\n  ticket: T-1\n  compensatingControl: c\n  approvals: [engineering, operations]\n"
        '  expires: "2020-01-01T00:00:00Z"\n'
    )
    (policies / "waivers" / "old.yaml").write_text(waiver)
    result = run("diff", "HEAD", "--policies", str(policies))
    assert (result.exit_code, result.stdout) == (0, "no difference in meaning\n")
