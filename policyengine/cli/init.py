"""`policyengine init`: a new policy repository from the starter pack."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

FLEET = "fleet.yaml"
_SWITCH = re.compile(rb"^  enforcement: enforce\b.*$", re.MULTILINE)
_OBSERVE = b"  enforcement: observe # everything is computed and shown, nothing acts; `enforce` when you are ready"


def init(
    directory: Annotated[Path, typer.Argument(help="A new or empty directory.", metavar="DIR")],
) -> None:
    """Start a policy repository in DIR from the starter pack: it observes and does not enforce."""
    from policyengine.adapters.starter import first_commit, starter_files, write_tree

    files = {name: _observing(name, content) for name, content in starter_files().items()}
    write_tree(directory, files)
    committed = first_commit(directory, "Start from the starter pack")
    typer.echo(f"{len(files)} files in {directory}, {committed.value}")
    typer.echo(_next_steps(directory))


def _observing(name: str, content: bytes) -> bytes:
    return _SWITCH.sub(_OBSERVE, content) if name == FLEET else content


def _next_steps(directory: Path) -> str:
    return (
        "next:\n"
        f"  edit {directory / FLEET}: your sites, zones and device models\n"
        f"  edit {directory / 'parties.yaml'}: your parties' public keys\n"
        f"  copy your vendors' root certificates into {directory / 'trust-anchors'}\n"
        f"  policyengine check {directory}\n"
        f"  policyengine test {directory}"
    )
