"""`policyengine check` finds every mistake in a policy repository, `policyengine build` makes a bundle of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Output, moment_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from policyengine.language.compiler import Compilation
    from policyengine.language.diagnostics import Diagnostic
    from policyengine.model.policy import Bundle

Directory = Annotated[Path, typer.Argument(help="The policy repository.", metavar="DIR")]
Now = Annotated[
    str | None, typer.Option("--now", help="Judge waivers and anchors at this time (RFC 3339) instead of now.")
]


def check(
    directory: Directory,
    output: Annotated[Output, typer.Option(help="Lines of text, or JSON.")] = Output.TABLE,
    now: Now = None,
) -> None:
    """Print every mistake in DIR; exit 1 when one of them is an error, 0 when there are warnings at most."""
    from policyengine.cli.exits import Exit
    from policyengine.language.diagnostics import has_errors

    _, compilation, refused = _compiled(directory, now)
    found = (*refused, *compilation.diagnostics)
    typer.echo(_as_json(found) if output is Output.JSON else _as_lines(directory, found))
    raise typer.Exit(Exit.FINDINGS if has_errors(found) else Exit.OK)


def build(
    directory: Directory,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the bundle to this file.", metavar="FILE")
    ] = None,
    now: Now = None,
) -> None:
    """Compile DIR and print the bundle's digest; exit 1, with the errors on stderr, when it does not compile."""
    from policyengine.cli.exits import Exit
    from policyengine.language.diagnostics import as_text, has_errors

    files, compilation, refused = _compiled(directory, now)
    found = (*refused, *compilation.diagnostics)
    if has_errors(found) or compilation.bundle is None:
        typer.echo("\n".join(map(as_text, found)), err=True)
        raise typer.Exit(Exit.FINDINGS)
    if output is not None:
        output.write_bytes(_bundle_file(directory, files, compilation.bundle, moment_at(now)))
    typer.echo(compilation.digest)


def _compiled(directory: Path, now: str | None) -> tuple[Mapping[str, bytes], Compilation, tuple[Diagnostic, ...]]:
    """Return the files of `directory`, what the compiler says of them, and what could not be read at all."""
    from policyengine.adapters.tree import scan_tree
    from policyengine.language.compiler import compile_tree

    tree = scan_tree(directory)
    return tree.files, compile_tree(tree.files, now=moment_at(now)), tuple(tree.refused)


def _as_json(diagnostics: tuple[Diagnostic, ...]) -> str:
    import json

    from policyengine.language.diagnostics import as_document, in_order

    return json.dumps([as_document(one) for one in in_order(diagnostics)], indent=2, ensure_ascii=False)


def _as_lines(directory: Path, diagnostics: tuple[Diagnostic, ...]) -> str:
    from policyengine.language.diagnostics import Level, as_text, in_order

    counts = [sum(one.severity is level for one in diagnostics) for level in Level]
    summary = f"{directory}: {counts[0]} errors, {counts[1]} warnings, {counts[2]} notes"
    return "\n".join([*map(as_text, in_order(diagnostics)), summary])


def _bundle_file(directory: Path, files: Mapping[str, bytes], bundle: Bundle, created_at: datetime) -> bytes:
    from policyengine.adapters.git import commit_of
    from policyengine.language.bundle import BundleFile, digest_of_bundle, encode_file

    return encode_file(
        BundleFile(
            bundle=bundle,
            digest=digest_of_bundle(bundle),
            commit=commit_of(directory, files),
            created_at=created_at,
        )
    )
