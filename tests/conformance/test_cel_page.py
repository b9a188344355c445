"""docs/cel.md is true: its example answers as shown, and its table of differences is the one that the tests know."""

from __future__ import annotations

import json
import re
from pathlib import Path

from policyengine.cli.cel import MAX_LINE, MAX_MEMORY, MAX_SECONDS
from policyengine.decision.arithmetic import MAX_CONCATENATION
from policyengine.decision.functions import FUNCTIONS
from policyengine.decision.lists import MAX_RANGE
from policyengine.decision.plain import MAX_ELEMENTS
from policyengine.decision.weight import MAX_WRITTEN
from policyengine.language.cel.text import MAX_CHARACTERS, MAX_NESTING
from tests.conformance.known import CEL_SPEC, CERBOS
from tests.conformance.running import answered
from tests.conformance.variations import FAILS, REFUSED, TRUE, lines

PAGE = (Path(__file__).parents[2] / "docs" / "cel.md").read_text()
INTERNAL = frozenset({"@in", "@orValueOfPlain", "@sortByAssociatedKeys", "math.@max", "math.@min"})


def test_the_example_answers_as_shown() -> None:
    ((request, answer),) = re.findall(r"^\$ echo '(.*)' \| policyengine cel eval\n(.*)$", PAGE, re.MULTILINE)
    assert answered(json.loads(request)) == json.loads(answer)


def test_each_known_difference_is_in_the_table() -> None:
    names = [name.rpartition("_")[0].removesuffix("_over") for name in CEL_SPEC]
    assert [name for name in (*names, *CERBOS) if name not in PAGE] == []


STANDARD = frozenset(
    {"bool", "bytes", "double", "duration", "dyn", "int", "size", "string", "timestamp", "type", "uint"}
    | {"contains", "endsWith", "startsWith"}
)
METHODS = re.compile(r"get\w+|is[A-Z]\w+|containsIP|containsCIDR|masked|prefixLength|family")  # accessors, networks


def test_every_function_is_listed() -> None:
    table = PAGE.partition("## What there is")[2].partition("## Where we")[0]
    words = set(re.findall(r"[A-Za-z][A-Za-z0-9]*", table))
    named = {name.rpartition(".")[2] for name in FUNCTIONS if name[0].isalpha() and name not in INTERNAL}
    assert {name for name in named - STANDARD - words if not METHODS.fullmatch(name)} == set()


def test_the_limits_are_the_programs() -> None:
    shown = PAGE.partition("| limit |")[2].partition("## What there is")[0]
    million = f"{MAX_ELEMENTS:,} {MAX_RANGE:,} {MAX_CONCATENATION:,} {MAX_CHARACTERS:,}"
    assert [number for number in million.split() if number not in shown] == []
    assert f"{MAX_LINE // 2**20} MiB" in shown
    assert f"{MAX_WRITTEN // 2**20} Mi" in shown
    assert f"{MAX_SECONDS:g} s, {MAX_MEMORY // 2**30} GiB" in shown
    assert f"{MAX_NESTING} levels of brackets" in shown


def test_the_number_of_our_own_cases_is_right() -> None:
    count = 2 * len(lines(TRUE)) + 2 * len(lines(FAILS)) + len(lines(REFUSED))
    assert f"{count} of {count}" in PAGE
