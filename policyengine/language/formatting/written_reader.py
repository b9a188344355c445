"""Text that the strict reader has accepted -> YAML as it was written, with every comment where it belongs.

A comment on a line of its own belongs to what follows it, unless it is indented deeper than that: then it ends the
collection it is indented with. A comment behind something belongs to that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from yaml import CSafeLoader
from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    StreamEndEvent,
)

from policyengine.language.formatting.written import Collection, Slot, Text, WrittenDocument

_COMMENT = re.compile(r"(?:^|(?<=[\s,\[\]{}]))#[^\n]*", re.MULTILINE)
_HEADER = re.compile(r"[|>][-+0-9]*")


@dataclass(frozen=True, slots=True)
class _Comment:
    """A comment, or a blank line (no text) among comments. `column` counts from 0; None: it stands behind something."""

    text: str
    column: int | None


def read_written(source: str) -> list[WrittenDocument]:
    """Return the documents of `source`, which language/reader.py has read without finding an error."""
    parser = CSafeLoader(source)
    try:
        return _Builder(source).build(parser)
    finally:
        parser.dispose()


@dataclass(slots=True)
class _Builder:
    source: str
    documents: list[WrittenDocument] = field(default_factory=list)
    stack: list[Collection] = field(default_factory=list)
    owners: list[Slot] = field(default_factory=list)
    pending: list[_Comment] = field(default_factory=list)
    read_to: int = 0
    last: Slot | None = None

    def build(self, parser: CSafeLoader) -> list[WrittenDocument]:
        while True:
            event = parser.get_event()
            if event is None:
                return self.documents
            start, end = (mark.index if mark else 0 for mark in (event.start_mark, event.end_mark))
            self._gather(start)
            self._take(event)
            self.read_to = max(self.read_to, end)

    def _take(self, event: Event) -> None:
        match event:
            case DocumentStartEvent():
                self._end_tail()
                root = Slot()
                self.documents.append(WrittenDocument(root=root))
                self.last = root if event.explicit else None
            case ScalarEvent() if self._expects_key():
                slot = self._new_slot()
                slot.key = self._text_of(event).lines[0]
            case ScalarEvent():
                self._slot_for_value(is_block=False).value = self._text_of(event)
            case CollectionStartEvent():
                self._open(event)
            case CollectionEndEvent():
                self._close()
            case DocumentEndEvent() | StreamEndEvent():
                self._end_tail()
            case _:
                pass

    def _gather(self, until: int) -> None:
        """Take in the comments and blank lines between what was read and `until`."""
        at_line_start = self.source[max(0, self.read_to - 1) : self.read_to] in ("", "\n")
        gap = ("\n" if at_line_start else "") + self.source[self.read_to : until]
        offset = self.read_to - at_line_start
        at = 0
        for found in _COMMENT.finditer(gap):
            self._note_blank(gap[at : found.start()])
            self._add(found.group().rstrip(), offset + found.start())
            at = found.end()
        self._note_blank(gap[at:])

    def _note_blank(self, between: str) -> None:
        if between.count("\n") > 1 and (not self.pending or self.pending[-1].text):
            self.pending.append(_Comment("", None))

    def _add(self, text: str, index: int) -> None:
        line_start = self.source.rfind("\n", 0, index) + 1
        for open_one in self.stack:
            open_one.is_noisy = True
        before = self.source[line_start:index]
        if before.strip(" -") and self.last is not None:
            target = self.last.opener if _is_opening(self.last.value) else self.last.trailing
            target.append(text)
        else:  # on a line of its own, or behind the dash of an item that begins below
            self.pending.append(_Comment(text, len(before) - len(before.lstrip())))

    def _expects_key(self) -> bool:
        if not self.stack or not self.stack[-1].is_mapping:
            return False
        slots = self.stack[-1].slots
        return not slots or slots[-1].value is not None

    def _new_slot(self) -> Slot:
        slot = Slot(leading=self._lines())
        self.stack[-1].slots.append(slot)
        self.last = slot
        return slot

    def _slot_for_value(self, *, is_block: bool) -> Slot:
        """Return the slot that the value belongs to: a new item, the entry whose key was read, or the root.

        Comments above a mapping or list in block style belong to the first entry inside it.
        """
        if self.stack and not self.stack[-1].is_mapping:
            return self._new_slot()
        slot = self.stack[-1].slots[-1] if self.stack else self.documents[-1].root
        if not (self.stack and is_block):
            slot.leading.extend(self._lines())
        self.last = slot
        return slot

    def _lines(self) -> list[str]:
        lines = [one.text for one in self.pending]
        self.pending.clear()
        return lines

    def _open(self, event: CollectionStartEvent) -> None:
        slot = self._slot_for_value(is_block=not event.flow_style)
        mark = event.start_mark
        column, start = (mark.column, mark.index) if mark else (0, 0)
        collection = Collection(
            is_mapping=isinstance(event, MappingStartEvent), is_flow=bool(event.flow_style), column=column, start=start
        )
        slot.value = collection
        self.stack.append(collection)
        self.owners.append(slot)

    def _close(self) -> None:
        closed = self.stack.pop()
        owner = self.owners.pop()
        if closed.is_flow:
            closed.tail.extend(self._lines())
            self.last = owner
            return
        parent = self.stack[-1].column if self.stack else -1
        count = _inside(self.pending, closed.column, parent)
        closed.tail.extend(one.text for one in self.pending[:count])
        del self.pending[:count]

    def _end_tail(self) -> None:
        if self.documents:
            self.documents[-1].tail.extend(self._lines())

    def _text_of(self, event: ScalarEvent) -> Text:
        start, end = (mark.index if mark else 0 for mark in (event.start_mark, event.end_mark))
        lines = self.source[start:end].split("\n")
        if event.style not in ("|", ">"):
            return Text(lines)
        header = _HEADER.match(lines[0])
        comment = lines[0][header.end() if header else 0 :].strip()
        if comment and self.last is not None:
            self.last.opener.append(comment)
        content = _content(lines[1:], event.value)
        self._note_blank("\n" * (len(lines) - 1 - len(content)))
        return Text(content, header.group() if header else lines[0])


def _is_opening(value: object) -> bool:
    """Return whether what stands behind the place now stands before its value: there is none yet, or it is open."""
    return value is None or (isinstance(value, Collection) and not value.slots)


def _inside(pending: Sequence[_Comment], column: int, parent: int) -> int:
    """Return how many of `pending` are indented like a collection at `column` whose parent is at `parent`."""
    count = 0
    for number, one in enumerate(pending, start=1):
        if one.column is None:
            continue
        if one.column < column or one.column <= parent:
            break
        count = number
    return count


def _content(lines: Sequence[str], value: str) -> list[str]:
    """Return the lines of a block scalar without their indentation and the blank lines that do not count."""
    kept = list(lines[:-1])
    if not value.endswith("\n\n") and value.strip("\n"):
        while kept and not kept[-1].strip(" "):
            kept.pop()
    first = next((line for line in value.split("\n") if line.strip(" ")), "")
    written = next((line for line in kept if line.strip(" ")), "")
    shown = len(first) if first and written.endswith(first) else len(written.lstrip(" "))
    return [line[len(written) - shown :] for line in kept]
