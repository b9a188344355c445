"""`policyengine cel`: the condition language by itself, without policies or devices."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer(help="Evaluate expressions of the condition language.", no_args_is_help=True, add_completion=False)


@app.callback()
def _group() -> None:
    """Evaluate expressions of the condition language."""


@app.command("eval")
def evaluate(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Requests, one JSON object a line; default standard input.")
    ] = None,
) -> None:
    """Evaluate CEL with the engine that judges devices: JSON lines in, JSON lines out.

    A request is {"id", "expr", "bindings": {name: typed value}, "type_env"?, "container"?, "disable_check"?}; a typed
    value is {"t": "int", "v": "7"}. An answer is {"id", "kind": "value" | "error" | "compile_error", "value"}. The exit
    code is 2 if a line was no request.
    """
    if file is None:
        all_answered = _answer(sys.stdin.buffer)
    else:
        with file.open("rb") as lines:
            all_answered = _answer(lines)
    if not all_answered:
        raise typer.Exit(2)


def _answer(lines: Iterable[bytes]) -> bool:
    from policyengine.services.expressions import answer_line

    all_answered = True
    for line in lines:
        if line.strip():
            answer = answer_line(line)
            all_answered &= answer.is_answered
            sys.stdout.write(json.dumps(answer.document, ensure_ascii=True) + "\n")
            sys.stdout.flush()
    return all_answered
