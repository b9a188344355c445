"""The documentation of the language is true: its example compiles, its table of codes is the program's."""

from __future__ import annotations

import re
from pathlib import Path

from policyengine.adapters.explanations import explanation_of
from policyengine.language.codes import MEANINGS
from policyengine.language.compiler import compile_tree
from tests.unit.language.repository import NOW

DOCS = Path(__file__).parents[3] / "docs"


def test_the_repository_in_the_language_page_compiles_without_a_diagnostic() -> None:
    page = (DOCS / "policy-language.md").read_text()
    blocks = re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    files = {path: text.encode() for path, text in blocks}
    assert len(files) == page.count("```yaml")
    compilation = compile_tree(files, now=NOW)
    assert compilation.diagnostics == ()
    assert compilation.bundle is not None


def test_the_page_of_diagnostics_is_the_table_of_codes() -> None:
    page = (DOCS / "diagnostics.md").read_text()
    rows = re.findall(r"^\| \[`([a-z0-9.-]+)`\]\((\S+)\) \| (.*) \|$", page, re.MULTILINE)
    assert {code: meaning for code, _, meaning in rows} == dict(MEANINGS)
    assert [link for code, link, _ in rows if link != f"diagnostics/{group(code)}.md#{code.replace('.', '')}"] == []


def group(code: str) -> str:
    return code.partition(".")[0]


def test_every_code_has_a_section_that_begins_with_its_meaning_and_goes_on() -> None:
    sections = {code: explanation_of(code) for code in MEANINGS}
    assert [code for code, text in sections.items() if not text.startswith(f"{MEANINGS[code]}\n\n")] == []


def test_no_page_of_diagnostics_has_a_section_on_a_code_that_is_not_there() -> None:
    pages = "\n".join(page.read_text() for page in sorted((DOCS / "diagnostics").iterdir()))
    assert re.findall(r"^## (\S+)$", pages, re.MULTILINE) == sorted(MEANINGS)
