"""`policyengine diff`: what a change of the policies means, before anyone signs it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import moment_at

if TYPE_CHECKING:
    from datetime import datetime

    from policyengine.model.policy import Bundle


class DiffOutput(Enum):
    """How differences are printed."""

    TABLE = "table"
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def diff(
    old: Annotated[str, typer.Argument(help="A Git revision, a bundle file or a directory.", metavar="OLD")],
    new: Annotated[str, typer.Argument(help="The same; DIR as it is now if left out.", metavar="[NEW]")] = "",
    policies: Annotated[
        Path, typer.Option(help="The policy repository in which revisions are looked up.", metavar="DIR")
    ] = Path("policies"),
    output: Annotated[DiffOutput, typer.Option(help="Text (table is the same), JSON, or Markdown.")] = DiffOutput.TABLE,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 when there is a difference.")] = False,
    now: Annotated[
        str | None, typer.Option("--now", help="Judge waivers and anchors at this time (RFC 3339) instead of now.")
    ] = None,
) -> None:
    """Print what NEW means that OLD did not: what was added, removed, tightened, loosened or reworded, and by whom."""
    from policyengine.analysis.bundle_diff import changes_between
    from policyengine.analysis.signoffs import signoffs_for
    from policyengine.cli.diff_report import Diff, rendered
    from policyengine.cli.exits import Exit

    moment = moment_at(now)
    before = _bundle(old, policies, moment)
    after = _bundle(new or str(policies), policies, moment)
    changes = changes_between(before, after)
    found = Diff(old=old, new=new or str(policies), changes=changes, signoffs=signoffs_for(changes, before))
    typer.echo(rendered(found, output.value))
    if exit_code and changes:
        raise typer.Exit(Exit.FINDINGS)


def _bundle(source: str, policies: Path, now: datetime) -> Bundle:
    """Return the bundle that `source` names: a file, a directory, else a revision of the repository `policies`.

    Raises PoliciesInvalidError when its files do not compile; what only its waivers have wrong is no reason.
    """
    from policyengine.adapters.bundle_file import read_bundle_file
    from policyengine.adapters.git import read_commit
    from policyengine.adapters.tree import read_tree
    from policyengine.cli.compiled import judging_bundle

    path = Path(source)
    if path.is_file():
        return read_bundle_file(path).bundle
    files = read_tree(path) if path.is_dir() else read_commit(policies, source).files
    return judging_bundle(source, files, now)
