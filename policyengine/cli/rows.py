"""What a command lists: rows as a table for people, or as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import typer

from policyengine.cli.columns import columns
from policyengine.cli.options import Output


def print_rows(rows: Sequence[Mapping[str, object]], shown: Sequence[str], output: Output) -> None:
    """Print all of `rows` as JSON, or their members `shown` as a table: `yes` and `no`, and `-` where there is none."""
    if output is Output.JSON:
        typer.echo(json.dumps(rows))
    else:
        typer.echo(columns(shown, ([_cell(row[name]) for name in shown] for row in rows)))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else str(value)
