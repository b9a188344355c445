"""`policyengine fmt`: policy files in their canonical form."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from policyengine.model.diagnostic import Diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """A file as it is, as it should be (None: refused), and why it is refused."""

    path: Path
    before: bytes
    after: bytes | None
    refused: tuple[Diagnostic, ...] = ()

    @property
    def differs(self) -> bool:
        return self.after is not None and self.after != self.before


def fmt(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Policy files and repositories; this directory unless said.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a file would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
) -> None:
    """Write policy files in their canonical form: what they say and their comments stay. Exit 1 when one is refused."""
    from policyengine.cli.exits import Exit
    from policyengine.language.diagnostics import as_text, has_errors

    sheets, refused = _sheets(paths or [Path()])
    changed = [sheet for sheet in sheets if sheet.differs]
    for sheet in changed:
        if not (check or diff):
            _write(sheet)
        typer.echo(_difference(sheet) if diff else str(sheet.path), nl=not diff)
    refusals = [*refused, *(one for sheet in sheets for one in sheet.refused)]
    for one in refusals:
        typer.echo(as_text(one), err=True)
    if changed or refusals:
        typer.echo(_summary(sheets, changed, "would change" if check or diff else "changed"), err=True)
    raise typer.Exit(Exit.FINDINGS if has_errors(refusals) or (check and changed) else Exit.OK)


def _sheets(paths: Sequence[Path]) -> tuple[list[_Sheet], list[Diagnostic]]:
    from policyengine.adapters.tree import scan_file, scan_tree
    from policyengine.language.layout import is_document

    sheets: list[_Sheet] = []
    refused: list[Diagnostic] = []
    for path in paths:
        tree = scan_tree(path) if path.is_dir() else scan_file(path)
        refused.extend(tree.refused)
        root = path if path.is_dir() else path.parent
        sheets.extend(_sheet(root / name, content) for name, content in tree.files.items() if is_document(name))
    return sheets, refused


def _sheet(path: Path, before: bytes) -> _Sheet:
    from policyengine.language.formatting.formatter import formatted

    result = formatted(str(path), before)
    after = None if result.text is None else result.text.encode()
    return _Sheet(path=path, before=before, after=after, refused=result.diagnostics)


def _write(sheet: _Sheet) -> None:
    from policyengine.adapters.replacing import replace_file

    if sheet.after is not None:
        replace_file(sheet.path, sheet.after)


def _difference(sheet: _Sheet) -> str:
    return "".join(_difference_lines(sheet))


def _difference_lines(sheet: _Sheet) -> Iterator[str]:
    old, new = (content.decode("utf-8", "replace") for content in (sheet.before, sheet.after or b""))
    name = str(sheet.path)
    for line in difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), name, name):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _summary(sheets: Sequence[_Sheet], changed: Sequence[_Sheet], word: str) -> str:
    refused = sum(sheet.after is None for sheet in sheets)
    tail = f", {refused} refused" if refused else ""
    return f"{len(changed)} of {len(sheets)} files {word}{tail}"
