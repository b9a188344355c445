"""The documentation of the language is true: its example compiles, its table of codes is the program's."""

from __future__ import annotations

import re
from pathlib import Path

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
    assert dict(re.findall(r"^\| `([a-z0-9.-]+)` \| (.*) \|$", page, re.MULTILINE)) == dict(MEANINGS)
