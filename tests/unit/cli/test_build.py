"""`policyengine build` writes one file, whole or not at all; `bundle verify` accepts no other."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from policyengine.cli.main import app
from policyengine.language.bundle import decode_file


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    directory = tmp_path / "policies"
    assert run("init", str(directory)).exit_code == 0
    return directory


def git(policies: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    command = ["git", "-C", str(policies), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def stricter(policies: Path) -> None:
    """Commit a higher floor under a higher version."""
    policy = policies / "engineering" / "gateway-firmware.yaml"
    text = policy.read_text()
    policy.write_text(text.replace("default: 7", "default: 8").replace("version: 1.0.0", "version: 1.1.0"))
    git(policies, "commit", "-qam", "raise the floor")


def built(source: Path | str, to: Path, *more: str) -> Path:
    result = run("build", str(source), "-o", str(to), *more)
    assert (result.exit_code, result.stderr) == (0, "")
    return to


def test_a_bundle_of_a_clean_commit_says_which_and_how_many_led_to_it(policies: Path, tmp_path: Path) -> None:
    stricter(policies)
    file = decode_file(built(policies, tmp_path / "b.json").read_bytes())
    assert (file.commit, file.height) == (git(policies, "rev-parse", "HEAD"), 2)


def test_a_revision_is_built_whatever_the_work_tree_holds(policies: Path, tmp_path: Path) -> None:
    first = built(policies, tmp_path / "first.json")
    stricter(policies)
    (policies / "fleet.yaml").write_text("broken: [")
    second = built("HEAD~1", tmp_path / "second.json", "--policies", str(policies))
    one, other = (decode_file(path.read_bytes()) for path in (first, second))
    assert (one.digest, one.commit, one.height) == (other.digest, other.commit, other.height)


def test_a_changed_work_tree_has_no_commit_and_no_place_in_history(policies: Path, tmp_path: Path) -> None:
    (policies / "fleet.yaml").write_text((policies / "fleet.yaml").read_text() + "\n")
    file = decode_file(built(policies, tmp_path / "b.json").read_bytes())
    assert (file.commit, file.height) == (None, None)


def test_a_shallow_clone_does_not_guess_its_place_in_history(policies: Path, tmp_path: Path) -> None:
    stricter(policies)
    subprocess.run(["git", "clone", "-q", "--depth=1", policies.as_uri(), str(tmp_path / "clone")], check=True)
    result = run("build", str(tmp_path / "clone"), "-o", str(tmp_path / "b.json"))
    assert "the clone is shallow" in result.stderr
    assert decode_file((tmp_path / "b.json").read_bytes()).height is None


def test_what_is_neither_a_directory_nor_a_revision_is_refused(policies: Path) -> None:
    result = run("build", "no-such-thing", "--policies", str(policies))
    assert getattr(result.exception, "code", None) == "git.unreadable"


def test_a_bundle_that_cannot_be_written_leaves_what_was_there(policies: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "b.json"
    target.parent.mkdir()
    target.mkdir()
    result = run("build", str(policies), "-o", str(target))
    assert isinstance(result.exception, OSError)
    assert [path.name for path in target.parent.iterdir()] == ["b.json"]


def test_a_good_bundle_is_accepted(policies: Path, tmp_path: Path) -> None:
    file = built(policies, tmp_path / "b.json")
    document = json.loads(run("bundle", "verify", str(file), "--output", "json").stdout)
    assert (document["accepted"], document["height"], document["policies"]) == (True, 1, 23)


@pytest.mark.parametrize("position", [0, 5000, -200, -60, -1])
def test_a_changed_bundle_is_refused(policies: Path, tmp_path: Path, position: int) -> None:
    file = built(policies, tmp_path / "b.json")
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)
    result = run("bundle", "verify", str(file))
    assert result.exit_code == 1
    assert result.stdout.startswith("refused: ")


def test_a_bundle_older_than_one_seen_is_refused(policies: Path, tmp_path: Path) -> None:
    old = built(policies, tmp_path / "old.json")
    stricter(policies)
    new = built(policies, tmp_path / "new.json")
    assert run("bundle", "verify", str(new), "--seen", str(old)).exit_code == 0
    result = run("bundle", "verify", str(old), "--seen", str(new), "--output", "json")
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (1, "bundle.older")


def test_a_revert_is_newer_than_what_it_reverts(policies: Path, tmp_path: Path) -> None:
    (policies / "waivers" / "README.md").write_text("more\n")
    fleet = policies / "fleet.yaml"
    fleet.write_text(fleet.read_text().replace("enforcement: observe", "enforcement: enforce"))
    git(policies, "commit", "-qam", "enforce")
    seen = built(policies, tmp_path / "seen.json")
    git(policies, "revert", "--no-edit", "HEAD")
    assert run("bundle", "verify", str(built(policies, tmp_path / "b.json")), "--seen", str(seen)).exit_code == 0


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert isinstance(run("bundle", "verify", str(tmp_path / "none")).exception, OSError)
