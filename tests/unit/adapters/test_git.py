from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from policyengine.adapters.git import GitReadError, commit_of, read_commit
from policyengine.adapters.tree import TreeRefusedError, read_tree

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: commits were not read")


def git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(["git", *identity, *arguments], cwd=directory, capture_output=True, check=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    for path in ("policies/fleet.yaml", "policies/it/ä b.yaml", "policies/README.md", "other.yaml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"a: {path}\n")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


def test_a_commit_has_the_files_of_the_tree_it_was_made_from(repository: Path) -> None:
    found = read_commit(repository / "policies")
    assert found.files == read_tree(repository / "policies")
    assert found.commit == git(repository, "rev-parse", "HEAD")


def test_a_whole_repository_can_be_the_policy_repository(repository: Path) -> None:
    assert sorted(read_commit(repository).files) == ["other.yaml", "policies/fleet.yaml", "policies/it/ä b.yaml"]


def test_an_older_commit_keeps_its_content(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    (repository / "policies/fleet.yaml").write_text("a: new\n")
    git(repository, "commit", "--quiet", "--all", "-m", "second")
    assert read_commit(repository / "policies", first).files["fleet.yaml"] == b"a: policies/fleet.yaml\n"


def test_a_clean_directory_has_its_commit(repository: Path) -> None:
    directory = repository / "policies"
    assert commit_of(directory, read_tree(directory)) == git(repository, "rev-parse", "HEAD")


def test_a_changed_directory_has_no_commit(repository: Path) -> None:
    directory = repository / "policies"
    (directory / "fleet.yaml").write_text("a: changed\n")
    assert commit_of(directory, read_tree(directory)) is None


def test_an_added_file_leaves_no_commit(repository: Path) -> None:
    directory = repository / "policies"
    (directory / "parties.yaml").write_text("a: added\n")
    assert commit_of(directory, read_tree(directory)) is None


def test_a_directory_outside_git_has_no_commit(tmp_path: Path) -> None:
    assert commit_of(tmp_path, {}) is None


def test_a_link_in_a_commit_is_refused(repository: Path) -> None:
    (repository / "policies/parties.yaml").symlink_to("/etc/passwd")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "-m", "link")
    with pytest.raises(TreeRefusedError) as refused:
        read_commit(repository / "policies")
    assert [(one.code, one.file) for one in refused.value.diagnostics] == [("tree.symlink", "parties.yaml")]


def test_a_submodule_in_a_commit_is_refused(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},policies/vendors")
    git(repository, "commit", "--quiet", "-m", "submodule")
    with pytest.raises(TreeRefusedError) as refused:
        read_commit(repository / "policies")
    assert [(one.code, one.file) for one in refused.value.diagnostics] == [("tree.submodule", "vendors")]


@pytest.mark.parametrize("revision", ["nowhere", "--help", "HEAD:policies", ""])
def test_a_revision_that_is_no_commit_is_refused(repository: Path, revision: str) -> None:
    with pytest.raises(GitReadError):
        read_commit(repository, revision)
