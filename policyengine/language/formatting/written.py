"""YAML as it was written: values with their own text, and every comment at the entry it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Slot:
    """A place for one value: an entry of a mapping (with a key), an item of a list, or a document's root.

    `leading` are the lines above it (a comment, or "" for a blank line), `opener` the comments behind its key or dash,
    `trailing` those behind its value.
    """

    key: str = ""
    value: Written | None = None
    leading: list[str] = field(default_factory=list)
    opener: list[str] = field(default_factory=list)
    trailing: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Text:
    """A scalar: its lines as written, quotes included; of a block scalar the header's indicators and the content."""

    lines: list[str]
    header: str = ""


@dataclass(slots=True)
class Collection:
    """A mapping or list. `tail` are the lines after its last entry; `is_noisy` says that comments stand inside it."""

    is_mapping: bool
    is_flow: bool
    column: int
    start: int
    slots: list[Slot] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    is_noisy: bool = False


Written = Text | Collection


@dataclass(slots=True)
class WrittenDocument:
    """One document: the lines above its content, the content, and the lines below it."""

    root: Slot
    tail: list[str] = field(default_factory=list)
