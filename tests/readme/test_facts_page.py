"""docs/facts.md lists exactly the facts of the schema; `python tests/readme/test_facts_page.py` writes it."""

from __future__ import annotations

from pathlib import Path

from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.schema_document import listing

PAGE = Path(__file__).resolve().parents[2] / "docs" / "facts.md"

HEAD = """# Facts

What rules can read. `policyengine facts` prints the same list, `policyengine facts --output schema` the JSON Schema of
facts files. A fleet declares its own facts below `org` with documents of kind FactSchema.

Every fact has a source, strongest first: `attested` (signed by the device's hardware and verified), `certified` (ours
or a vendor's certificate, or the registry behind it), `observed` (seen by us or by a sensor of ours), `reported` (the
device's own word), `declared` (somebody wrote it down). A rule may ask for a minimum source and a maximum age; a fact
that falls short counts as absent, and a rule that needed it is `unknown`. `[]` marks lists.

| fact | type | meaning |
|---|---|---|
"""


def page() -> str:
    return HEAD + "".join(_row(entry) for entry in listing(CORE_SCHEMA))


def _row(entry: object) -> str:
    assert isinstance(entry, dict)
    values = ", ".join(f"`{value}`" for value in entry.get("values", ()))
    meaning = entry["meaning"] + (f" ({entry['unit']})" if "unit" in entry else "") + (f": {values}" if values else "")
    bound = f", at most {entry['maximum']}" if "maximum" in entry else ""
    return f"| `{entry['path']}` | {entry['type']}{bound} | {meaning} |\n"


def test_the_page_lists_exactly_the_facts_of_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
