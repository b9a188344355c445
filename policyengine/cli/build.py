"""`policyengine build` makes a bundle of a policy repository, or of one of its commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import moment_at

if TYPE_CHECKING:
    from datetime import datetime

    from policyengine.model.diagnostic import Diagnostic
    from policyengine.model.policy import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What is built: files, what of them could not be read, and the commit they are (None: no clean commit)."""

    files: Mapping[str, bytes]
    refused: tuple[Diagnostic, ...]
    directory: Path
    commit: str | None


def build(
    source: Annotated[str, typer.Argument(help="The policy repository, or a Git revision of it.", metavar="DIR|REV")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the bundle to this file.", metavar="FILE")
    ] = None,
    policies: Annotated[
        Path, typer.Option(help="The policy repository in which a revision is looked up.", metavar="DIR")
    ] = Path("policies"),
    now: Annotated[
        str | None, typer.Option("--now", help="Judge waivers and anchors at this time (RFC 3339) instead of now.")
    ] = None,
) -> None:
    """Compile DIR, or REV, and print the bundle's digest; exit 1, errors on stderr, when it does not compile."""
    from policyengine.attestation.corim.states import read_endorsed
    from policyengine.cli.exits import Exit
    from policyengine.language.compiler import compile_tree
    from policyengine.language.diagnostics import as_text, has_errors, in_order

    moment = moment_at(now)
    found = _directory(Path(source)) if Path(source).is_dir() else _revision(policies, source)
    compilation = compile_tree(found.files, now=moment, corims=read_endorsed)
    diagnostics = in_order((*found.refused, *compilation.diagnostics))
    if has_errors(diagnostics) or compilation.bundle is None:
        typer.echo("\n".join(map(as_text, diagnostics)), err=True)
        raise typer.Exit(Exit.FINDINGS)
    if output is not None:
        _write(output, found, compilation.bundle, moment)
    typer.echo(compilation.digest)


def _directory(directory: Path) -> _Source:
    from policyengine.adapters.git import commit_of
    from policyengine.adapters.tree import scan_tree

    tree = scan_tree(directory)
    commit = commit_of(directory, tree.files)
    return _Source(files=tree.files, refused=tuple(tree.refused), directory=directory, commit=commit)


def _revision(policies: Path, revision: str) -> _Source:
    from policyengine.adapters.git import read_commit

    tree = read_commit(policies, revision)
    return _Source(files=tree.files, refused=(), directory=policies, commit=tree.commit)


def _write(path: Path, source: _Source, bundle: Bundle, created_at: datetime) -> None:
    """Write the bundle file; says on stderr when it cannot be told from older ones."""
    from policyengine.adapters.bundle_file import write_bundle_file
    from policyengine.adapters.git import height_of
    from policyengine.language.bundle import BundleFile, digest_of_bundle

    height = None if source.commit is None else height_of(source.directory, source.commit)
    if source.commit is not None and height is None:
        typer.echo("the clone is shallow, so the bundle does not say how old it is: fetch the whole history", err=True)
    digest = digest_of_bundle(bundle)
    file = BundleFile(bundle=bundle, digest=digest, commit=source.commit, created_at=created_at, height=height)
    write_bundle_file(path, file)
