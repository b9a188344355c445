"""`policyengine schema`: the shapes of documents, for editors."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema(kind: Annotated[str, typer.Argument(help="Only this kind, such as `Policy`.")] = "") -> None:
    """Print the JSON Schema (2020-12) of every kind of document, or of one."""
    from policyengine.language.schema import KINDS, editor_schema, schema_of

    if kind and kind not in KINDS:
        raise typer.BadParameter(f"no kind is called `{kind}`; known: {', '.join(KINDS)}", param_hint="KIND")
    typer.echo(json.dumps(schema_of(kind) if kind else editor_schema(), indent=1))
