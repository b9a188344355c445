"""The documentation's commands run as they stand: each `console` block after `<!-- run -->`, in order, page by page.

A block's lines are `$ command`, followed by the output it must show; `...` stands for any lines. A page runs in a
folder of its own that has a new policy repository in `policies` (unless the page makes it) and a facts file.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES as BENCHMARKS
from policyengine.adapters.starter import starter_files
from policyengine.language.compiler import compile_tree

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"<!-- run -->\n```console\n(.*?)```", re.DOTALL)
FACTS = {
    "device_id": "gw200-0001",
    "facts": {"device": {"model": "gw-200", "site": "plant-a"}, "boot": {"secure": True, "mode": "production"}},
    "provenance": {"": {"source": "attested", "observed_at": "2026-11-23T00:00:00Z"}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command and the lines it must show."""

    command: str
    shows: tuple[str, ...]


def steps(page: Path) -> Iterator[Step]:
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.rstrip("\n").splitlines()
            yield Step(command=command, shows=tuple(line for line in shown if line != "..."))


def run(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(command)
    assert program == "policyengine", f"only our own commands are run: {command}"
    return subprocess.run(
        [sys.executable, "-m", "policyengine", *arguments],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


PAGES_THAT_RUN = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run_and_show_what_it_says(page: Path, tmp_path: Path) -> None:
    planned = list(steps(page))
    if not any(step.command.startswith("policyengine init") for step in planned):
        run("policyengine init policies", tmp_path)
    (tmp_path / "facts.json").write_text(json.dumps(FACTS))
    for step in planned:
        done = run(step.command, tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), step.command
        missing = [line for line in step.shows if line not in done.stdout.splitlines()]
        assert missing == [], f"{step.command} printed\n{done.stdout}"


def test_the_readme_is_among_the_pages_that_run() -> None:
    assert "README.md" in [page.name for page in PAGES_THAT_RUN]


def test_the_readme_shows_the_result_within_two_screens() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines.index("$ make test") < 2 * 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_of_ours_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_table_of_benchmarks_names_all_that_run() -> None:
    table = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8").partition("## Seen")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)) == set(BENCHMARKS)


def yaml_blocks(page: Path) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_waiver_in_the_documentation_is_one_that_check_accepts() -> None:
    (waiver,) = [one for one in yaml_blocks(ROOT / "docs" / "security-team.md") if "kind: Waiver" in one]
    files = {**starter_files(), "waivers/example.yaml": waiver.encode()}
    assert compile_tree(files, now=datetime(2026, 11, 23, tzinfo=UTC)).diagnostics == ()


def test_the_rule_in_the_readme_is_one_of_the_starter_pack() -> None:
    (rule,) = yaml_blocks(ROOT / "README.md")
    assert textwrap.indent(rule, "    ") in starter_files()["engineering/boot-integrity.yaml"].decode()


def test_the_readme_counts_the_rules_of_the_starter_pack() -> None:
    bundle = compile_tree(starter_files(), now=datetime(2026, 11, 23, tzinfo=UTC)).bundle
    assert bundle is not None
    count = sum(len(policy.rules) for policy in bundle.policies.values())
    assert f"a starter pack of {count} rules" in (ROOT / "README.md").read_text(encoding="utf-8")
