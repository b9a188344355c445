"""Where a character of a scalar's value stands in the file: conditions are marked at the word that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from policyengine.language.nodes import Scalar

_HEX_LENGTH = {"x": 2, "u": 4, "U": 8}
_BLANK_ESCAPES = frozenset("tn\n\t rvfbaeN_LP0")


def position_inside(source: str, scalar: Scalar, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, of character `offset` of `scalar`'s value in `source`.

    Folding and indentation change white space only, so the value's other characters are counted off against the
    file's. An offset in white space gets the place of the next character; one at the end, the place after the last.
    """
    value = str(scalar.value)
    wanted = len("".join(value[:offset].split()))
    visible = len("".join(value.split()))
    last = scalar.index
    for index in islice(_visible(source, scalar.index), min(wanted + 1, visible)):
        last = index
    last += 1 if 0 < visible <= wanted else 0
    before = source[:last]
    return before.count("\n") + 1, last - (before.rfind("\n") + 1) + 1


def _visible(source: str, start: int) -> Iterator[int]:
    """Yield the index of every character of the scalar that begins at `start` and is not white space."""
    opener = source[start : start + 1]
    if opener == '"':
        yield from _double_quoted(source, start + 1)
    elif opener == "'":
        yield from _single_quoted(source, start + 1)
    elif opener in ("|", ">"):
        end_of_header = source.find("\n", start)
        yield from _bare(source, len(source) if end_of_header < 0 else end_of_header)
    else:
        yield from _bare(source, start)


def _bare(source: str, start: int) -> Iterator[int]:
    return (index for index in range(start, len(source)) if not source[index].isspace())


def _single_quoted(source: str, start: int) -> Iterator[int]:
    index = start
    while index < len(source):
        if source[index] == "'" and source[index + 1 : index + 2] != "'":
            return
        if not source[index].isspace():
            yield index
        index += 2 if source[index] == "'" else 1


def _double_quoted(source: str, start: int) -> Iterator[int]:
    index = start
    while index < len(source) and source[index] != '"':
        length = _escape_length(source, index) if source[index] == "\\" else 1
        blank = source[index + 1 : index + 2] in _BLANK_ESCAPES if length > 1 else source[index].isspace()
        if not blank:
            yield index
        index += length


def _escape_length(source: str, index: int) -> int:
    return 2 + _HEX_LENGTH.get(source[index + 1 : index + 2], 0)
