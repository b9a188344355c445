"""The canonical text of a policy file: `policyengine fmt`. What the file says, and each comment in it, stays.

A file with a mistake that keeps it from being read is refused: nobody could say what its canonical text means.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from policyengine.errors import PolicyEngineError
from policyengine.language.diagnostics import has_errors
from policyengine.language.formatting.written import Collection, Slot, WrittenDocument
from policyengine.language.formatting.written_order import put_in_order
from policyengine.language.formatting.written_reader import read_written
from policyengine.language.formatting.written_text import text_of
from policyengine.language.nodes import Document, plain
from policyengine.language.reader import FileRead, read
from policyengine.language.schema import check_shape, kind_of, schema_of
from policyengine.model.diagnostic import Diagnostic

_MARK = b"\xef\xbb\xbf"


class FormatFaultError(PolicyEngineError):
    """The formatter would have changed what a file says: a defect of ours; the file is left as it is."""

    code = "fault.format"


@dataclass(frozen=True, slots=True, kw_only=True)
class Formatted:
    """The canonical text of a file, or why it has none."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...] = ()


def formatted(file: str, data: bytes) -> Formatted:
    """Return the canonical text of `data`; a byte order mark and CR LF line ends are mended on the way.

    Raises FormatFaultError rather than return a text that says something else.
    """
    data = data.removeprefix(_MARK).replace(b"\r\n", b"\n")
    found = read(file, data)
    refused = [*found.diagnostics, *(one for document in found.documents for one in _unknown_kind(document))]
    if has_errors(refused):
        return Formatted(text=None, diagnostics=tuple(refused))
    source = data.decode("utf-8")
    written = read_written(source)
    for document, layout in zip(found.documents, written, strict=False):
        put_in_order(layout.root, schema_of(kind_of(document) or ""))
    text = text_of(written) if written else _comments_only(source)
    _check_same(file, found, source, text)
    return Formatted(text=text)


def _unknown_kind(document: Document) -> tuple[Diagnostic, ...]:
    return () if kind_of(document) else check_shape(document)


def _comments_only(source: str) -> str:
    lines = [line.strip() for line in source.splitlines()]
    return "".join(f"{line}\n" for line in lines if line)


def _check_same(file: str, before: FileRead, source: str, text: str) -> None:
    """Raise unless `text` says what the file said, with the same comments, and is its own canonical text's source."""
    after = read(file, text.encode())
    same = [plain(one.root) for one in before.documents] == [plain(one.root) for one in after.documents]
    if not same or has_errors(after.diagnostics) or _comments(source) != _comments(text):
        raise FormatFaultError(f"`{file}` would have changed its meaning; it is left as it is", file=file)


def _comments(source: str) -> Counter[str]:
    return Counter(comment for document in read_written(source) for comment in comments_of(document))


def comments_of(document: WrittenDocument) -> list[str]:
    """Return every comment of `document`."""
    return [line for line in [*_slot_lines(document.root), *document.tail] if line]


def _slot_lines(slot: Slot) -> list[str]:
    inside = slot.value if isinstance(slot.value, Collection) else None
    below = [line for one in inside.slots for line in _slot_lines(one)] if inside else []
    return [*slot.leading, *slot.opener, *below, *(inside.tail if inside else []), *slot.trailing]
