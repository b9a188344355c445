"""What the demo prints, in a terminal of 80 columns and after a commit."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from policyengine.adapters.starter import starter_files
from policyengine.cli.demo_report import print_table, tier_changes
from policyengine.cli.demo_steps import Ending


def _every_rule() -> list[str]:
    names = []
    for path, content in starter_files().items():
        for document in content.decode().split("\n---\n"):
            policy = re.search(r"kind: Policy\n.*?name: ([\w-]+).*?owner: ([\w-]+)", document, re.DOTALL)
            if policy and not path.endswith("_test.yaml"):
                names += [f"{policy[2]}/{policy[1]}#{rule}" for rule in re.findall(r"- id: ([\w-]+)", document)]
    return names


def _table(reason: str, *, width: int) -> str:
    ending = Ending(
        device_id="gw200-0001", model="gw-200", scenario="foreign-csr", tier="quarantine", reasons=(reason,)
    )
    written = io.StringIO()
    print_table([ending], Console(file=written, width=width))
    return written.getvalue()


def test_there_are_rules_to_print() -> None:
    assert len(_every_rule()) >= 50


@pytest.mark.parametrize("rule", [name for name in _every_rule() if "certificate-hygiene" not in name])
def test_every_rule_stands_on_one_line_of_80_columns(rule: str) -> None:
    """Rules on a device's own certificate are bound to notices, so they are no reason for a tier."""
    assert rule.partition("/")[2] in _table(rule, width=80)


def test_a_tier_is_never_cut() -> None:
    assert "quarantine" in _table("x" * 200, width=80)


def test_a_wide_terminal_shows_whose_rule_it_is() -> None:
    assert "it/unique-identity#key-not-shared" in _table("it/unique-identity#key-not-shared", width=120)


def test_what_a_commit_changed_is_counted_by_tier() -> None:
    before = {"a": "full", "b": "full", "c": "limited", "d": "refused"}
    assert tier_changes(before, {**before, "a": "limited", "b": "limited"}) == "2 from full to limited"


def test_a_commit_that_changed_no_tier_is_told_as_such() -> None:
    assert tier_changes({"a": "full"}, {"a": "full"}) == "no device"
