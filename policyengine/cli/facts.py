"""`policyengine facts`: which facts rules can read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Annotated

import typer


class FactsOutput(Enum):
    """How the facts are printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    SCHEMA = "schema"


def facts(
    group: Annotated[str, typer.Argument(help="Only facts below this path, such as `boot`.")] = "",
    output: Annotated[
        FactsOutput, typer.Option(help="Text, a JSON list, a Markdown table, or the JSON Schema of facts files.")
    ] = FactsOutput.TABLE,
) -> None:
    """Print the facts that rules can read, with types and meanings."""
    from policyengine.model.schema import CORE_SCHEMA
    from policyengine.model.schema_document import facts_json_schema, listing

    if output is FactsOutput.SCHEMA:
        typer.echo(json.dumps(facts_json_schema(CORE_SCHEMA), indent=2))
        return
    entries = [entry for entry in listing(CORE_SCHEMA) if _is_below(str(entry["path"]), group)]
    if not entries:
        raise typer.BadParameter(f"no fact is below `{group}`; run without it to see all", param_hint="GROUP")
    typer.echo(_listed(entries, output))


def _listed(entries: Sequence[Mapping[str, object]], output: FactsOutput) -> str:
    if output is FactsOutput.JSON:
        return json.dumps([{"group": _group(entry), **entry} for entry in entries], indent=2)
    return _markdown(entries) if output is FactsOutput.MARKDOWN else _table(entries)


def _group(entry: Mapping[str, object]) -> str:
    return str(entry["path"]).partition(".")[0].removesuffix("[]")


def _markdown(entries: Iterable[Mapping[str, object]]) -> str:
    from policyengine.reports.markdown import code, prose, table

    rows = [(code(str(entry["path"])), code(str(entry["type"])), prose(_meaning(entry))) for entry in entries]
    return "\n".join(table(("fact", "type", "meaning"), rows))


def _is_below(path: str, group: str) -> bool:
    plain, wanted = path.replace("[]", ""), group.replace("[]", "").rstrip(".")
    return not wanted or plain == wanted or plain.startswith(f"{wanted}.")


def _table(entries: Iterable[Mapping[str, object]]) -> str:
    from policyengine.cli.columns import columns

    rows = [(str(entry["path"]), str(entry["type"]), _meaning(entry)) for entry in entries]
    return columns(("FACT", "TYPE", "MEANING"), rows)


def _meaning(entry: Mapping[str, object]) -> str:
    values, unit = entry.get("values"), entry.get("unit")
    text = f"{entry['meaning']} [{unit}]" if unit else str(entry["meaning"])
    return f"{text}: {', '.join(map(str, values))}" if isinstance(values, list) else text
