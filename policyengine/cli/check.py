"""`policyengine check` finds every mistake in a policy repository."""

from __future__ import annotations

import gc
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.check_report import Checked, CheckOutput, documents_in, rendered
from policyengine.cli.options import moment_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from policyengine.adapters.check_memory import CheckMemory
    from policyengine.model.diagnostic import Diagnostic

Directory = Annotated[Path, typer.Argument(help="The policy repository.", metavar="DIR")]
Now = Annotated[
    str | None, typer.Option("--now", help="Judge waivers and anchors at this time (RFC 3339) instead of now.")
]


MANY_FILES = 500  # more take longer than a second when nothing is remembered of them


def check(
    directory: Directory,
    output: Annotated[
        CheckOutput, typer.Option(help="Text, JSON, SARIF 2.1.0, annotations for GitHub, JUnit XML, or Markdown.")
    ] = CheckOutput.TABLE,
    now: Now = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Compare versions with this Git revision; with HEAD unless said, when DIR is in a work tree.",
            metavar="REV",
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not use or keep what earlier checks of DIR found.")
    ] = False,
) -> None:
    """Print every mistake in DIR; exit 1 when one of them is an error, 0 when there are warnings at most."""
    from policyengine.adapters.check_memory import CheckMemory
    from policyengine.adapters.tree import scan_tree
    from policyengine.cli.exits import Exit
    from policyengine.language.diagnostics import has_errors, in_order
    from policyengine.settings import cache_directory

    tree = scan_tree(directory)
    _announce(len(tree.files))
    memory = None if no_cache else CheckMemory(directory=cache_directory(), repository=directory)
    compiled = _diagnosed(tree.files, moment_at(now), memory)
    found = in_order((*tree.refused, *compiled, *_compared(directory, tree.files, base)))
    checked = Checked(
        directory=str(directory), below=_from_here(directory), documents=documents_in(tree.files), found=found
    )
    typer.echo(rendered(checked, output))
    raise typer.Exit(Exit.FINDINGS if has_errors(found) else Exit.OK)


def _compared(directory: Path, files: Mapping[str, bytes], base: str | None) -> tuple[Diagnostic, ...]:
    """Return what may not follow on the revision `base`; on HEAD when none is named, if there is a readable one.

    Raises GitReadError or TreeRefusedError when `base` is named and cannot be read.
    """
    from policyengine.adapters.git import GitReadError, read_commit
    from policyengine.adapters.tree import TreeRefusedError
    from policyengine.language.history import compare

    try:
        before = read_commit(directory, base or "HEAD").files
    except (GitReadError, TreeRefusedError):
        if base is not None:
            raise
        return ()
    return compare(before, files)


def _announce(files: int) -> None:
    """Tell a person who waits that there is something to wait for."""
    if files > MANY_FILES and sys.stderr.isatty():
        typer.echo(f"reading {files} files; only the first check of them takes long", err=True)


def _diagnosed(files: Mapping[str, bytes], now: datetime, memory: CheckMemory | None) -> tuple[Diagnostic, ...]:
    from policyengine.attestation.corim.states import read_endorsed
    from policyengine.language.incremental import check_tree
    from policyengine.language.remembered import Remembered

    remembered = Remembered() if memory is None else memory.load()
    gc.disable()  # millions of small values, none of them in a circle: collecting finds nothing and takes a fifth
    try:
        result = check_tree(files, now=now, remembered=remembered, corims=read_endorsed)
    finally:
        gc.enable()
    if memory is not None and result.remembered != remembered:
        memory.save(result.remembered)
    return result.diagnostics


def _from_here(directory: Path) -> str:
    """Return the path of `directory` from the working directory; empty when it is that, or not below it."""
    here, there = Path.cwd(), directory.resolve()
    return there.relative_to(here).as_posix().removeprefix(".") if there.is_relative_to(here) else ""
