from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from policyengine.adapters.starter import starter_files, write_tree
from policyengine.cli.main import app

GATEWAY = "engineering/gateway-firmware.yaml"


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    write_tree(tmp_path / "policies", starter_files())
    return tmp_path / "policies"


@pytest.fixture
def untidy(policies: Path) -> Path:
    path = policies / GATEWAY
    path.write_text(path.read_text().replace("severity: high", "severity:    high  # why"))
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["fmt", *arguments])


def test_the_starter_pack_is_in_canonical_form(policies: Path) -> None:
    result = run(str(policies), "--check")
    assert (result.exit_code, result.stdout) == (0, "")


def test_check_names_the_files_and_writes_nothing(policies: Path, untidy: Path) -> None:
    before = untidy.read_bytes()
    result = run(str(policies), "--check")
    assert (result.exit_code, result.stdout, untidy.read_bytes()) == (1, f"{untidy}\n", before)


def test_diff_shows_the_change_and_writes_nothing(policies: Path, untidy: Path) -> None:
    before = untidy.read_bytes()
    result = run(str(policies), "--diff")
    assert "-  severity:    high  # why\n+  severity: high # why\n" in result.stdout
    assert (result.exit_code, untidy.read_bytes()) == (0, before)


def test_a_file_is_written_and_then_canonical(untidy: Path) -> None:
    assert run(str(untidy)).exit_code == 0
    assert "severity: high # why\n" in untidy.read_text()
    assert run(str(untidy), "--check").exit_code == 0


def test_a_written_file_keeps_its_permissions(untidy: Path) -> None:
    untidy.chmod(0o640)
    run(str(untidy))
    assert untidy.stat().st_mode & 0o777 == 0o640


def test_nothing_is_left_beside_a_written_file(untidy: Path) -> None:
    before = sorted(path.name for path in untidy.parent.iterdir())
    run(str(untidy))
    assert sorted(path.name for path in untidy.parent.iterdir()) == before


def test_a_file_with_a_mistake_is_named_and_the_others_are_written(policies: Path, untidy: Path) -> None:
    (policies / "fleet.yaml").write_text("a: [")
    result = run(str(policies))
    assert result.exit_code == 1
    assert f"{policies / 'fleet.yaml'}:2:1: error[yaml.syntax]" in result.stderr
    assert "severity: high # why\n" in untidy.read_text()


def test_a_link_is_not_written_through(policies: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("kind:   Fleet\n")
    (policies / "it" / "link.yaml").symlink_to(outside)
    assert run(str(policies)).exit_code == 1
    assert outside.read_text() == "kind:   Fleet\n"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    result = run(str(tmp_path / "a.yaml"))
    assert (result.exit_code, "tree.special-file" in result.stderr) == (1, True)


def test_the_files_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "deployment.yaml"
    path.write_text("kind:   Deployment\n")
    assert run(str(path)).exit_code == 1
    assert path.read_text() == "kind:   Deployment\n"
