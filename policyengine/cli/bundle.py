"""`policyengine bundle verify`: whether a file is a whole, unchanged bundle, and not older than one already seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Output, command_group

if TYPE_CHECKING:
    from pki.errors import PkiError
    from policyengine.errors import PolicyEngineError
    from policyengine.language.bundle import BundleFile

app = command_group("Verify bundle files.")


@app.callback()
def _group() -> None:
    """Verify bundle files."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The bundle file.", metavar="FILE")],
    seen: Annotated[
        Path | None, typer.Option(help="Refuse FILE if it is older than this bundle file.", metavar="FILE")
    ] = None,
    output: Annotated[Output, typer.Option(help="Text or JSON.")] = Output.TABLE,
) -> None:
    """Check that FILE is a bundle, whole and unchanged, and can be run; exit 0 accepted, 1 refused."""
    from pki.errors import PkiError
    from policyengine.adapters.bundle_file import read_bundle_file
    from policyengine.cli.exits import Exit
    from policyengine.errors import PolicyEngineError

    before = None if seen is None else read_bundle_file(seen)
    try:
        found = read_bundle_file(file)
        _demand_good(found, before)
    except (PolicyEngineError, PkiError) as error:
        typer.echo(_refusal(error, output))
        raise typer.Exit(Exit.FINDINGS) from error
    typer.echo(_acceptance(found, output))


def _demand_good(file: BundleFile, seen: BundleFile | None) -> None:
    """Raise what keeps the bundle from being put in force."""
    from policyengine.services.policies import compiled
    from policyengine.services.publication.bundle_order import Standing, demand_not_older

    compiled(file.bundle, digest=file.digest, commit=file.commit)
    if seen is not None:
        new = Standing(digest=file.digest, height=file.height, bundle=file.bundle)
        demand_not_older(new, Standing(digest=seen.digest, height=seen.height, bundle=seen.bundle))


def _refusal(error: PolicyEngineError | PkiError, output: Output) -> str:
    if output is Output.JSON:
        return json.dumps({"accepted": False, "code": error.code, "message": error.message}, indent=2)
    return f"refused: {error.message} ({error.code})"


def _acceptance(file: BundleFile, output: Output) -> str:
    bundle = file.bundle
    if output is Output.JSON:
        document = {"accepted": True, "digest": file.digest, "commit": file.commit, "height": file.height}
        counts = {"policies": len(bundle.policies), "rules": sum(len(one.rules) for one in bundle.policies.values())}
        return json.dumps({**document, **counts}, indent=2)
    order = "no place in history" if file.height is None else f"commit {file.height:,} of its history"
    built = "no clean commit" if file.commit is None else f"commit {file.commit}"
    return f"accepted: {file.digest}\nbuilt from {built}, {order}"
