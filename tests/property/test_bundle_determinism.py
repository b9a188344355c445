"""The same tree gives the same digest: in any order of files, on any machine, in any environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policyengine.adapters.starter import starter_files, write_tree
from policyengine.language.compiler import compile_tree
from tests.unit.language.repository import NOW

ROOT = Path(__file__).resolve().parents[2]
STARTER = starter_files()
# Other Pythons in which the package's dependencies are installed, as PATH writes them: each must give the same digest.
PYTHONS = (sys.executable, *filter(None, os.environ.get("POLICYENGINE_PYTHONS", "").split(os.pathsep)))


@settings(max_examples=10, deadline=None)
@given(st.permutations(sorted(STARTER)))
def test_the_order_in_which_files_are_read_does_not_matter(names: list[str]) -> None:
    assert (
        compile_tree({name: STARTER[name] for name in names}, now=NOW).digest == compile_tree(STARTER, now=NOW).digest
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "policies"
    write_tree(directory, dict(reversed(STARTER.items())))
    return directory


def built(tree: Path, *, python: str = sys.executable, umask: int = 0o022, **environment: str) -> str:
    """Return the digest that a process of its own prints for `tree`."""
    command = [python, "-m", "policyengine", "build", str(tree), "--now", "2026-11-23T00:00:00Z"]
    fixed = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(tree.parent)}
    done = subprocess.run(
        command,
        env={**fixed, **environment},
        umask=umask,
        cwd=tree.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_gives_the_same_digest(tree: Path, python: str) -> None:
    assert built(tree, python=python) == compile_tree(STARTER, now=NOW).digest


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4242"},
        {"TZ": "Pacific/Kiritimati"},
        {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"},
        {"LC_ALL": "tr_TR.UTF-8"},
        {"PYTHONOPTIMIZE": "2"},
    ],
    ids=",".join,
)
def test_no_environment_changes_the_digest(tree: Path, environment: dict[str, str]) -> None:
    assert built(tree, **environment) == compile_tree(STARTER, now=NOW).digest


def test_no_umask_or_file_mode_changes_the_digest(tree: Path) -> None:
    for path in tree.rglob("*.yaml"):
        path.chmod(0o600)
    assert built(tree, umask=0o077) == compile_tree(STARTER, now=NOW).digest


def test_carriage_returns_are_refused_not_read_as_another_tree(tree: Path) -> None:
    """A checkout that rewrites line ends must not build at all: it would be another tree."""
    files = {name: body.replace(b"\n", b"\r\n") if name == "fleet.yaml" else body for name, body in STARTER.items()}
    compilation = compile_tree(files, now=NOW)
    assert compilation.digest is None
    assert "yaml.line-end" in {one.code for one in compilation.diagnostics}
