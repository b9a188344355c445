"""Plain aligned columns, and amounts in words: readable in a terminal, in a log, and through grep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

GAP = "  "


def columns(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return `heading` and `rows` as lines with left-aligned columns; the last column is as wide as it likes."""
    table = [[cell.replace("\n", " ") for cell in row] for row in (heading, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(_line(row, widths) for row in table)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def amount(count: int, thing: str) -> str:
    """Return `1 device`, `2,000 devices`: `thing` is the word for one of them, and takes an s."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
