"""YAML as it was written -> its canonical text: two spaces a level, lists wrapped, comments where they belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import dropwhile

from policyengine.language.formatting.written import Collection, Slot, Text, Written, WrittenDocument

WIDTH = 120  # the longest line that is not broken up, comments apart; as in this project's own sources
INDENT = 2


def text_of(documents: Sequence[WrittenDocument]) -> str:
    """Return the canonical text of a file with `documents`."""
    lines: list[str] = []
    for number, document in enumerate(documents):
        if number:
            lines.append("---")
        lines.extend(_trimmed([*document.root.opener, *document.root.leading, *_root(document.root), *document.tail]))
    while lines and not lines[-1] and not _ends_in_kept_lines(documents[-1].root):
        lines.pop()
    return "".join(f"{line}\n" for line in lines)


def _ends_in_kept_lines(slot: Slot) -> bool:
    """Return whether the last value is a block of text whose blank lines at the end count (`|+`)."""
    while isinstance(slot.value, Collection) and slot.value.slots and not slot.value.tail:
        slot = slot.value.slots[-1]
    return isinstance(slot.value, Text) and "+" in slot.value.header


def _root(root: Slot) -> Iterator[str]:
    value = root.value
    if isinstance(value, Collection) and value.slots:
        yield from _children(value, 0)
    elif value is not None:
        yield from _lines_of(value, 0)
    yield from root.trailing


def _children(value: Collection, indent: int) -> Iterator[str]:
    """Yield the lines of a mapping or list in block style, with every line indented by `indent`."""
    for number, slot in enumerate(value.slots):
        lines = list(_entry(slot, indent) if value.is_mapping else _item(slot, indent))
        yield from lines if number else _trimmed(lines)
    yield from _comments(value.tail, indent)


def _entry(slot: Slot, indent: int) -> Iterator[str]:
    yield from _valued(f"{' ' * indent}{slot.key}:", slot, indent)


def _item(slot: Slot, indent: int) -> Iterator[str]:
    value = slot.value
    if isinstance(value, Collection) and not _fits(value, indent + INDENT) and not _is_wrapped(value):
        lines = list(_children(value, indent + INDENT))
        lifted = next((number for number, line in enumerate(lines) if not _is_comment(line)), 0)
        yield from _comments([*slot.leading, *slot.opener], indent)
        yield from _comments([line.strip() for line in lines[:lifted]], indent)
        yield f"{' ' * indent}- {lines[lifted][indent + INDENT :]}"
        yield from lines[lifted + 1 :]
        yield from _comments(slot.trailing, indent + INDENT)
        return
    yield from _valued(f"{' ' * indent}-", slot, indent)


def _beside(slot: Slot, column: int) -> list[str]:
    """Return the comments on the line of the entry, whose value is at `column`; only the last can stay behind it."""
    value = slot.value
    if isinstance(value, Text):
        return [*slot.opener, *([] if value.header else slot.trailing)]
    if value is None or not (_fits(value, column) or _is_wrapped(value)):
        return slot.opener
    return [*slot.opener, *value.tail, *slot.trailing]


def _valued(head: str, slot: Slot, indent: int) -> Iterator[str]:
    """Yield `head` and the value behind or below it, with the comments above them and behind both."""
    value = slot.value
    beside = _beside(slot, len(head) + 1)
    behind = beside[-1:]
    yield from _comments([*slot.leading, *beside[:-1]], indent)
    if value is None:
        yield _with(head, behind)
    elif isinstance(value, Text) and value.header:
        yield _with(f"{head} {_header(value)}", behind)
        yield from _block_content(value, indent + INDENT)
        yield from _comments(slot.trailing, indent)
    elif isinstance(value, Text):
        yield from _with_last(_flow_scalar(head, value, indent + INDENT), behind)
    elif _fits(value, len(head) + 1):
        yield _with(f"{head} {_flow(value)}", behind)
    elif _is_wrapped(value):
        yield from _with_last(_wrapped(head, value, indent + INDENT), behind)
    else:
        yield _with(head, behind)
        yield from _children(value, indent + INDENT)
        yield from _comments(slot.trailing, indent + INDENT)


def _lines_of(value: Written, indent: int) -> Iterator[str]:
    if isinstance(value, Text):
        yield from value.lines
    else:
        yield f"{' ' * indent}{_flow(value)}"


def _flow_scalar(head: str, value: Text, indent: int) -> list[str]:
    is_double_quoted = value.lines[0].startswith('"')  # there a space at the end of a line may be an escaped one
    first, *rest = value.lines if is_double_quoted else [line.rstrip() for line in value.lines]
    return [f"{head} {first}", *_comments((line.lstrip() for line in rest), indent)]


def _header(value: Text) -> str:
    """Return the indicators of a block scalar; its indentation is said only if its first line begins with a space."""
    chomping = "".join(sign for sign in value.header if sign in "+-")
    first = next((line for line in value.lines if line), "")
    return f"{value.header[0]}{INDENT if first.startswith(' ') else ''}{chomping}"


def _block_content(value: Text, indent: int) -> Iterator[str]:
    return (f"{' ' * indent}{line}" if line else "" for line in value.lines)


def _fits(value: Collection, column: int) -> bool:
    """Return whether the collection stands on one line: it did, holds no comment, and is not too long from `column`."""
    return value.is_flow and _is_plain(value) and (not value.slots or column + len(_flow(value)) <= WIDTH)


def _is_plain(value: Collection) -> bool:
    """Return whether the flow collection can be written on one line: no comments, no value of several lines."""
    if not value.slots:
        return True
    inner = [slot.value for slot in value.slots]
    texts = all(len(one.lines) == 1 for one in inner if isinstance(one, Text))
    return texts and not value.is_noisy and all(_is_plain(one) for one in inner if isinstance(one, Collection))


def _is_wrapped(value: Collection) -> bool:
    """Return whether a list too long for its line goes on in the next: of single values only."""
    return (
        value.is_flow
        and not value.is_mapping
        and _is_plain(value)
        and all(isinstance(slot.value, Text) for slot in value.slots)
    )


def _wrapped(head: str, value: Collection, indent: int) -> list[str]:
    lines = [f"{head} ["]
    for number, slot in enumerate(value.slots):
        last = number == len(value.slots) - 1
        word = _one_line(slot.value) + ("]" if last else ",")
        glue = "" if lines[-1].endswith("[") and number == 0 else " "
        if number and len(lines[-1]) + len(glue) + len(word) > WIDTH:
            lines.append(f"{' ' * indent}{word}")
        else:
            lines[-1] += f"{glue}{word}"
    return lines


def _flow(value: Collection) -> str:
    if value.is_mapping:
        return "{" + ", ".join(f"{slot.key}: {_one_line(slot.value)}" for slot in value.slots) + "}"
    return "[" + ", ".join(_one_line(slot.value) for slot in value.slots) + "]"


def _one_line(value: Written | None) -> str:
    if isinstance(value, Text):
        return value.lines[0]
    return "" if value is None else _flow(value)


def _comments(lines: Iterable[str], indent: int) -> Iterator[str]:
    return (f"{' ' * indent}{line}" if line else "" for line in lines)


def _is_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _with(line: str, comments: Sequence[str]) -> str:
    return " ".join([line, *comments])


def _with_last(lines: list[str], comments: Sequence[str]) -> list[str]:
    return [*lines[:-1], _with(lines[-1], comments)]


def _trimmed(lines: Sequence[str]) -> list[str]:
    """Return `lines` without blank ones at the start."""
    return list(dropwhile(lambda line: not line, lines))
